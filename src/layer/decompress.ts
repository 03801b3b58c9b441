import { SluiceError } from '../errors.js';
import type { LayerCompression } from '../oci/media-type.js';
import type { DecoderName } from '../transfer/protocol.js';
import { holdFault } from './held-fault.js';
import type { Inflater } from './inflate/inflater.js';
import { openInflater } from './inflate/open-inflater.js';
import { openZstdInflater } from './inflate/zstd.js';
import { createMembers, type Admit, type MemberFormat } from './members.js';
import type { Decompress, SlabStage } from './stage.js';

/** As many bytes as tell every known form apart. */
const MAGIC_BYTES = 6;

export interface DecompressOptions {
  readonly decoder: DecoderName;
  /** Called once, when it is known what the bytes really are (extraction C7); null: there are none at all. */
  readonly open: (compression: LayerCompression | null) => SlabStage;
  readonly admit: Admit;
}

/** Finds out what the bytes are, and hands the tar stream inside them to the next stage. */
export function createDecompress(options: DecompressOptions): Decompress {
  let head: Uint8Array | null = new Uint8Array(0);
  let body: Decompress | null = null;
  const start = (bytes: Uint8Array): void => {
    head = null;
    const compression = detectCompression(bytes);
    body = openBody(compression, options.open(bytes.length > 0 ? compression : null), options);
    if (bytes.length > 0) body.push(bytes);
  };
  return {
    push(bytes) {
      if (body) return body.push(bytes);
      const joined = head!.length === 0 ? bytes : Buffer.concat([head!, bytes]);
      if (joined.length >= MAGIC_BYTES) start(joined);
      else head = Uint8Array.from(joined);
    },
    end() {
      if (!body) start(head!);
      body!.end();
    },
    close: () => body?.close(),
  };
}

function openBody(compression: LayerCompression, next: SlabStage, { decoder, admit }: DecompressOptions): Decompress {
  switch (compression) {
    case 'none':
      return createPlain(next, admit);
    case 'gzip':
      return createPacked(openInflater(decoder), GZIP, next, admit);
    case 'zstd':
      return createPacked(openZstdInflater(), ZSTD, next, admit);
    default:
      return compression satisfies never;
  }
}

function createPacked(inflater: Inflater, format: MemberFormat, next: SlabStage, admit: Admit): Decompress {
  const { held, admitted } = holdFault(next, admit);
  return createMembers(inflater, format, held, admitted);
}

const GZIP: MemberFormat = { name: 'gzip', member: 'member', startsWith: (byte) => byte === 0x1f };

/** Frames of data, and the skippable ones of any of their sixteen magics. */
const ZSTD: MemberFormat = {
  name: 'zstd',
  member: 'frame',
  startsWith: (byte) => byte === 0x28 || (byte & 0xf0) === 0x50,
};

function detectCompression(bytes: Uint8Array): LayerCompression {
  const starts = (...magic: number[]): boolean => magic.every((byte, at) => bytes[at] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  const isSkippableFrame = (bytes[0]! & 0xf0) === 0x50 && bytes[1] === 0x2a && bytes[2] === 0x4d && bytes[3] === 0x18;
  if (starts(0x28, 0xb5, 0x2f, 0xfd) || isSkippableFrame) return 'zstd';
  const unsupported = starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00) ? 'xz' : isBzip2(bytes) ? 'bzip2' : null;
  if (unsupported === null) return 'none';
  throw new SluiceError('COMPRESSION_UNSUPPORTED', {
    message: `decompressing the layer: it is ${unsupported}`,
    rule: 'C7',
  });
}

/** The first block's magic, or the one of an end without a block, tells it from a tar whose first name is `BZh9…`. */
function isBzip2([b, z, h, level, first, second]: Uint8Array): boolean {
  if (b !== 0x42 || z !== 0x5a || h !== 0x68 || level! < 0x31 || level! > 0x39) return false;
  return (first === 0x31 && second === 0x41) || (first === 0x17 && second === 0x72);
}

function createPlain(next: SlabStage, admit: Admit): Decompress {
  let total = 0;
  return {
    push(bytes) {
      total += bytes.length;
      admit(total, total);
      next.push(bytes);
    },
    end: () => next.end(),
    close: () => undefined,
  };
}
