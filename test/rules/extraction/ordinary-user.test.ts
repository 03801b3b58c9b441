import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fastDirectory } from '../../helpers/guard.js';
import { isolatedEnvironment, temporaryDirectory, type Cleanup } from '../../helpers/temporary.js';

const NOBODY = 65534;

const OTHER_FILES = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.js') && !import.meta.filename.endsWith(name))
  .map((name) => join(import.meta.dirname, name));

/** What one user's run of all tests of this folder, each layer in one way, comes to. */
interface Run {
  readonly status: number;
  /** What failed. */
  readonly report: string;
  readonly tests: number;
  readonly passed: number;
  /** A line a layer: title, and a hash of tree, sidecar, warnings or refusal. */
  readonly fingerprints: readonly string[];
}

async function runAs(t: Cleanup, uid: number, gid: number): Promise<Run> {
  const home = temporaryDirectory(t, 'sluice-user', fastDirectory());
  const [temporary, fingerprints, script] = [join(home, 'tmp'), join(home, 'fingerprints'), join(home, 'all.mjs')];
  mkdirSync(temporary);
  writeFileSync(fingerprints, '');
  writeFileSync(script, OTHER_FILES.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`).join(''));
  for (const path of [home, temporary, fingerprints, script]) chownSync(path, uid, gid);
  const child = spawn(process.execPath, ['--test-reporter=tap', script], {
    uid,
    gid,
    cwd: home,
    env: isolatedEnvironment(home, {
      TMPDIR: temporary,
      NODE_TEST_CONTEXT: undefined,
      SLUICE_MATRIX: 'one',
      SLUICE_FINGERPRINTS: fingerprints,
    }),
  });
  t.after(() => void child.kill('SIGKILL'));
  const [output, errors, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const count = (name: string): number => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? -1);
  const failures = output.match(/^not ok[^]*?^ {2}\.\.\.$/gm) ?? [];
  return {
    status: Number(status),
    report: [...failures, errors].join('\n'),
    tests: count('tests'),
    passed: count('pass'),
    fingerprints: readFileSync(fingerprints, 'utf8').split('\n').toSorted(),
  };
}

test('extraction S23 an ordinary user gets the same trees and sidecars from every layer of this folder', async (t) => {
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  const isRoot = uid === 0;
  const [own, other] = await Promise.all([runAs(t, uid, gid), isRoot ? runAs(t, NOBODY, NOBODY) : runAs(t, uid, gid)]);
  for (const { status, report, tests, passed } of [own, other]) {
    assert.equal(status, 0, report);
    assert.equal(passed, tests, report);
  }
  assert.equal(other.tests, own.tests);
  assert.ok(own.fingerprints.length > 300, 'the layers were compared');
  assert.deepEqual(other.fingerprints, own.fingerprints);
});
