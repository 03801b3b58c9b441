import type { Digest, DigestHash } from '../oci/digest.js';
import { kindOfLayer, type LayerCompression } from '../oci/media-type.js';
import type { DecoderName } from '../transfer/protocol.js';
import { createDecompress } from './decompress.js';
import type { Meter } from './meter.js';
import type { Decompress, SlabStage, Stage } from './stage.js';
import { createBlobVerifier } from './verify.js';
import { UNTRACED, type Tracer } from './tracer.js';
import type { Warnings } from './warnings.js';

export interface DecodeOptions {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly decoder: DecoderName;
  readonly meter: Meter;
  readonly warnings: Warnings;
  readonly tracer?: Tracer;
  /** Computes the blob's digest; left out: the stage does. */
  readonly blobHash?: DigestHash;
  /** Called once, when it is known what the bytes really are. */
  readonly open: (compression: LayerCompression) => SlabStage;
}

/** The stage that turns a blob's packed bytes into its tar stream: verified, decompressed, within the budgets. */
export function createDecode({
  digest,
  sizeBytes,
  mediaType,
  decoder,
  meter,
  warnings,
  tracer = UNTRACED,
  blobHash,
  open,
}: DecodeOptions): Decode {
  let unpackedBytes = 0;
  const decompress = createDecompress({
    decoder,
    open: (compression) => {
      const promised = kindOfLayer(mediaType)?.compression;
      if (compression !== null && promised !== undefined && promised !== compression) {
        warnings.add('C7', `the media type says ${promised}, the bytes are ${compression}`, null, 0);
      }
      return open(compression ?? 'none');
    },
    admit: (produced, consumed) => {
      unpackedBytes = produced;
      meter.stream(produced, consumed);
    },
  });
  const inflate: Stage = {
    push: (bytes) => tracer.span('inflate', () => decompress.push(bytes)),
    end: () => tracer.span('inflate', () => decompress.end()),
  };
  const verifier = createBlobVerifier(digest, sizeBytes, inflate, tracer, blobHash);
  return {
    push: (bytes) => verifier.push(bytes),
    end: () => verifier.end(),
    close: () => decompress.close(),
    get unpackedBytes() {
      return unpackedBytes;
    },
  };
}

export interface Decode extends Decompress {
  /** Bytes of the tar stream so far. */
  readonly unpackedBytes: number;
}
