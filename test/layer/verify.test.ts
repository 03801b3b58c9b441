import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError, type ErrorCode } from '../../src/errors.js';
import { createSlab, type Stage } from '../../src/layer/stage.js';
import { createBlobVerifier, createDiffIdVerifier } from '../../src/layer/verify.js';
import { digestOf, type Digest, type DigestAlgorithm } from '../../src/oci/digest.js';

const BLOB = Buffer.from('the bytes of a blob');

interface Sink extends Stage {
  readonly received: Buffer[];
  readonly hasEnded: () => boolean;
}

/** Keeps what it is given; throws at push number `failAt`. */
function createSink(error?: Error, failAt = 0): Sink {
  const received: Buffer[] = [];
  let ended = false;
  return {
    received,
    hasEnded: () => ended,
    push: (bytes) => {
      received.push(Buffer.from(bytes));
      if (error && received.length > failAt) throw error;
    },
    end: () => void (ended = true),
  };
}

function feed(stage: Stage, bytes: Uint8Array, chunk = 4): SluiceError | null {
  try {
    for (let at = 0; at < bytes.length; at += chunk) stage.push(bytes.subarray(at, at + chunk));
    stage.end();
    return null;
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

for (const algorithm of ['sha256', 'sha384', 'sha512'] as const satisfies DigestAlgorithm[]) {
  test(`extraction D1 D3 a blob with the right ${algorithm} and size passes`, () => {
    const sink = createSink();
    assert.equal(feed(createBlobVerifier(digestOf(BLOB, algorithm), BLOB.length, sink), BLOB), null);
    assert.ok(Buffer.concat(sink.received).equals(BLOB));
    assert.ok(sink.hasEnded());
  });

  test(`extraction D1 D3 D4 a blob with another ${algorithm} is refused, both values named`, () => {
    const sink = createSink();
    const expected = digestOf(Buffer.from('another blob'), algorithm);
    const error = feed(createBlobVerifier(expected, BLOB.length, sink), BLOB);
    const got = digestOf(BLOB, algorithm);
    assert.deepEqual(
      [error?.code, error?.detail.rule, error?.detail.expected, error?.detail.got],
      ['DIGEST_MISMATCH', 'D1', expected, got],
    );
    assert.equal(sink.hasEnded(), false);
  });

  test(`extraction D2 D3 D4 a diffID with ${algorithm}`, () => {
    const good = createSink();
    assert.equal(feed(createDiffIdVerifier(digestOf(BLOB, algorithm), createSlab(good)), BLOB), null);
    assert.ok(good.hasEnded());
    const bad = createSink();
    const expected = digestOf(Buffer.from('x'), algorithm);
    const error = feed(createDiffIdVerifier(expected, createSlab(bad)), BLOB);
    assert.deepEqual(
      [error?.code, error?.detail.rule, error?.detail.expected, error?.detail.got],
      ['DIFF_ID_MISMATCH', 'D2', expected, digestOf(BLOB, algorithm)],
    );
    assert.equal(bad.hasEnded(), false, 'the second pass must not begin');
  });
}

test('extraction D1 an empty blob has a digest, too', () => {
  const sink = createSink();
  assert.equal(feed(createBlobVerifier(digestOf(Buffer.alloc(0)), 0, sink), Buffer.alloc(0)), null);
  assert.ok(sink.hasEnded());
});

test('extraction D1 a byte more is refused as soon as it comes, and not handed on', () => {
  const sink = createSink();
  const verifier = createBlobVerifier(digestOf(BLOB), BLOB.length, sink);
  verifier.push(BLOB);
  assert.throws(() => verifier.push(Buffer.from('!')), { code: 'SIZE_MISMATCH' });
  assert.ok(Buffer.concat(sink.received).equals(BLOB));
});

test('extraction D1 a byte less is refused at the end, sizes named', () => {
  const error = feed(createBlobVerifier(digestOf(BLOB.subarray(1)), BLOB.length, createSink()), BLOB.subarray(1));
  assert.deepEqual(
    [error?.code, error?.detail.rule, error?.detail.expected, error?.detail.got],
    ['SIZE_MISMATCH', 'D1', '19', '18'],
  );
});

const IMAGE_FAULTS: readonly ErrorCode[] = [
  'ENTRY_REFUSED',
  'NAME_REFUSED',
  'NUMBER_OUT_OF_RANGE',
  'TAR_MALFORMED',
  'ENTRY_TYPE_UNSUPPORTED',
  'COMPRESSION_MALFORMED',
  'COMPRESSION_UNSUPPORTED',
];

const failAfter = (code: ErrorCode, digest: Digest, bytes: Uint8Array): { error: SluiceError | null; sink: Sink } => {
  const sink = createSink(new SluiceError(code, 'refused'), 1);
  return { error: feed(createBlobVerifier(digest, BLOB.length, sink), bytes), sink };
};

for (const code of IMAGE_FAULTS) {
  test(`extraction D5 after ${code} the blob is read on, and its digest decides`, () => {
    const right = failAfter(code, digestOf(BLOB), BLOB);
    assert.equal(right.error?.code, code);
    assert.equal(right.sink.received.length, 2, 'nothing is handed on after the failure');
    assert.equal(right.sink.hasEnded(), false);
    const wrong = failAfter(code, digestOf(Buffer.from('x')), BLOB);
    assert.equal(wrong.error?.code, 'DIGEST_MISMATCH');
  });
}

for (const code of ['BUDGET_EXCEEDED', 'ABORTED', 'DISK_FULL', 'STORE_FAILED', 'XATTR_UNSUPPORTED'] as const) {
  test(`extraction D5 after ${code} the rest is not read`, () => {
    const sink = createSink(new SluiceError(code, 'stop'), 1);
    const verifier = createBlobVerifier(digestOf(Buffer.from('x')), BLOB.length, sink);
    verifier.push(BLOB.subarray(0, 4));
    assert.throws(() => verifier.push(BLOB.subarray(4, 8)), { code });
  });
}

test('extraction D5 an error that is none of ours goes on as it is', () => {
  const verifier = createBlobVerifier(digestOf(BLOB), BLOB.length, createSink(new TypeError('a bug')));
  assert.throws(() => verifier.push(BLOB), TypeError);
});

test('extraction D5 D1 after a refusal the size still counts', () => {
  const sink = createSink(new SluiceError('TAR_MALFORMED', 'refused'));
  assert.equal(feed(createBlobVerifier(digestOf(BLOB), BLOB.length - 1, sink), BLOB)?.code, 'SIZE_MISMATCH');
});
