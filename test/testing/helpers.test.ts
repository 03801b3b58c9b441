import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { isolateEnvironment, isolatedEnvironment, temporaryDirectory } from '../helpers/temporary.js';

test('needs: false, a reason, or an error in CI', (t) => {
  isolateEnvironment(t, { CI: undefined });
  assert.equal(needs('sh'), false);
  assert.equal(needs('no-such-program'), 'needs the program no-such-program');
  process.env['CI'] = 'true';
  assert.equal(needs('sh'), false);
  assert.throws(() => needs('no-such-program'), /nothing is skipped in CI/);
});

test('a temporary directory goes away, whatever its modes are', async (t) => {
  let path = '';
  await t.test('inner', (inner) => {
    path = temporaryDirectory(inner);
    mkdirSync(join(path, 'a/b'), { recursive: true });
    writeFileSync(join(path, 'a/b/c'), '');
    chmodSync(join(path, 'a/b'), 0);
    chmodSync(join(path, 'a'), 0);
  });
  assert.equal(existsSync(path), false);
});

test('the environment is isolated and comes back', async (t) => {
  process.env['SLUICE_HOME'] = '/real';
  process.env['https_proxy'] = 'http://real';
  const before = { ...process.env };
  await t.test('inner', (inner) => {
    const home = isolateEnvironment(inner, { DOCKER_CONFIG: '/mine', PATH: undefined });
    assert.equal(process.env['HOME'], home);
    assert.equal(process.env['SLUICE_HOME'], undefined);
    assert.equal(process.env['https_proxy'], undefined);
    assert.equal(process.env['DOCKER_CONFIG'], '/mine');
    assert.equal(process.env['PATH'], undefined);
  });
  assert.deepEqual({ ...process.env }, before);
  assert.equal(isolatedEnvironment('/h')['SLUICE_HOME'], undefined);
});

test('a free port is free', async () => {
  assert.ok((await freePort()) > 1024);
});

test('the runner fails when no file matches', () => {
  const runner = join(import.meta.dirname, '../run.js');
  const { status, stderr } = spawnSync(process.execPath, [runner, 'no/such/test'], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /no test file/);
});

test('the runner runs what it is told and prints the sums', () => {
  const runner = join(import.meta.dirname, '../run.js');
  const env = { ...process.env };
  delete env['NODE_TEST_CONTEXT'];
  const { status, stdout } = spawnSync(process.execPath, [runner, 'testing/tar.test'], { encoding: 'utf8', env });
  assert.equal(status, 0);
  assert.match(stdout, /ℹ tests [1-9]/);
  assert.match(stdout, /ℹ fail 0/);
});
