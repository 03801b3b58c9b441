import { isImageFault, SluiceError, type ErrorCode } from '../errors.js';
import { algorithmOf, createDigestHash, type Digest, type DigestHash } from '../oci/digest.js';
import type { SlabStage, Stage } from './stage.js';
import { UNTRACED, type Tracer } from './tracer.js';

/**
 * Verifies the blob as it passes: its digest and its exact size (extraction D1). When the image's own bytes are refused
 * further on, the rest is still read and hashed, so that damage on the way shows as `DIGEST_MISMATCH` (D5).
 * @param hash may compute it later, if the bytes stay where they are until then
 */
export function createBlobVerifier(
  digest: Digest,
  sizeBytes: number,
  next: Stage,
  tracer: Tracer = UNTRACED,
  hash: DigestHash = createDigestHash(algorithmOf(digest)),
): Stage {
  let received = 0;
  let refusal: SluiceError | null = null;
  const guarded = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof SluiceError) || !isImageFault(error.code)) throw error;
      refusal = error;
    }
  };
  return {
    push(bytes) {
      received += bytes.length;
      if (received > sizeBytes) {
        throw new SluiceError('SIZE_MISMATCH', {
          message: `reading the blob: it is longer than ${sizeBytes} bytes`,
          rule: 'D1',
          expected: String(sizeBytes),
        });
      }
      tracer.span('hash', () => hash.update(bytes));
      if (!refusal) guarded(() => next.push(bytes));
    },
    end() {
      if (received !== sizeBytes) {
        throw new SluiceError('SIZE_MISMATCH', {
          message: `reading the blob: ${received} bytes of ${sizeBytes}`,
          rule: 'D1',
          expected: String(sizeBytes),
          got: String(received),
        });
      }
      verify('DIGEST_MISMATCH', 'D1', 'the blob', digest, hash.digest());
      if (refusal) throw refusal;
      next.end();
    },
  };
}

/** Verifies the uncompressed stream, trailing bytes included (extraction D2). */
export function createDiffIdVerifier(diffId: Digest, next: SlabStage, tracer: Tracer = UNTRACED): SlabStage {
  const hash = createDigestHash(algorithmOf(diffId));
  return {
    slab: () => next.slab(),
    emit(length) {
      tracer.span('hash', () => hash.update(next.slab().subarray(0, length)));
      next.emit(length);
    },
    isHungry: () => next.isHungry(),
    push(bytes) {
      tracer.span('hash', () => hash.update(bytes));
      next.push(bytes);
    },
    end() {
      verifyDiffId(diffId, hash.digest());
      next.end();
    },
  };
}

/** @throws SluiceError DIFF_ID_MISMATCH (extraction D2) */
export function verifyDiffId(diffId: Digest, got: Digest): void {
  verify('DIFF_ID_MISMATCH', 'D2', 'the uncompressed layer', diffId, got);
}

function verify(code: ErrorCode, rule: string, what: string, expected: Digest, got: Digest): void {
  if (got === expected) return;
  throw new SluiceError(code, { message: `verifying ${what}: expected ${expected}, got ${got}`, rule, expected, got });
}
