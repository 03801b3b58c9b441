import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { compress as zstd } from 'zstd-napi';
import { decoders } from '../../../src/layer/inflate/open-inflater.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import {
  buildImage,
  compress,
  createRandom,
  file,
  gzipMembers,
  layer,
  type LayerCompression,
} from '../../../src/testing/index.js';
import { extract, listTree, verdict, warned, type ExtractOptions } from '../../helpers/extract.js';
import { openLab } from '../../helpers/sluice.js';

const NOISE = createRandom(7).bytes(5000);
const TAR = layer(file('text', 'abc'.repeat(2000)), file('noise', NOISE), file('last', 'x'));
const CHUNKS = [1, 7, 511, 512, 513, 64 * 1024];

/** Extracts with every decoder and some sizes of chunks, and expects this of each. */
function everyWay(blob: Uint8Array, check: (options: ExtractOptions) => void): void {
  for (const decoder of decoders()) {
    for (const chunkBytes of CHUNKS.filter((size) => size > 1 || blob.length < 30_000))
      check({ blob, decoder, chunkBytes });
  }
}

const accepted: readonly (readonly [title: string, blob: Buffer, tar?: Buffer])[] = [
  ['C1 extra field, name, comment and header checksum', compress(TAR, 'gzip-header')],
  ['C2 several members with empty ones between', gzipMembers(TAR, 2000)],
  ['C2 an empty member first and last', Buffer.concat([gzipSync(''), gzipSync(TAR), gzipSync('')])],
  ['C2 a member for every block', gzipMembers(TAR.subarray(0, 8192), 512), TAR.subarray(0, 8192)],
  ['C2 stored, fast and best', Buffer.concat([0, 1, 9].map((level, i) => gzipSync(third(i), { level })))],
  ['C3 zeros after the last member', Buffer.concat([gzipSync(TAR), Buffer.alloc(5000)])],
  ['C3 a single zero after the last member', Buffer.concat([gzipSync(TAR), Buffer.alloc(1)])],
];

function third(index: number): Buffer {
  const size = Math.ceil(TAR.length / 3);
  return TAR.subarray(index * size, (index + 1) * size);
}

for (const [title, blob, tar = TAR] of accepted) {
  test(`compat K8 extraction ${title}: all is read`, (t) => {
    const whole = tar.length === TAR.length;
    everyWay(blob, (options) => {
      const extraction = extract(t, tar, options);
      assert.equal(verdict(extraction), whole ? 'done' : 'TAR_MALFORMED T12');
      if (whole) assert.ok(readFileSync(join(extraction.tree, 'noise')).equals(NOISE));
      if (whole) assert.equal(readFileSync(join(extraction.tree, 'last'), 'utf8'), 'x');
    });
  });
}

test('compat K8 extraction C2 members cut at every place of a small layer', (t) => {
  const tar = layer(file('f', 'x'));
  for (let at = 0; at <= tar.length; at += 64) {
    const blob = Buffer.concat([gzipSync(tar.subarray(0, at)), gzipSync(tar.subarray(at))]);
    for (const decoder of decoders()) {
      const first = gzipSync(tar.subarray(0, at)).length;
      for (const chunkBytes of [first, first - 1, first + 1]) {
        assert.equal(verdict(extract(t, tar, { blob, decoder, chunkBytes })), 'done', `${at} ${decoder} ${chunkBytes}`);
      }
    }
  }
});

/** A place in the noise, which deflate stores as it is. */
const GZIP_MIDDLE = 2500;

/** A gzip member with one byte changed. */
function changed(at: number, by: (byte: number) => number): Buffer {
  const blob = gzipSync(TAR);
  const index = at < 0 ? blob.length + at : at;
  blob[index] = by(blob[index]!);
  return blob;
}

const GZIP = gzipSync(TAR);
const refusedBlobs: readonly (readonly [title: string, blob: Buffer, rule: string])[] = [
  ['C3 a byte after the last member', Buffer.concat([GZIP, Buffer.from('x')]), 'C4'],
  ['C3 bytes after zeros after the last member', Buffer.concat([GZIP, Buffer.alloc(100), Buffer.from('x')]), 'C4'],
  ['C3 half a magic after the last member', Buffer.concat([GZIP, Buffer.from([0x1f])]), 'C4'],
  ['C3 a magic alone after the last member', Buffer.concat([GZIP, Buffer.from([0x1f, 0x8b])]), 'C4'],
  ['C3 a member after zeros', Buffer.concat([GZIP, Buffer.alloc(10), GZIP]), 'C4'],
  ['C4 a wrong checksum', changed(-8, (byte) => byte ^ 1), 'C4'],
  ['C4 a wrong length', changed(-1, (byte) => byte ^ 1), 'C4'],
  ['C4 an unknown method', changed(2, () => 7), 'C4'],
  ['C4 reserved flags', changed(3, () => 0xe0), 'C4'],
  ['C4 damaged data', changed(GZIP_MIDDLE, (byte) => byte ^ 0xff), 'C4'],
  ['C4 a member without its last byte', GZIP.subarray(0, -1), 'C4'],
  ['C4 a member without its trailer', GZIP.subarray(0, -8), 'C4'],
  ['C4 the second of two members cut', Buffer.concat([GZIP, gzipSync('').subarray(0, 15)]), 'C4'],
];

