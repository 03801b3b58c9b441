import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBytes } from '../../src/cli/options.js';
import { startRegistry } from '../../src/testing/index.js';
import { createCommandLine, errorOf, smallImage } from './command.js';

test('numbers of bytes take a suffix', () => {
  for (const [text, bytes] of [
    ['0', 0],
    ['1536', 1536],
    ['1K', 1024],
    ['2m', 2 * 1024 ** 2],
    ['3G', 3 * 1024 ** 3],
  ] as const) {
    assert.equal(parseBytes(text), bytes);
  }
  for (const text of ['', 'K', '1.5M', '-1', '1T', '1KB', ' 1', '99999999999G']) {
    assert.throws(() => parseBytes(text), /number of bytes/, text);
  }
});

test('every budget and cap reaches the library', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one'));
  const line = createCommandLine(t);
  for (const [option, code] of [
    ['--max-compressed-bytes', 'BUDGET_EXCEEDED'],
    ['--max-unpacked-bytes', 'BUDGET_EXCEEDED'],
    ['--max-file-bytes', 'BUDGET_EXCEEDED'],
    ['--max-entries', 'BUDGET_EXCEEDED'],
    ['--max-manifest-bytes', 'TOO_LARGE'],
    ['--max-config-bytes', 'TOO_LARGE'],
  ] as const) {
    const { status, stdout } = await line.run(['pull', '--json', option, '0', reference]);
    assert.deepEqual([status, errorOf(stdout)['code']], [1, code], option);
  }
  const ratio = ['--max-ratio', '1', '--ratio-grace-bytes', '1K', '--max-meta-bytes', '1M'];
  const refused = await line.run(['pull', '--json', ...ratio, reference]);
  assert.equal(errorOf(refused.stdout)['code'], 'BUDGET_EXCEEDED');
  const forms = ['--stat-format', 'libkrun', '--on-missing-xattr', 'record', '--privileged-xattrs'];
  const rest = ['--jobs', '1', '--decoder', 'pako', '--no-sync', '--plain-http', '--platform', 'any', ...forms];
  assert.equal((await line.run(['pull', ...rest, reference])).status, 0);
  assert.equal((await line.run(['layers', '--platform', 'any', '--stat-format', 'libkrun', reference])).status, 0);
  for (const words of [[], ['--platform', 'any']]) {
    assert.equal((await line.run(['layers', ...words, reference])).status, 1, 'another platform, another form');
  }
});

test('--log-level and -q choose which messages are printed', async (t) => {
  await using registry = await startRegistry({ warnings: ['old\u001b[31m news'] });
  const warning = `warning: the registry warns: old`;
  for (const [words, isPrinted] of [
    [[], true],
    [['--log-level', 'info'], true],
    [['--log-level', 'error'], false],
    [['-q'], false],
  ] as const) {
    const reference = registry.push('org/app', '1', smallImage('one'));
    const { status, stderr } = await createCommandLine(t).run(['pull', reference, ...words]);
    assert.equal(status, 0);
    assert.equal(stderr.includes(warning), isPrinted, words.join(' '));
    assert.ok(!stderr.includes('\u001b'));
  }
});
