import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SluiceError, type ErrorDetail } from '../../src/errors.js';
import { createDecode } from '../../src/layer/decode.js';
import { createSlab } from '../../src/layer/stage.js';
import { createMeter } from '../../src/layer/meter.js';
import { createWarnings } from '../../src/layer/warnings.js';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import type { Budget, Warning } from '../../src/transfer/protocol.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE } from '../helpers/extract.js';

const OCI = 'application/vnd.oci.image.layer.v1.tar';
const MiB = 1024 * 1024;

interface Decoded {
  readonly code: string;
  readonly detail: ErrorDetail | null;
  readonly output: Buffer;
  readonly unpackedBytes: number;
  readonly warnings: readonly Warning[];
}

interface DecodeInput {
  readonly mediaType?: string;
  readonly budget?: Partial<Budget>;
  readonly digest?: Digest;
  readonly chunk?: number;
}

function decode(
  blob: Uint8Array,
  { mediaType = `${OCI}+gzip`, budget, digest = digestOf(blob), chunk = 64 * 1024 }: DecodeInput = {},
): Decoded {
  const output: Buffer[] = [];
  const warnings = createWarnings();
  const stage = createDecode({
    digest,
    sizeBytes: blob.length,
    mediaType,
    decoder: 'auto',
    meter: createMeter({ ...AMPLE, ...budget }, openUsage()),
    warnings,
    open: () => createSlab({ push: (bytes) => void output.push(Buffer.from(bytes)), end: () => undefined }),
  });
  let failure: SluiceError | null = null;
  try {
    for (let at = 0; at < blob.length; at += chunk) stage.push(blob.subarray(at, at + chunk));
    stage.end();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    failure = error;
  }
  const { unpackedBytes } = stage;
  return {
    code: failure?.code ?? 'done',
    detail: failure?.detail ?? null,
    output: Buffer.concat(output),
    unpackedBytes,
    warnings: warnings.list(),
  };
}

const CONTENT = Buffer.alloc(300_000, 'content ');

test('extraction D1 a blob is decoded and counted', () => {
  for (const [blob, mediaType] of [
    [CONTENT, OCI],
    [gzipSync(CONTENT), `${OCI}+gzip`],
  ] as const) {
    for (const chunk of [blob.length, 1000]) {
      const { code, output, unpackedBytes, warnings } = decode(blob, { mediaType, chunk });
      assert.deepEqual([code, unpackedBytes, warnings], ['done', CONTENT.length, []]);
      assert.ok(output.equals(CONTENT));
    }
  }
});

const MEDIA_TYPES: readonly (readonly [string, Uint8Array, string | null])[] = [
  [OCI, gzipSync('x'), 'the media type says none, the bytes are gzip'],
  [`${OCI}+gzip`, Buffer.from('plain tar'), 'the media type says gzip, the bytes are none'],
  [`${OCI}+zstd`, gzipSync('x'), 'the media type says zstd, the bytes are gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', gzipSync('x'), null],
  [`${OCI}+gzip`, Buffer.alloc(0), null],
];

for (const [mediaType, blob, message] of MEDIA_TYPES) {
  test(`extraction C7 ${mediaType} and ${blob.length} bytes: ${message ?? 'no warning'}`, () => {
    const { code, warnings } = decode(blob, { mediaType });
    assert.equal(code, 'done');
    assert.deepEqual(
      warnings.map((warning) => [warning.rule, warning.message, warning.count]),
      message ? [['C7', message, 1]] : [],
    );
  });
}

for (const [form, blob] of [
  ['plain', CONTENT],
  ['gzip', gzipSync(CONTENT)],
] as const) {
  for (const chunk of [blob.length, 999]) {
    test(`extraction B2 ${form} in chunks of ${chunk}: exactly met passes, one less fails before it is handed on`, () => {
      assert.equal(decode(blob, { budget: { maxUnpackedBytes: CONTENT.length }, chunk }).code, 'done');
      const { code, detail, output } = decode(blob, { budget: { maxUnpackedBytes: CONTENT.length - 1 }, chunk });
      assert.equal(code, 'BUDGET_EXCEEDED');
      assert.deepEqual(
        [detail?.rule, detail?.limit],
        ['B2', { option: 'maxUnpackedBytes', value: CONTENT.length - 1 }],
      );
      assert.ok(output.length < CONTENT.length);
    });
  }
}

test('extraction B6 the smallest ratio that passes is one more than the largest that fails, and only beyond the grace', () => {
  const content = Buffer.alloc(4 * MiB);
  const blob = gzipSync(content);
  const run = (maxRatio: number, ratioGraceBytes = MiB): Decoded =>
    decode(blob, { budget: { maxRatio, ratioGraceBytes }, chunk: blob.length });
  let fails = 1;
  let passes = 1100;
  assert.equal(run(passes, 0).code, 'done', 'the default is more than deflate can do, from the first byte on');
  while (passes - fails > 1) {
    const middle = Math.floor((passes + fails) / 2);
    if (run(middle).code === 'done') passes = middle;
    else fails = middle;
  }
  assert.ok(passes >= Math.floor(content.length / blob.length), `passes at ${passes}`);
  const { code, detail, output } = run(fails);
  assert.equal(code, 'BUDGET_EXCEEDED');
  assert.deepEqual([detail?.rule, detail?.limit], ['B6', { option: 'maxRatio', value: fails }]);
  assert.ok(output.length < content.length);
  assert.ok(run(1).output.length <= MiB, 'refused as soon as the grace is used up');
  assert.equal(run(1, content.length).code, 'done');
  assert.equal(run(1, content.length - 1).code, 'BUDGET_EXCEEDED');
});

test('extraction B6 plain bytes never have a ratio above 1', () => {
  assert.equal(decode(CONTENT, { mediaType: OCI, budget: { maxRatio: 1, ratioGraceBytes: 0 } }).code, 'done');
});

test('extraction D5 damaged bytes that the digest does not promise are a wrong digest', () => {
  const blob = gzipSync(CONTENT);
  blob[20]! ^= 0xff;
  assert.equal(decode(blob, { digest: digestOf(gzipSync(CONTENT)), chunk: 10 }).code, 'DIGEST_MISMATCH');
  assert.equal(decode(blob, { chunk: 10 }).code, 'COMPRESSION_MALFORMED');
});

test('extraction C4 D4 a cut member is refused after its digest was right', () => {
  const cut = gzipSync(CONTENT).subarray(0, -1);
  assert.equal(decode(cut).code, 'COMPRESSION_MALFORMED');
  assert.equal(decode(cut, { digest: digestOf(Buffer.from('x')) }).code, 'DIGEST_MISMATCH');
});
