import {
  abortSlots,
  createSlots,
  FILLED,
  fillSlot,
  hashNext,
  hashStateOf,
  hashUntil,
  openSlots,
  type SlotHash,
} from './hashed-slots.js';

/** Enough for the thread that applies to find some whenever it waits for tar bytes. */
const CHUNKS = 4;

/** Memory for a blob's packed bytes while the thread that decodes works on them: either half of the layer can hash them there. */
export function createPackedChunks(): SharedArrayBuffer {
  return createSlots(CHUNKS);
}

/** Ends both threads' waiting. */
export function abortPackedChunks(buffer: SharedArrayBuffer): void {
  abortSlots(openSlots(buffer));
}

export interface PackedChunks {
  /** Where the blob's next bytes go, the same until {@link fill}. @throws SluiceError ABORTED */
  next(): Uint8Array;
  /** The next bytes are there, so many. */
  fill(length: number): void;
  /** Hashes a chunk, unless there is none or the other thread hashes one. @returns whether it did */
  hashSome(): boolean;
  /** State of the hash after all chunks. @throws SluiceError ABORTED */
  finish(): Uint8Array;
}

export function openPackedChunks(buffer: SharedArrayBuffer, hash: SlotHash): PackedChunks {
  const slots = openSlots(buffer);
  const filled = (): number => Atomics.load(slots.words, FILLED);
  return {
    next: () => {
      hashUntil(slots, filled() + 1 - slots.count, hash);
      return slots.at(filled());
    },
    fill: (length) => fillSlot(slots, length),
    hashSome: () => hashNext(slots, hash),
    finish: () => {
      hashUntil(slots, filled(), hash);
      return hashStateOf(slots, hash);
    },
  };
}
