import { SluiceError } from '../errors.js';
import type { Inflater } from './inflate/inflater.js';
import type { Decompress, SlabStage } from './stage.js';

/** Asked before bytes are handed on. @param produced bytes of output so far @param consumed packed bytes used up */
export type Admit = (produced: number, consumed: number) => void;

/** A compressed format whose files are any number of members in a row. */
export interface MemberFormat {
  readonly name: 'gzip' | 'zstd';
  readonly member: string;
  /** Whether a member can begin so. */
  readonly startsWith: (byte: number) => boolean;
}

/**
 * All members of a compressed stream, then nothing but zero bytes (extraction C2, C3, C5).
 * @param inflater decodes one member at a time
 * @param admit called before each slab is handed on
 */
export function createMembers(inflater: Inflater, format: MemberFormat, next: SlabStage, admit: Admit): Decompress {
  let filled = 0;
  let consumed = 0;
  let memberStart = 0;
  let produced = 0;
  let state: 'member' | 'between' | 'padding' = 'member';
  const flush = (): void => {
    if (filled === 0) return;
    produced += filled;
    admit(produced, consumed);
    const length = filled;
    filled = 0;
    next.emit(length);
  };

  /** What came out before the fault is handed on first: a budget that it exceeds counts. */
  const refuse = (what: string, offset: number): never => {
    flush();
    throw new SluiceError('COMPRESSION_MALFORMED', {
      message: `decompressing the layer: ${what}`,
      rule: format.name === 'gzip' ? 'C4' : 'C5',
      offset,
    });
  };

  /** Where in a member its fault shows depends on the decoder and on the pushes, and so does how it shows. */
  const refuseMember = (): never => {
    return refuse(`a ${format.name} ${format.member} is damaged or cut off`, memberStart);
  };

  const inflate = (bytes: Uint8Array, from: number): number => {
    let at = from;
    for (;;) {
      const slab = next.slab();
      const status = inflater.run(bytes, at, slab, filled);
      at += inflater.consumed;
      consumed += inflater.consumed;
      filled += inflater.produced;
      if (status === 'malformed') refuseMember();
      const isFull = filled === slab.length;
      if (isFull) flush();
      if (status === 'ended') {
        state = 'between';
        return at;
      }
      if (at === bytes.length && !isFull) return at;
      if (!isFull && inflater.consumed === 0 && inflater.produced === 0) refuseMember();
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
        else if (state === 'between' && format.startsWith(byte)) {
          inflater.reset();
          memberStart = consumed;
          state = 'member';
          continue;
        } else refuse(`there is something else after the last ${format.name} ${format.member}`, consumed);
        at++;
        consumed++;
      }
      if (next.isHungry()) flush();
    },
    end() {
      if (state === 'member') refuseMember();
      flush();
      next.end();
    },
    close: () => inflater.close(),
  };
}
