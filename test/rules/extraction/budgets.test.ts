import assert from 'node:assert/strict';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SluiceError } from '../../../src/index.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { buildImage, file, layer, parseLayer } from '../../../src/testing/index.js';
import type { Budget } from '../../../src/transfer/protocol.js';
import { extract, verdict, type ExtractOptions } from '../../helpers/extract.js';
import { filesIn, openLab } from '../../helpers/sluice.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

interface BudgetCase {
  readonly title: string;
  readonly layer: string;
  readonly option: keyof Budget;
  /** The smallest value that passes. */
  readonly exact: number;
  readonly options?: ExtractOptions;
}

const PLAIN = 'file f "x"*1000\nfile g "y"';
const HOLEY = 'sparse s data@0*100 hole*999900 fmt=1.0\nfile f "y"';

const CASES: readonly BudgetCase[] = [
  { title: 'B2 the stream, headers and padding included', layer: PLAIN, option: 'maxUnpackedBytes', exact: 3584 },
  {
    title: 'B2 the stream out of gzip',
    layer: PLAIN,
    option: 'maxUnpackedBytes',
    exact: 3584,
    options: { compression: 'gzip' },
  },
  { title: 'B2 bytes after the end mark', layer: `${PLAIN}\njunk zero*5000`, option: 'maxUnpackedBytes', exact: 8584 },
  { title: 'B2 the sum of logical sizes, holes included', layer: HOLEY, option: 'maxUnpackedBytes', exact: 1_000_001 },
  { title: 'B3 one file', layer: PLAIN, option: 'maxFileBytes', exact: 1000 },
  { title: 'B3 one sparse file', layer: HOLEY, option: 'maxFileBytes', exact: 1_000_000 },
  { title: 'B4 entries', layer: PLAIN, option: 'maxEntries', exact: 2 },
  {
    title: 'B4 meta headers',
    layer: 'pax path=a\nfile x\ngnuname b\nfile y\nglobal comment=c',
    option: 'maxEntries',
    exact: 5,
  },
  { title: 'B4 implied directories', layer: 'file a/b/c/d "x"\nfile a/b/e "y"', option: 'maxEntries', exact: 5 },
  {
    title: 'B4 links and markers',
    layer: 'file a "1"\nlink b -> a\nsym c -> a\nwh d\nlink e -> f',
    option: 'maxEntries',
    exact: 5,
  },
  { title: 'B4 one name again and again', layer: 'file f ""\n'.repeat(300), option: 'maxEntries', exact: 300 },
  { title: 'B5 a PAX header', layer: 'file f "x" pax:comment=zero*1000', option: 'maxMetaBytes', exact: 1014 },
  { title: 'B5 T6 a long name', layer: `file ${'n/'.repeat(100)}n "x" fmt=gnu`, option: 'maxMetaBytes', exact: 202 },
  { title: 'B5 T6 a long link', layer: `sym s -> ${'n'.repeat(200)} fmt=gnu`, option: 'maxMetaBytes', exact: 201 },
  {
    title: 'B5 T10 a sparse map',
    layer: `sparse s ${Array.from({ length: 200 }, (_, i) => `data@${i * 1024}*10`).join(' ')} fmt=gnu`,
    option: 'maxMetaBytes',
    exact: 10 * 512,
  },
];

for (const { title, layer: text, option, exact, options } of CASES) {
  test(`extraction ${title}: ${exact} passes, one less is refused and leaves nothing`, (t) => {
    const tar = parseLayer(text);
    for (const chunkBytes of [tar.length < 20_000 ? 1 : 511, 512, 2 ** 20]) {
      assert.equal(verdict(extract(t, tar, { ...options, chunkBytes, budget: { [option]: exact } })), 'done');
      const extraction = extract(t, tar, { ...options, chunkBytes, budget: { [option]: exact - 1 } });
      const rule = title.slice(0, 2);
      assert.equal(verdict(extraction), `BUDGET_EXCEEDED ${rule}`);
      assert.deepEqual(readdirSync(extraction.staging), []);
      const { detail } = extraction.outcome.kind === 'failed' ? extraction.outcome.error : assert.fail();
      assert.deepEqual(detail.limit, { option, value: exact - 1 });
    }
  });
}

