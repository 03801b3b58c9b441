import sqlite3 from 'sqlite3';
import { appendFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';

/**
 * Loaded into a process before its program, and into each of its threads: every step that changes something on disk gets a
 * name, and at one of them the process is killed or interrupted, or the step fails.
 *
 * `FAULT_HOME`: what is left out of names. `FAULT_LOG`: file that takes the names. `FAULT_AT`: name of the step.
 * `FAULT_HOW`: `kill`, `interrupt` (the step is done, and Ctrl-C pressed), or the errno that the step fails with.
 */
const { FAULT_HOME = '', FAULT_LOG, FAULT_AT, FAULT_HOW = 'kill' } = process.env;
let isDone = false;

/** @returns the errno to fail with */
function reach(name: string): string | null {
  if (FAULT_LOG !== undefined) appendFileSync(FAULT_LOG, `${name}\n`);
  if (name !== FAULT_AT || isDone) return null;
  isDone = true;
  if (FAULT_HOW === 'kill') process.kill(process.pid, 'SIGKILL');
  if (FAULT_HOW !== 'interrupt') return FAULT_HOW;
  process.kill(process.pid, 'SIGINT');
  return null;
}

function failure(errno: string, syscall: string): Error {
  return Object.assign(new Error(`${errno}: ${syscall}`), { code: errno, syscall });
}

/** What differs from run to run is left out. */
function nameOf(path: unknown): string | null {
  const text = String(path);
  if (FAULT_HOME === '' || !text.startsWith(FAULT_HOME)) return null;
  return text
    .slice(FAULT_HOME.length + 1)
    .replaceAll(/sha256:[0-9a-f]{64}/g, 'DIGEST')
    .replaceAll(/\.[0-9a-f]{16}/g, '.RANDOM')
    .replaceAll(/\d{8}T[\d.]+Z/g, 'TIME');
}

type Call = (...values: unknown[]) => unknown;

function wrap(
  object: object,
  method: string,
  name: (values: readonly unknown[]) => string | null,
  isAsync: boolean,
): void {
  const methods = object as Record<string, Call>;
  const call = methods[method]!;
  methods[method] = function (this: unknown, ...values: unknown[]): unknown {
    const step = name(values);
    const errno = step === null ? null : reach(step);
    if (errno === null) return call.apply(this, values);
    const error = failure(errno, method);
    if (isAsync) return Promise.reject(error);
    throw error;
  };
}

for (const method of ['mkdir', 'rename', 'unlink', 'rmdir', 'open']) {
  wrap(
    fs,
    method,
    ([from, to]) => {
      const [path, target] = [nameOf(from), method === 'rename' ? nameOf(to) : null];
      return path === null ? null : [method, path, ...(target === null ? [] : ['to', target])].join(' ');
    },
    true,
  );
}

const probe = await fs.open('/dev/null');
wrap(Object.getPrototypeOf(probe) as object, 'sync', () => 'fsync', true);
await probe.close();
syncBuiltinESMExports();

const addon = createRequire(new URL('../../src/native.js', import.meta.url))('xattr-native') as object;
for (const method of ['writerOpen', 'writerRun', 'writerFinish', 'syncfs', 'removeTree', 'flock', 'setTimes'])
  wrap(addon, method, () => method, false);

const { all } = sqlite3.Database.prototype as unknown as { all: Call };
(sqlite3.Database.prototype as unknown as { all: Call }).all = function (this: unknown, ...values: unknown[]) {
  const [sql] = values as [string];
  const errno = /^(PRAGMA|SELECT)/.test(sql)
    ? null
    : reach(sql.replaceAll(/\s+/g, ' ').split(' ').slice(0, 3).join(' '));
  if (errno === null) return all.apply(this, values);
  const error = Object.assign(new Error('SQLITE_IOERR: disk I/O error'), { code: 'SQLITE_IOERR' });
  process.nextTick(values.at(-1) as (error: Error) => void, error);
  return this;
};
