import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine, errorOf, linesOf } from './command.js';

/** Writes the path of every module that was loaded to standard error. */
const SPY = `
  process.on('exit', () => {
    for (const path of Object.keys(require('node:module')._cache)) require('node:fs').writeSync(2, 'load ' + path + '\\n');
  });
`;

/** Packages that a command loads. */
const packagesOf = (stderr: string): string[] => {
  const names = linesOf(stderr).map((line) => /^load .*\/node_modules\/([^/]+)\//.exec(line)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].toSorted();
};

test('a command loads the packages that it needs, --help and --version none', async (t) => {
  const spy = join(temporaryDirectory(t), 'spy.cjs');
  writeFileSync(spy, SPY);
  const nodeWords = ['--require', spy];
  const line = createCommandLine(t);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const shown = await line.run(['--version'], { nodeWords });
  assert.deepEqual([shown.status, shown.stdout], [0, `${version}\n`]);
  assert.deepEqual(packagesOf(shown.stderr), []);
  for (const words of [['--help'], ['pull', '--help'], ['help', 'import']]) {
    const { status, stdout, stderr } = await line.run(words, { nodeWords });
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: sluice/);
    assert.deepEqual(packagesOf(stderr), []);
  }
  const listed = await line.run(['ls'], { nodeWords });
  assert.deepEqual(packagesOf(listed.stderr), ['bindings', 'file-uri-to-path', 'sqlite3']);
});

test('what is no command line exits 2 and says so once', async (t) => {
  const line = createCommandLine(t);
  for (const words of [['frobnicate'], ['ls', 'too', 'many'], ['layers'], ['inspect', '--overlay', 'x'], ['import']]) {
    const { status, stdout, stderr } = await line.run(words);
    assert.deepEqual([status, stdout], [2, ''], words.join(' '));
    assert.match(stderr, /^error\[CONFIG_INVALID\]: .+\nhint: See sluice .*\n$/, words.join(' '));
  }
  const bare = await line.run([]);
  assert.deepEqual([bare.status, bare.stdout], [2, '']);
  assert.match(bare.stderr, /^Usage: sluice/);
  const json = await line.run(['pull', '--json']);
  assert.deepEqual([json.status, json.stderr], [2, '']);
  assert.equal(errorOf(json.stdout)['code'], 'CONFIG_INVALID');
});

test('a reader that goes away is no crash', async (t) => {
  const running = createCommandLine(t).start(['ls']);
  running.child.stdout.destroy();
  assert.deepEqual(await running.ended, { status: 0, stdout: '', stderr: '' });
});
