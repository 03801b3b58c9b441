import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { isolatedEnvironment, temporaryDirectory, type Cleanup } from '../../helpers/temporary.js';

const NOBODY = 65534;

/** What one user's run of all tests of this folder, each layer in one way, comes to. */
interface Run {
  readonly output: string;
  readonly status: number | null;
  readonly tests: number;
  readonly passed: number;
  /** A line a layer: title, and a hash of tree, sidecar, warnings or refusal. */
  readonly fingerprints: readonly string[];
}

function runAs(t: Cleanup, uid: number): Run {
  const home = temporaryDirectory(t, 'sluice-user');
  const [temporary, fingerprints, script] = ['tmp', 'fingerprints', 'all.mjs'].map((name) => join(home, name)) as [
    string,
    string,
    string,
  ];
  mkdirSync(temporary);
  writeFileSync(fingerprints, '');
  const files = readdirSync(import.meta.dirname).filter(
    (name) => name.endsWith('.test.js') && !import.meta.filename.endsWith(name),
  );
  writeFileSync(
    script,
    files.map((name) => `import ${JSON.stringify(pathToFileURL(join(import.meta.dirname, name)).href)};\n`).join(''),
  );
  chmodSync(home, 0o700);
  for (const path of [home, temporary, fingerprints, script]) chownSync(path, uid, uid);
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--test-reporter=tap', script], {
    uid,
    gid: uid,
    cwd: home,
    encoding: 'utf8',
    maxBuffer: 2 ** 27,
    env: isolatedEnvironment(home, {
      TMPDIR: temporary,
      NODE_TEST_CONTEXT: undefined,
      SLUICE_MATRIX: 'one',
      SLUICE_FINGERPRINTS: fingerprints,
    }),
  });
  const count = (name: string): number => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(stdout)?.[1] ?? -1);
  return {
    output: `${stdout
      .split('\n')
      .filter((line) => /^\s*(not ok|# (?!Subtest))/.test(line))
      .join('\n')}\n${stderr}`,
    status,
    tests: count('tests'),
    passed: count('pass'),
    fingerprints: readFileSync(fingerprints, 'utf8').split('\n').toSorted(),
  };
}

test('extraction S23 an ordinary user gets the same trees and sidecars from every layer of this folder', (t) => {
  const own = process.getuid!();
  const runs = [own, own === 0 ? NOBODY : own].map((uid) => runAs(t, uid));
  const [first, second] = runs as [Run, Run];
  for (const { status, output, tests, passed } of runs) {
    assert.equal(status, 0, output);
    assert.equal(passed, tests, output);
  }
  assert.equal(second.tests, first.tests);
  assert.ok(first.fingerprints.length > 300, 'the layers were compared');
  assert.deepEqual(second.fingerprints, first.fingerprints);
});
