import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseRecords, summarize, type Summary } from '../../bench/report/summary.js';
import type { RunRecord } from '../../bench/record.js';
import { buildImage, file, layer, writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

const MAIN = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
const run = promisify(execFile);

interface Ran {
  readonly folder: string;
  readonly stdout: string;
  readonly records: readonly RunRecord[];
  readonly summary: Summary;
}

/** A run of the smallest corpora in a directory, so that no tmpfs is mounted. */
async function bench(t: Cleanup, ...words: readonly string[]): Promise<Ran> {
  const folder = temporaryDirectory(t);
  const places = ['--work', folder, '--out', join(folder, 'out'), '--name', 'tiny', '--peers', join(folder, 'none')];
  const options = ['--scale', '0.001', '--rounds', '2', ...places, ...words];
  const { stdout } = await run(process.execPath, [MAIN, ...options], { maxBuffer: 2 ** 26 });
  const records = parseRecords(readFileSync(join(folder, 'out/tiny.ndjson'), 'utf8'));
  return { folder, stdout, records, summary: summarize(records) };
}

test('two contenders leave one tree, in samples as NDJSON and a report beside them', async (t) => {
  const contenders = ['sluice', 'naive', 'floor'].flatMap((id) => ['--contender', id]);
  const { folder, stdout, records, summary } = await bench(t, '--case', 'three-layers', ...contenders);
  assert.deepEqual(
    records.map(({ kind }) => kind),
    ['run', 'case', 'left-out', ...Array<string>(6).fill('sample')],
  );
  const samples = records.filter((record) => record.kind === 'sample');
  assert.deepEqual(
    samples.map(({ contender, round }) => `${contender} ${round}`),
    ['sluice 0', 'naive 0', 'sluice 1', 'naive 1', 'sluice 2', 'naive 2'],
  );
  assert.equal(new Set(samples.map(({ digest }) => digest)).size, 1);
  for (const { seconds, cpuSeconds, entries, bytes, digest } of samples) {
    assert.ok(seconds > 0 && cpuSeconds !== null && entries > 10 && bytes > 10_000);
    assert.match(digest!, /^[0-9a-f]{64}$/);
  }
  const [layers] = summary.cases;
  assert.deepEqual(
    layers!.rows.map(({ isSameTree }) => isSameTree),
    [true, true],
  );
  assert.deepEqual(
    layers!.leftOut.map(({ contender, why }) => [contender, why]),
    [['floor', 'missing']],
  );
  assert.deepEqual(readdirSync(join(folder, 'out')).toSorted(), ['tiny.html', 'tiny.md', 'tiny.ndjson', 'tiny.svg']);
  assert.ok(stdout.includes('| **Sluice** |'));
  assert.deepEqual(readdirSync(folder), ['out'], 'nothing else stays');
});

test('a registry on loopback serves the images, and both who pull leave one tree', async (t) => {
  const made = await bench(t, '--case', 'registry', '--contender', 'sluice-pull', '--contender', 'naive-pull');
  const digests = made.records.flatMap((record) => (record.kind === 'sample' ? [record.digest] : []));
  assert.equal(digests.length, 6);
  assert.equal(new Set(digests).size, 1);
});

test('a warm hit is measured on what is there, and bulk on all images at once', async (t) => {
  const contenders = ['sluice-pull', 'sluice', 'naive'].flatMap((id) => ['--contender', id]);
  const { summary } = await bench(t, '--case', 'warm', '--case', 'bulk', ...contenders);
  assert.deepEqual(
    summary.cases.map(({ id, rows }) => [id, rows.map((row) => row.isSameTree)]),
    [
      ['bulk', [true, true]],
      ['warm', [true]],
    ],
  );
});

test('micro contenders do the same work', async (t) => {
  const names = ['inflate', 'tar', 'writer', 'ring'].flatMap((name) => ['--case', `micro-${name}`]);
  const { summary } = await bench(t, ...names);
  for (const { id, rows } of summary.cases) {
    const own = rows.filter(({ title }) => !['tar', 'bsdtar'].includes(title));
    assert.ok(own.length >= 2, id);
    assert.deepEqual(new Set(own.map(({ bytes }) => bytes)).size, 1, id);
    assert.deepEqual(new Set(rows.map(({ entries }) => entries)).size, 1, id);
    assert.ok(own.every(({ digest }) => digest === null));
  }
});

test('images of a layout become cases', async (t) => {
  const layout = join(temporaryDirectory(t), 'layout');
  const image = buildImage({ layers: [{ tar: layer(file('a', 'b')) }] });
  writeOciLayout(layout, { mine: image, other: image });
  const words = ['--layout', layout, '--tag', 'mine', '--case', 'image-mine', '--contender', 'sluice'];
  const { summary } = await bench(t, ...words);
  assert.deepEqual(
    summary.cases.map(({ id, rows }) => [id, rows.map(({ entries, bytes }) => [entries, bytes])]),
    [['image-mine', [[1, 1]]]],
  );
  assert.ok(existsSync(layout));
});
