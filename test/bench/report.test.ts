import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerOf, leftOutLines } from '../../bench/report/format.js';
import { renderMarkdown } from '../../bench/report/markdown.js';
import { parseRecords, summarize } from '../../bench/report/summary.js';
import { RECORDS } from './records.js';

const text = RECORDS.map((record) => JSON.stringify(record)).join('\n');
const summary = summarize(parseRecords(`${text}\n`));
const [layers, micro] = summary.cases;

test('rows are medians without the warm-up, the fastest first, compared with Sluice', () => {
  assert.deepEqual(
    layers!.rows.map(({ id, median, least, most, ratio }) => [id, median, least, most, ratio]),
    [
      ['lazy', 0.5, 0.5, 0.5, 0.25],
      ['sluice', 2, 1, 3, 1],
      ['sluice-zlib', 2.5, 2.5, 2.5, 1.25],
      ['other', 4, 4, 5, 2],
    ],
  );
  const base = layers!.rows.find(({ isBase }) => isBase)!;
  assert.deepEqual([base.id, base.cpuSeconds, base.peakBytes], ['sluice', 1, 4 * 1024 * 1024]);
});

test('whoever left another tree is told from the others, and micro cases have none', () => {
  assert.deepEqual(
    layers!.rows.map(({ id, isSameTree }) => [id, isSameTree]),
    [
      ['lazy', false],
      ['sluice', true],
      ['sluice-zlib', true],
      ['other', true],
    ],
  );
  assert.deepEqual(new Set(micro!.rows.map(({ isSameTree }) => isSameTree)), new Set([null]));
});

test('whoever failed has no row, and is told of', () => {
  assert.deepEqual(
    micro!.rows.map(({ id }) => id),
    ['sluice', 'other'],
  );
  assert.deepEqual(leftOutLines(micro!), ['lazy failed: it ended | with status 1']);
  assert.deepEqual(leftOutLines(layers!), ['absent missing: the program x is not installed']);
});

test('the answer compares Sluice with the fastest and the slowest', () => {
  assert.equal(
    answerOf(layers!),
    'Sluice takes 2.00 s: 4.00 × the time of lazy (0.500 s), 0.50 × the time of other & slow (4.00 s).',
  );
  assert.equal(answerOf({ ...layers!, rows: [] }), 'Sluice could not take part.');
});

test('the table in Markdown has a line each, and text from outside ends no cell', () => {
  const lines = renderMarkdown(summary).split('\n');
  const table = lines.filter((line) => line.startsWith('|'));
  assert.equal(table.length, 2 + 4 + 2 + 2);
  assert.deepEqual(new Set(table.map((line) => line.replace(/\\\|/g, '').split('|').length)), new Set([11]));
  assert.match(
    table[3]!,
    /^\| \*\*Sluice\*\* \| 2\.00 s \| 1\.00 … 3\.00 \| 1\.00 × \| 1\.00 s \| 4\.00 MiB \| 1,234 \|/,
  );
  assert.match(table[2]!, /bbbbbbbb ≠ \|$/);
  assert.ok(lines.includes('- lazy failed: it ended \\| with status 1'));
});

test('records without a run are refused', () => {
  assert.throws(() => summarize([]), /hold no run/);
});
