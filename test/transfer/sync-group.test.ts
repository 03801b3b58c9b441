import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { writeOciLayout } from '../../src/testing/index.js';
import { createSyncGroup, createSyncGroups, syncTogether } from '../../src/transfer/sync-group.js';
import { smallImage } from '../cli/command.js';
import { needs } from '../helpers/needs.js';
import { isolatedEnvironment, temporaryDirectory } from '../helpers/temporary.js';
import type { SyncingTask } from './syncing-thread.js';

/** `ENDED` of the group: what those wait on who share the next sync. */
const ENDED = 3;
const [RELEASED, FAILING] = [1, 2];

function openGate(): { task: SyncingTask; gate: Int32Array; begun: () => number; start: () => Promise<unknown> } {
  const task = { group: createSyncGroup(), gate: new SharedArrayBuffer(12) };
  const gate = new Int32Array(task.gate);
  const begun = (): number => Atomics.load(gate, 0);
  const start = async (): Promise<unknown> => {
    const thread = new Worker(new URL('./syncing-thread.js', import.meta.url), { workerData: task });
    const [message] = (await once(thread, 'message')) as [unknown];
    await thread.terminate();
    return message;
  };
  return { task, gate, begun, start };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

function release(gate: Int32Array, how: number): void {
  Atomics.store(gate, 2, how);
  Atomics.notify(gate, 2);
}

test('layers that end while a sync runs share the next one: five threads, two syncs', async () => {
  const { task, gate, begun, start } = openGate();
  const first = start();
  await until(() => begun() === 1);
  const others = Array.from({ length: 4 }, start);
  // A wake-up that is for nothing tells how many sleep.
  await until(() => Atomics.notify(new Int32Array(task.group), ENDED) === 4);
  assert.equal(begun(), 1, 'at most one at a time');
  release(gate, RELEASED);
  assert.deepEqual(
    await Promise.all([first, ...others]),
    Array.from({ length: 5 }, () => 'synced'),
  );
  assert.equal(begun(), 2);
});

test('a sync that fails fails its own thread alone; who waited for it does their own', async () => {
  const { task, gate, begun, start } = openGate();
  const first = start();
  await until(() => begun() === 1);
  const second = start();
  await until(() => Atomics.notify(new Int32Array(task.group), ENDED) === 1);
  release(gate, FAILING);
  assert.deepEqual(await Promise.all([first, second]), ['Error: EIO', 'synced']);
  assert.equal(begun(), 2);
});

test('what was written after a sync is synced again', () => {
  const group = createSyncGroup();
  let syncs = 0;
  for (let i = 0; i < 3; i++) syncTogether(group, () => void syncs++);
  assert.equal(syncs, 3);
});

test('the sync of a thread that died is nobody’s to wait for', async (t) => {
  const groups = createSyncGroups();
  const group = await groups.of(temporaryDirectory(t));
  Atomics.store(new Int32Array(group), 0, 1); // as a thread leaves it that ends within a sync
  groups.abandon();
  let syncs = 0;
  syncTogether(group, () => void syncs++);
  assert.equal(syncs, 1);
});

test('all directories of one file system have one group', async (t) => {
  const folder = temporaryDirectory(t);
  const groups = createSyncGroups();
  assert.equal(await groups.of(folder), await groups.of(join(folder, '.')));
  assert.notEqual(await groups.of(folder), await groups.of('/proc'));
  await assert.rejects(groups.of(join(folder, 'absent')), { code: 'ENOENT' });
});

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** The lines that a log of some system calls of one import has. */
async function traceImport(folder: string, home: string, calls: string, ...words: string[]): Promise<string[]> {
  const log = join(folder, `${home}.log`);
  const traced = ['-f', '-y', '-s', '300', '-e', `trace=${calls}`, '-e', 'signal=none', '-o', log];
  const command = [MAIN, 'import', `oci:${join(folder, 'layout')}`, '--home', join(folder, home), ...words];
  await run('strace', [...traced, process.execPath, ...command], { env: isolatedEnvironment(folder) });
  return readFileSync(log, 'latin1').split('\n');
}

test(
  'extraction §12 what is published is synced first, then the tree, its sidecar, and their directory',
  { skip: needs('strace') },
  async (t) => {
    const folder = temporaryDirectory(t);
    writeOciLayout(join(folder, 'layout'), { latest: smallImage('a') });
    const lines = await traceImport(folder, 'home', 'syncfs,fsync,rename,renameat,renameat2');
    const steps = lines.flatMap((line) => {
      if (line.includes('syncfs(')) return ['sync'];
      if (/rename.*\.extracted"/.test(line)) return ['tree'];
      if (/rename.*\.mtree"/.test(line)) return ['sidecar'];
      return /fsync\(\d+<[^>]*\/layers>/.test(line) ? ['directory'] : [];
    });
    assert.deepEqual(steps, ['sync', 'tree', 'sidecar', 'directory'], lines.join('\n'));
  },
);

test(
  'an import syncs the file system, one sync at a time, and with --no-sync nothing',
  { skip: needs('strace') },
  async (t) => {
    const folder = temporaryDirectory(t);
    writeOciLayout(join(folder, 'layout'), { latest: smallImage('a', 'b', 'c', 'd', 'e', 'f') });
    const syncsOf = async (home: string, ...words: string[]): Promise<readonly string[]> => {
      const lines = await traceImport(folder, home, 'syncfs,fsync,fdatasync', '--jobs', '6', ...words);
      return lines.filter((line) => line.includes('syncfs') || line.includes('/layers>'));
    };
    const lines = (await syncsOf('synced')).filter((line) => line.includes('syncfs'));
    const begins = lines.filter((line) => line.includes('syncfs('));
    assert.ok(begins.length > 0 && begins.length <= 6, lines.join('\n'));
    let running = 0;
    for (const line of lines) {
      if (line.includes('syncfs(')) assert.equal(++running, 1, lines.join('\n'));
      if (!line.includes('<unfinished')) running--;
    }
    assert.deepEqual(await syncsOf('unsynced', '--no-sync'), []);
  },
);
