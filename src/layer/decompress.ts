import { SluiceError } from '../errors.js';
import { openInflater } from './inflate/open-inflater.js';
import type { Inflater } from './inflate/inflater.js';
import type { DecoderName } from '../transfer/protocol.js';
import type { Stage } from './stage.js';

/** Output goes to the next stage in slabs of this size; it fits a core's second-level cache. */
const SLAB_BYTES = 256 * 1024;

/** As many bytes as tell every known form apart. */
const MAGIC_BYTES = 6;

export interface DecompressOptions {
  readonly decoder: DecoderName;
  readonly next: Stage;
  /** Called before each slab is handed on. @param produced bytes of output so far @param consumed packed bytes used up */
  readonly admit: (produced: number, consumed: number) => void;
  /** Called once, with what the bytes really are (extraction C7); not for no bytes at all. */
  readonly onDetected: (compression: 'gzip' | 'none') => void;
}

/** A stage that owns a decoder. */
export interface Decompress extends Stage {
  /** Frees the decoder, whether or not the bytes ended; calling it twice is harmless. */
  close(): void;
}

/** Finds out what the bytes are, and hands the tar stream inside them to the next stage. */
export function createDecompress(options: DecompressOptions): Decompress {
  let head: Uint8Array | null = new Uint8Array(0);
  let body: Decompress | null = null;
  const start = (bytes: Uint8Array): void => {
    head = null;
    const compression = detectCompression(bytes);
    if (bytes.length > 0) options.onDetected(compression);
    body = compression === 'gzip' ? createGunzip(options) : createPlain(options);
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

function detectCompression(bytes: Uint8Array): 'gzip' | 'none' {
  const starts = (...magic: number[]): boolean => magic.every((byte, at) => bytes[at] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  const isSkippableFrame = (bytes[0]! & 0xf0) === 0x50 && bytes[1] === 0x2a && bytes[2] === 0x4d && bytes[3] === 0x18;
  const unsupported =
    starts(0x28, 0xb5, 0x2f, 0xfd) || isSkippableFrame
      ? 'zstd'
      : starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)
        ? 'xz'
        : isBzip2(bytes)
          ? 'bzip2'
          : null;
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

function createPlain({ next, admit }: DecompressOptions): Decompress {
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

/** All members of a gzip stream, then nothing but zero bytes (extraction C2, C3). */
function createGunzip({ decoder, next, admit }: DecompressOptions): Decompress {
  const inflater: Inflater = openInflater(decoder);
  const slab = new Uint8Array(SLAB_BYTES);
  let filled = 0;
  let consumed = 0;
  let produced = 0;
  let state: 'member' | 'between' | 'padding' = 'member';
  const flush = (): void => {
    if (filled === 0) return;
    produced += filled;
    admit(produced, consumed);
    const bytes = filled === slab.length ? slab : slab.subarray(0, filled);
    filled = 0;
    next.push(bytes);
  };

  /** What came out before is judged first: which of two faults is named must not depend on where the pushes end. */
  const malformed = (what: string): SluiceError => {
    flush();
    return new SluiceError('COMPRESSION_MALFORMED', {
      message: `decompressing the layer: ${what}`,
      rule: 'C4',
      offset: consumed,
    });
  };

  const inflate = (bytes: Uint8Array, from: number): number => {
    let at = from;
    for (;;) {
      const status = inflater.run(bytes, at, slab, filled);
      at += inflater.consumed;
      consumed += inflater.consumed;
      filled += inflater.produced;
      if (status === 'malformed') throw malformed('the gzip data is damaged');
      const isFull = filled === slab.length;
      if (isFull) flush();
      if (status === 'ended') {
        state = 'between';
        return at;
      }
      if (at === bytes.length && !isFull) return at;
      if (!isFull && inflater.consumed === 0 && inflater.produced === 0)
        throw malformed('the gzip data does not go on');
    }
  };

  return {
    push(bytes) {
      let at = 0;
      while (at < bytes.length) {
        if (state === 'member') {
          at = inflate(bytes, at);
          continue;
        }
        const byte = bytes[at]!;
        if (byte === 0) state = 'padding';
        else if (state === 'between' && byte === 0x1f) {
          inflater.reset();
          state = 'member';
          continue;
        } else throw malformed('there is something else after the last gzip member');
        at++;
        consumed++;
      }
      flush();
    },
    end() {
      if (state === 'member') throw malformed('the gzip data is cut off');
      next.end();
    },
    close: () => inflater.close(),
  };
}
