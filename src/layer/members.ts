import { SluiceError } from '../errors.js';
import type { Inflater } from './inflate/inflater.js';
import type { Stage } from './stage.js';

/** Output goes to the next stage in slabs of this size; it fits a core's second-level cache. */
const SLAB_BYTES = 256 * 1024;

/** A compressed format whose files are any number of members in a row. */
export interface MemberFormat {
  readonly name: 'gzip' | 'zstd';
  readonly member: string;
  /** Whether a member can begin so. */
  readonly startsWith: (byte: number) => boolean;
}

export interface MembersOptions {
  readonly next: Stage;
  /** Called before each slab is handed on. @param produced bytes of output so far @param consumed packed bytes used up */
  readonly admit: (produced: number, consumed: number) => void;
}

/**
 * All members of a compressed stream, then nothing but zero bytes (extraction C2, C3, C5).
 * @param inflater decodes one member at a time
 */
export function createMembers(inflater: Inflater, format: MemberFormat, { next, admit }: MembersOptions): Stage {
  const slab = new Uint8Array(SLAB_BYTES);
  let filled = 0;
  let consumed = 0;
  let produced = 0;
  let state: 'member' | 'between' | 'padding' = 'member';
  const malformed = (what: string): SluiceError =>
    new SluiceError('COMPRESSION_MALFORMED', {
      message: `decompressing the layer: ${what}`,
      rule: format.name === 'gzip' ? 'C4' : 'C5',
      offset: consumed,
    });

  const flush = (): void => {
    if (filled === 0) return;
    produced += filled;
    admit(produced, consumed);
    const bytes = filled === slab.length ? slab : slab.subarray(0, filled);
    filled = 0;
    next.push(bytes);
  };

  const inflate = (bytes: Uint8Array, from: number): number => {
    let at = from;
    for (;;) {
      const status = inflater.run(bytes, at, slab, filled);
      at += inflater.consumed;
      consumed += inflater.consumed;
      filled += inflater.produced;
      if (status === 'malformed') throw malformed(`the ${format.name} data is damaged`);
      const isFull = filled === slab.length;
      if (isFull) flush();
      if (status === 'ended') {
        state = 'between';
        return at;
      }
      if (at === bytes.length && !isFull) return at;
      if (!isFull && inflater.consumed === 0 && inflater.produced === 0)
        throw malformed(`the ${format.name} data does not go on`);
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
          state = 'member';
          continue;
        } else throw malformed(`there is something else after the last ${format.name} ${format.member}`);
        at++;
        consumed++;
      }
      flush();
    },
    end() {
      if (state === 'member') throw malformed(`the ${format.name} data is cut off`);
      next.end();
    },
  };
}