for (const [title, blob] of refusedBlobs) {
  test(`compat K8 extraction ${title} is refused, though the digest is right`, (t) => {
    everyWay(blob, (options) => {
      const { outcome } = extract(t, TAR, options);
      assert.ok(outcome.kind === 'failed');
      assert.equal(outcome.error.code, 'COMPRESSION_MALFORMED', JSON.stringify({ ...options, blob: 0 }));
      assert.match(outcome.error.detail.rule ?? '', /^C[34]$/);
    });
  });
}

test('compat K8 extraction C4 a small member cut at every byte is refused', (t) => {
  const tar = layer(file('f', 'x'));
  const whole = gzipSync(tar);
  for (let length = 2; length < whole.length; length++) {
    for (const decoder of decoders()) {
      const extraction = extract(t, tar, { blob: whole.subarray(0, length), decoder, chunkBytes: 64 });
      assert.match(verdict(extraction), /^COMPRESSION_MALFORMED/, `${decoder} ${length}`);
    }
  }
});

test('compat K8 extraction C5 zstd is known by its frames, skippable ones too, and read whole', (t) => {
  const stored = compress(TAR, 'zstd-stored');
  const expected = listTree(extract(t, TAR).tree);
  for (const blob of [stored, stored.subarray(12), zstd(TAR)]) {
    for (const chunkBytes of [1, 3, 512]) {
      const extraction = extract(t, TAR, { blob, chunkBytes });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree), expected);
    }
    assert.equal(verdict(extract(t, TAR, { blob: blob.subarray(0, -1) })), 'COMPRESSION_MALFORMED C5');
  }
});

test('extraction C6 B2 B3 B6 bombs are refused while they stream', (t) => {
  const zeros = layer(file('zeros', Buffer.alloc(4_000_000)));
  const nested = layer(file('inner.tar.gz', gzipSync(zeros)));
  const bomb = (options: ExtractOptions, tar = zeros): string =>
    verdict(extract(t, tar, { compression: 'gzip', ...options }));
  assert.equal(bomb({ budget: { maxUnpackedBytes: 1_000_000 } }), 'BUDGET_EXCEEDED B2');
  assert.equal(bomb({ budget: { maxFileBytes: 1_000_000 } }), 'BUDGET_EXCEEDED B3');
  assert.equal(bomb({ budget: { maxRatio: 100, ratioGraceBytes: 1_000_000 } }), 'BUDGET_EXCEEDED B6');
  assert.equal(bomb({ budget: { maxUnpackedBytes: 100_000 } }, nested), 'done', 'output is decoded once, never again');
});

const named: readonly (readonly [title: string, blob: string, code: string])[] = [
  ['xz', 'fd377a585a000004', 'COMPRESSION_UNSUPPORTED C7'],
  ['bzip2', '425a683931415926', 'COMPRESSION_UNSUPPORTED C7'],
  ['bzip2 of nothing', '425a683917724538', 'COMPRESSION_UNSUPPORTED C7'],
];

for (const [title, hex, code] of named) {
  test(`extraction C7 ${title} is named`, (t) => {
    for (const chunkBytes of [1, 8])
      assert.equal(verdict(extract(t, TAR, { blob: Buffer.from(hex, 'hex'), chunkBytes })), code);
  });
}

test('extraction C7 the bytes decide against the media type, with a warning', (t) => {
  const type = (suffix: string): string => `application/vnd.oci.image.layer.v1.tar${suffix}`;
  const cases: readonly (readonly [LayerCompression, string, readonly string[]])[] = [
    ['none', type(''), []],
    ['none', type('+gzip'), ['C7']],
    ['gzip', type('+gzip'), []],
    ['gzip', type(''), ['C7']],
    ['gzip', type('+zstd'), ['C7']],
    ['zstd-stored', type('+zstd'), []],
    ['zstd-stored', type('+gzip'), ['C7']],
  ];
  for (const [compression, mediaType, warnings] of cases) {
    const extraction = extract(t, TAR, { compression, mediaType });
    assert.equal(verdict(extraction), 'done');
    assert.deepEqual(warned(extraction), warnings, `${compression} as ${mediaType}`);
  }
});

test('extraction C7 a tar whose first name looks like a compression is a tar', (t) => {
  for (const name of ['BZh9x', 'BZh91 ', '(\xb5/', 'P*M', '\x1f']) {
    const tar = layer(file(Buffer.from(name, 'latin1'), 'x', { format: 'gnu' }));
    assert.equal(verdict(extract(t, tar)), 'done', name);
  }
});

test('extraction C8 a Content-Encoding changes nothing: size and digest decide', async (t) => {
  const lab = await openLab(t, {
    registry: {
      faults: [{ match: { kind: 'blob' }, do: { kind: 'headers', headers: { 'content-encoding': 'gzip' } } }],
    },
  });
  const platform = formatPlatform(hostPlatform());
  const image = buildImage({
    platform,
    layers: [
      { tar: TAR, compression: 'gzip' },
      { tar: layer(file('f', 'x')), compression: 'none' },
    ],
  });
  const { layers } = await lab.pull(lab.registry.push('org/encoded', '1', image));
  assert.equal(
    createHash('sha256')
      .update(readFileSync(join(layers[0]!.path, 'noise')))
      .digest('hex'),
    createHash('sha256').update(NOISE).digest('hex'),
  );
  assert.equal(listTree(layers[1]!.path).length, 2);
});
