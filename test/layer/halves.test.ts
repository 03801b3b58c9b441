import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { decoders } from '../../src/layer/inflate/open-inflater.js';
import { digestOf } from '../../src/oci/digest.js';
import { createRandom, dir, file, hardlink, layer, symlink, whiteout } from '../../src/testing/index.js';
import { extract, listTree, type ExtractOptions, type Extraction } from '../helpers/extract.js';

const NOISE = createRandom(11).bytes(700_000);
const TAR = layer(dir('etc'), file('etc/a', NOISE), symlink('s', 'etc'), hardlink('h', 'etc/a'), whiteout('etc/x'));
/** Its third entry is refused (X5), with more than a slab before it and after it. */
const REFUSED = layer(file('a', NOISE), file('b', NOISE), file('etc/.wh.', ''), file('c', NOISE), file('d', NOISE));
const FEW = { maxEntries: 3 };
const OTHER = digestOf(Buffer.from('other'));

/** What must not depend on the number of threads. */
function facts({ outcome, tree, staging, lines }: Extraction): unknown {
  const isDone = outcome.kind === 'done';
  return {
    outcome,
    tree: isDone ? listTree(tree) : existsSync(tree),
    sidecar: isDone ? lines() : existsSync(join(staging, 'mtree')),
  };
}

function damaged(blob: Uint8Array, at: number): Buffer {
  const bytes = Buffer.from(blob);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  return bytes;
}

const packed = gzipSync(TAR);
const refused = gzipSync(REFUSED);
const CASES: readonly (readonly [title: string, verdict: string, tar: Uint8Array, options: ExtractOptions])[] = [
  ['S23 a layer', 'done', TAR, {}],
  ['S23 an empty stream', 'done', Buffer.alloc(0), {}],
  ['D1 another blob', 'DIGEST_MISMATCH', TAR, { digest: OTHER }],
  ['D2 another diffID', 'DIFF_ID_MISMATCH', TAR, { diffId: OTHER }],
  ['D1 more bytes than promised', 'SIZE_MISMATCH', TAR, { sizeBytes: packed.length - 1 }],
  ['D1 fewer bytes than promised', 'SIZE_MISMATCH', TAR, { sizeBytes: packed.length + 1 }],
  ['C4 a cut member', 'COMPRESSION_MALFORMED', TAR, { blob: packed.subarray(0, -9) }],
  ['T12 a cut archive', 'TAR_MALFORMED', TAR.subarray(0, 600_000), {}],
  ['D5 a refused entry', 'ENTRY_REFUSED', REFUSED, {}],
  ['D5 a refused entry of a damaged blob', 'DIGEST_MISMATCH', REFUSED, { digest: OTHER }],
  ['D5 a refused entry of a longer blob', 'SIZE_MISMATCH', REFUSED, { sizeBytes: refused.length - 1 }],
  ['C4 D5 a refused entry in a damaged member', 'COMPRESSION_MALFORMED', REFUSED, { blob: damaged(refused, -1) }],
  ['C4 B4 too many entries in a damaged member', 'BUDGET_EXCEEDED', TAR, { blob: damaged(packed, -1), budget: FEW }],
  ['D5 a refused entry before another diffID', 'ENTRY_REFUSED', REFUSED, { diffId: OTHER }],
  ['B2 too much after a refused entry', 'ENTRY_REFUSED', REFUSED, { budget: { maxUnpackedBytes: 2_200_000 } }],
  ['B2 too much before a refused entry', 'BUDGET_EXCEEDED', REFUSED, { budget: { maxUnpackedBytes: 900_000 } }],
  ['B4 too many entries', 'BUDGET_EXCEEDED', TAR, { budget: { maxEntries: 3 } }],
  ['B3 too large a file', 'BUDGET_EXCEEDED', TAR, { budget: { maxFileBytes: 1000 } }],
  ['C7 another media type', 'done', TAR, { mediaType: 'application/vnd.oci.image.layer.v1.tar' }],
  ['C7 an unsupported compression', 'COMPRESSION_UNSUPPORTED', TAR, { blob: Buffer.from('fd377a585a000004', 'hex') }],
];

for (const [title, expected, tar, options] of CASES) {
  test(`extraction ${title}: the same by one thread and by two`, (t) => {
    for (const decoder of decoders()) {
      for (const compression of ['gzip', 'none', 'zstd-stored'] as const) {
        if (options.blob && compression !== 'gzip') continue;
        const sizeBytes = options.sizeBytes === undefined || compression === 'gzip' ? {} : { sizeBytes: 1 };
        const given = { decoder, compression, ...options, ...sizeBytes };
        const one = extract(t, tar, given);
        assert.equal(one.outcome.kind === 'done' ? 'done' : one.outcome.error.code, expected);
        assert.deepEqual(
          facts(extract(t, tar, { ...given, pipeline: 'split' })),
          facts(one),
          `${decoder} ${compression}`,
        );
      }
    }
  });
}
