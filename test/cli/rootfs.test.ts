import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine, errorOf, jsonLines, smallImage } from './command.js';

test('rootfs prints the directory that it made, and says why it does not', async (t) => {
  const line = createCommandLine(t);
  const folder = temporaryDirectory(t);
  const layout = join(folder, 'tools');
  writeOciLayout(layout, { v1: smallImage('a', 'b') });
  assert.equal((await line.run(['import', `oci:${layout}:v1`])).status, 0);
  const path = join(folder, 'root');
  const made = await line.run(['rootfs', 'localhost/tools:v1', path]);
  assert.deepEqual(made, { status: 0, stdout: `${path}\n`, stderr: '' });
  assert.deepEqual([readFileSync(join(path, 'a'), 'utf8'), readFileSync(join(path, 'b'), 'utf8')], ['a', 'b']);

  const again = await line.run(['rootfs', 'localhost/tools:v1', path, '--json']);
  assert.deepEqual([again.status, errorOf(again.stdout)['code']], [2, 'CONFIG_INVALID']);
  const json = await line.run(['rootfs', 'localhost/tools:v1', `${path}2`, '--json', '--no-sync']);
  assert.deepEqual(jsonLines(json.stdout), [{ path: `${path}2`, sidecar: `${path}2.mtree` }]);
  for (const words of [
    ['rootfs', 'localhost/tools:v1', `${path}4`],
    ['export', 'localhost/tools:v1', `${path}4`],
  ]) {
    const limited = await line.run([...words, '--max-entries', '0', '--json']);
    assert.deepEqual([limited.status, errorOf(limited.stdout)['code']], [1, 'BUDGET_EXCEEDED']);
  }
  const absent = await line.run(['rootfs', 'localhost/none:v1', `${path}3`]);
  assert.equal(absent.status, 1);
  assert.match(absent.stderr, /^error\[IMAGE_NOT_FOUND\]: /);
});