test('extraction B2 there is never more on disk than the limit, sparse files included', (t) => {
  const value = 20_000;
  const plain = layer(...Array.from({ length: 50 }, (_, i) => file(`f${i}`, String(i % 10).repeat(1000))));
  const holey = parseLayer(`${HOLEY}\nfile g "z"*19000`);
  for (const [tar, compression] of [
    [plain, 'none'],
    [plain, 'gzip'],
    [holey, 'none'],
  ] as const) {
    const staging = temporaryDirectory(t, 'sluice-layer');
    const tree = join(staging, 'tree');
    let most = 0;
    const onChunk = (): void => {
      const sizes = readdirSync(tree).map((name) => lstatSync(join(tree, name)).size);
      most = Math.max(
        most,
        sizes.reduce((sum, size) => sum + size, 0),
      );
    };
    const options = { staging, compression, chunkBytes: 512, onChunk, budget: { maxUnpackedBytes: value } };
    assert.equal(verdict(extract(t, tar, options)), 'BUDGET_EXCEEDED B2');
    assert.ok(most <= value, `${most} bytes`);
    assert.deepEqual(readdirSync(staging), []);
  }
});

test('extraction B3 a file is refused by its header, before anything of it is written', (t) => {
  let last = 0;
  const tar = layer(file('big', Buffer.alloc(100_000)));
  const extraction = extract(t, tar, {
    chunkBytes: 512,
    budget: { maxFileBytes: 99_999 },
    onChunk: (bytes) => (last = bytes),
  });
  assert.equal(verdict(extraction), 'BUDGET_EXCEEDED B3');
  assert.equal(last, 0);
});

test('extraction B2 the sidecar counts by itself: names of a file with a large attribute cost little in the tar', (t) => {
  const links = Array.from({ length: 300 }, (_, i) => `link l${i} -> f`).join('\n');
  const tar = parseLayer(`file f "x" pax:SCHILY.xattr.user.a=zero*3000\n${links}`);
  const done = extract(t, tar);
  assert.equal(verdict(done), 'done');
  const exact = Buffer.byteLength(done.sidecar());
  assert.ok(exact > 4 * tar.length);
  assert.equal(verdict(extract(t, tar, { budget: { maxUnpackedBytes: exact } })), 'done');
  const extraction = extract(t, tar, { budget: { maxUnpackedBytes: exact - 1 } });
  assert.equal(verdict(extraction), 'BUDGET_EXCEEDED B2');
  assert.deepEqual(readdirSync(extraction.staging), []);
});

test('extraction B6 C6 the smallest ratio that passes, and one below', (t) => {
  const tar = layer(file('zeros', Buffer.alloc(3_000_000)));
  const packed = gzipSync(tar).length;
  const run = (maxRatio: number, ratioGraceBytes: number): string =>
    verdict(extract(t, tar, { blob: gzipSync(tar), budget: { maxRatio, ratioGraceBytes } }));
  assert.equal(run(1100, 1_000_000), 'done', 'deflate cannot pass 1032:1');
  assert.equal(run(Math.floor(tar.length / packed) - 100, 1_000_000), 'BUDGET_EXCEEDED B6');
  assert.equal(run(1, tar.length), 'done', 'within the grace there is no ratio');
});

test('extraction B1 the descriptors’ sizes are added up before the first byte is asked for', async (t) => {
  const lab = await openLab(t);
  const layers = [1, 2].map((i) => ({
    tar: layer(file(`f${i}`, String(i).repeat(2000))),
    compression: 'none' as const,
  }));
  const image = buildImage({ platform: formatPlatform(hostPlatform()), layers });
  const reference = lab.registry.push('org/large', '1', image);
  const exact = image.layers.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const isB1 = (error: unknown): boolean =>
    error instanceof SluiceError && error.code === 'BUDGET_EXCEEDED' && error.detail.rule === 'B1';
  await assert.rejects(lab.pull(reference, { budget: { maxCompressedBytes: exact - 1 } }), isB1);
  assert.equal(lab.registry.requestsOf('blob').length, 0);
  assert.equal((await lab.pull(reference, { budget: { maxCompressedBytes: exact } })).layers.length, 2);
});

for (const [option, rule, exact] of [
  ['maxUnpackedBytes', 'B2', 2 * 3584],
  ['maxEntries', 'B4', 4],
] as const) {
  test(`extraction ${rule} holds for the sum of an image’s layers: ${exact} passes, one less is refused`, async (t) => {
    const lab = await openLab(t);
    const layers = [1, 2].map((i) => ({ tar: layer(file(`d${i}/f`, String(i).repeat(2000))) }));
    const image = buildImage({ platform: formatPlatform(hostPlatform()), layers });
    const reference = lab.registry.push('org/sum', '1', image);
    const isRefused = (error: unknown): boolean =>
      error instanceof SluiceError && error.code === 'BUDGET_EXCEEDED' && error.detail.rule === rule;
    await assert.rejects(lab.pull(reference, { budget: { [option]: exact - 1 } }), isRefused);
    assert.deepEqual(filesIn(lab.home, 'staging'), []);
    assert.equal((await lab.pull(reference, { budget: { [option]: exact } })).layers.length, 2);
  });
}
