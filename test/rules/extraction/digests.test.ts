import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../../src/index.js';
import { digestOf, type DigestAlgorithm } from '../../../src/oci/digest.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { parseSidecarHead } from '../../../src/oci/sidecar-head.js';
import { buildImage, compress, file, layer, raw } from '../../../src/testing/index.js';
import { openControl } from '../../../src/transfer/control.js';
import { extract, verdict, warned, type ExtractOptions } from '../../helpers/extract.js';
import { filesIn, openLab } from '../../helpers/sluice.js';

const TAR = layer(file('f', 'x'.repeat(1000)), file('g', 'y'));
const GZIP = compress(TAR, 'gzip');
const OTHER = digestOf(Buffer.from('other'));

const rows: readonly (readonly [title: string, options: ExtractOptions, refused: string])[] = [
  ['D1 another blob digest', { digest: OTHER }, 'DIGEST_MISMATCH D1'],
  ['D1 another blob digest, of gzip', { blob: GZIP, digest: OTHER }, 'DIGEST_MISMATCH D1'],
  ['D1 a byte more than the size', { sizeBytes: TAR.length - 1 }, 'SIZE_MISMATCH D1'],
  ['D1 a byte less than the size', { sizeBytes: TAR.length + 1 }, 'SIZE_MISMATCH D1'],
  ['D2 another diffID', { diffId: OTHER }, 'DIFF_ID_MISMATCH D2'],
  ['D2 the blob’s digest as diffID', { blob: GZIP, diffId: digestOf(GZIP) }, 'DIFF_ID_MISMATCH D2'],
  [
    'D2 T11 trailing bytes that the diffID does not know',
    { blob: Buffer.concat([TAR, Buffer.alloc(512)]) },
    'DIFF_ID_MISMATCH D2',
  ],
  [
    'D2 C2 a member that the diffID does not know',
    { blob: Buffer.concat([GZIP, compress(TAR, 'gzip')]) },
    'DIFF_ID_MISMATCH D2',
  ],
];

for (const [title, options, refused] of rows) {
  test(`compat K8 extraction ${title} is refused, and D4 nothing is left`, (t) => {
    for (const chunkBytes of [1, 512, 2 ** 20]) {
      const extraction = extract(t, TAR, { ...options, chunkBytes });
      assert.equal(verdict(extraction), refused);
      assert.deepEqual(readdirSync(extraction.staging), []);
      if (refused.startsWith('SIZE')) continue;
      const { detail } = extraction.outcome.kind === 'failed' ? extraction.outcome.error : assert.fail();
      assert.match(`${detail.expected} ${detail.got}`, /^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$/);
      assert.notEqual(detail.expected, detail.got);
    }
  });
}

test('extraction D1 reading stops a byte after the size', (t) => {
  let last = 0;
  const blob = Buffer.concat([TAR, Buffer.alloc(100_000)]);
  const extraction = extract(t, TAR, {
    blob,
    sizeBytes: TAR.length,
    chunkBytes: 512,
    onChunk: (bytes) => (last = bytes),
  });
  assert.equal(verdict(extraction), 'SIZE_MISMATCH D1');
  assert.ok(last <= TAR.length);
});

test('extraction D2 T11 the diffID is that of the whole stream, trailing bytes included', (t) => {
  const tar = Buffer.concat([TAR, Buffer.alloc(512), Buffer.from('junk')]);
  for (const compression of ['none', 'gzip', 'gzip-members'] as const) {
    const extraction = extract(t, tar, { compression });
    assert.equal(verdict(extraction), 'done');
    assert.deepEqual(warned(extraction), ['T11']);
    const head = parseSidecarHead(Buffer.from(extraction.sidecar()));
    assert.deepEqual([head?.diffId, head?.unpackedBytes], [digestOf(tar), tar.length]);
  }
});

test('compat K8 extraction D3 sha256, sha384 and sha512, each on its own for blob and diffID', (t) => {
  const algorithms: readonly DigestAlgorithm[] = ['sha256', 'sha384', 'sha512'];
  for (const ofBlob of algorithms) {
    for (const ofTar of algorithms) {
      const right = { digest: digestOf(GZIP, ofBlob), diffId: digestOf(TAR, ofTar) };
      assert.equal(verdict(extract(t, TAR, { blob: GZIP, ...right })), 'done');
      const wrong = digestOf(Buffer.from('other'), ofTar);
      assert.equal(verdict(extract(t, TAR, { blob: GZIP, ...right, diffId: wrong })), 'DIFF_ID_MISMATCH D2');
    }
  }
});

test('compat K8 extraction D4 a wrong diffID: no directory, no row, and the staging directory is gone', async (t) => {
  const lab = await openLab(t);
  const platform = formatPlatform(hostPlatform());
  const image = buildImage({ platform, layers: [{ tar: TAR, blob: compress(layer(file('f', 'other')), 'gzip') }] });
  const reference = lab.registry.push('org/wrong', '1', image);
  await assert.rejects(
    lab.pull(reference),
    (error) => error instanceof SluiceError && error.code === 'DIFF_ID_MISMATCH',
  );
  assert.deepEqual([filesIn(lab.home, 'layers'), filesIn(lab.home, 'staging')], [[], []]);
  assert.deepEqual(await lab.sluice.list(), []);
});

const BAD = layer(file('before', 'x'), raw(Buffer.alloc(512, 'z')), file('after', 'y'));

test('extraction D5 a refused layer is still read and hashed to its end', (t) => {
  for (const compression of ['none', 'gzip'] as const) {
    for (const chunkBytes of [1, 512, 2 ** 20]) {
      const blob = compress(BAD, compression);
      let last = 0;
      const onChunk = (bytes: number): void => void (last = bytes);
      const right = extract(t, BAD, { compression, chunkBytes, onChunk });
      assert.equal(verdict(right), 'TAR_MALFORMED T1', 'the digest is right: the image’s own fault');
      assert.equal(last, blob.length);
      const wrong = extract(t, BAD, { compression, chunkBytes, digest: OTHER });
      assert.equal(verdict(wrong), 'DIGEST_MISMATCH D1', 'the digest is wrong: damage on the way');
      assert.ok(!existsSync(join(wrong.staging, 'tree')));
    }
  }
});

test('extraction D5 a refused compression, name or number too', (t) => {
  const damaged = Buffer.from(GZIP);
  damaged[60]! ^= 0xff;
  assert.equal(verdict(extract(t, TAR, { blob: damaged })), 'COMPRESSION_MALFORMED C4');
  assert.equal(verdict(extract(t, TAR, { blob: damaged, digest: OTHER })), 'DIGEST_MISMATCH D1');
  for (const tar of [layer(file('.', 'x')), layer(file('f', 'x', { uid: -1 })), layer(file('x'.repeat(256), ''))]) {
    assert.equal(verdict(extract(t, tar, { digest: OTHER })), 'DIGEST_MISMATCH D1');
  }
});

test('extraction D5 after a budget or an abort the rest is not read', (t) => {
  let last = 0;
  const onChunk = (bytes: number): void => void (last = bytes);
  const budget = { maxFileBytes: 999 };
  assert.equal(verdict(extract(t, TAR, { budget, digest: OTHER, chunkBytes: 512, onChunk })), 'BUDGET_EXCEEDED B3');
  assert.equal(last, 0);
  const control = openControl();
  control.abort();
  assert.equal(verdict(extract(t, TAR, { control, digest: OTHER })), 'ABORTED');
});
