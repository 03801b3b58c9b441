import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createCommandLine, errorOf, linesOf } from './command.js';

/** Writes the address of every module that is imported to standard error. */
const SPY = encodeURIComponent(`
  import { writeSync } from 'node:fs';
  export function load(url, context, next) { writeSync(2, 'load ' + url + '\\n'); return next(url, context); }
`);
const REGISTER = encodeURIComponent(
  `import { register } from 'node:module'; register('data:text/javascript,${SPY.replaceAll("'", '%27')}');`,
);
const SPYING = ['--import', `data:text/javascript,${REGISTER}`];

/** Packages that a command loads. */
const packagesOf = (stderr: string): string[] => {
  const names = linesOf(stderr).map((line) => /^load .*\/node_modules\/([^/]+)\//.exec(line)?.[1]);
  return [...new Set(names.filter((name) => name !== undefined))].toSorted();
};

test('a command loads the packages that it needs, --help commander alone, and --version none', async (t) => {
  const line = createCommandLine(t);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const shown = await line.run(['--version'], { nodeWords: SPYING });
  assert.deepEqual([shown.status, shown.stdout], [0, `${version}\n`]);
  assert.deepEqual(packagesOf(shown.stderr), []);
  for (const words of [['--help'], ['pull', '--help'], ['help', 'import']]) {
    const { status, stdout, stderr } = await line.run(words, { nodeWords: SPYING });
    assert.equal(status, 0);
    assert.match(stdout, /^Usage: sluice/);
    assert.deepEqual(packagesOf(stderr), ['commander']);
  }
  const listed = await line.run(['ls'], { nodeWords: SPYING });
  assert.deepEqual(packagesOf(listed.stderr), ['commander', 'sqlite3']);
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
