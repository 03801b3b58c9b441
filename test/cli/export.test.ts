import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine, errorOf, jsonLines, smallImage } from './command.js';

test('export writes a tar to a file or to standard output, the same one', async (t) => {
  const line = createCommandLine(t);
  const folder = temporaryDirectory(t);
  const layout = join(folder, 'tools');
  writeOciLayout(layout, { v1: smallImage('a', 'b') });
  assert.equal((await line.run(['import', `oci:${layout}:v1`])).status, 0);
  const path = join(folder, 'root.tar');
  const written = await line.run(['export', 'localhost/tools:v1', path]);
  assert.deepEqual(written, { status: 0, stdout: '', stderr: '' });
  assert.deepEqual(execFileSync('tar', ['-tf', path], { encoding: 'utf8' }), './\na\nb\n');
  const piped = await line.run(['export', 'localhost/tools:v1', '-']);
  assert.deepEqual([piped.status, piped.stdout, piped.stderr], [0, readFileSync(path, 'utf8'), '']);
  const json = await line.run(['export', 'localhost/tools:v1', path, '--json']);
  assert.deepEqual(jsonLines(json.stdout), [{ file: path }]);
  const both = await line.run(['export', 'localhost/tools:v1', '-', '--json']);
  assert.deepEqual([both.status, errorOf(both.stdout)['code']], [2, 'CONFIG_INVALID']);
  const terminal = await line.runOnTerminal(['export', 'localhost/tools:v1', '-']);
  assert.equal(terminal.status, 2);
  assert.match(terminal.stdout, /error\[CONFIG_INVALID\]: .*terminal/);
});
