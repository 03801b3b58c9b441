import { SluiceError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { kindOfLayer } from '../oci/media-type.js';
import type { Budget, DecoderName } from '../transfer/protocol.js';
import { createDecompress } from './decompress.js';
import type { Stage } from './stage.js';
import { createBlobVerifier } from './verify.js';
import type { Warnings } from './warnings.js';

export interface DecodeOptions {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly decoder: DecoderName;
  readonly budget: Budget;
  readonly warnings: Warnings;
  readonly next: Stage;
}

/** The stage that turns a blob's packed bytes into its tar stream: verified, decompressed, within the budgets. */
export function createDecode({ digest, sizeBytes, mediaType, decoder, budget, warnings, next }: DecodeOptions): Decode {
  let unpackedBytes = 0;
  const decompress = createDecompress({
    decoder,
    next,
    onDetected: (compression) => {
      const promised = kindOfLayer(mediaType)?.compression;
      if (promised !== undefined && promised !== compression) {
        warnings.add('C7', `the media type says ${promised}, the bytes are ${compression}`, '', 0);
      }
    },
    admit: (produced, consumed) => {
      unpackedBytes = produced;
      admit(budget, produced, consumed);
    },
  });
  const verifier = createBlobVerifier(digest, sizeBytes, decompress);
  return {
    push: (bytes) => verifier.push(bytes),
    end: () => verifier.end(),
    get unpackedBytes() {
      return unpackedBytes;
    },
  };
}

export interface Decode extends Stage {
  /** Bytes of the tar stream so far. */
  readonly unpackedBytes: number;
}

function admit({ maxUnpackedBytes, maxRatio, ratioGraceBytes }: Budget, produced: number, consumed: number): void {
  if (produced > maxUnpackedBytes) {
    throw new SluiceError('BUDGET_EXCEEDED', {
      message: `decompressing the layer: ${produced} bytes so far`,
      rule: 'B2',
      limit: { option: 'maxUnpackedBytes', value: maxUnpackedBytes },
    });
  }
  if (produced > ratioGraceBytes && produced > consumed * maxRatio) {
    throw new SluiceError('BUDGET_EXCEEDED', {
      message: `decompressing the layer: ${produced} bytes out of ${consumed}`,
      rule: 'B6',
      limit: { option: 'maxRatio', value: maxRatio },
    });
  }
}
