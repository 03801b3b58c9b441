import { SluiceError } from '../errors.js';

/**
 * Slots of shared memory that one thread fills in their order, over and over, and that are hashed in their order by
 * whichever of two threads has the time. Counts are modulo 2³².
 */
export interface Slots {
  readonly words: Int32Array;
  /** How many there are: a power of two, as their count wraps. */
  readonly count: number;
  /** The memory of the slot that is filled as the n-th. */
  readonly at: (n: number) => Uint8Array;
  readonly hashState: Uint8Array;
}

/** All in one algorithm; its whole state lies in shared memory, so that threads can take turns. */
export interface SlotHash {
  /** @param state shared memory that keeps everything from one call to the next */
  start(state: Uint8Array): void;
  update(state: Uint8Array, bytes: Uint8Array): void;
}

/** Words that all slots have; those before {@link LENGTHS} that are not named here are their users'. */
export const FILLED = 0;
/** A state of 0 means open. */
export const STATE = 1;
const HASHED = 2;
/** Whether a thread hashes a slot now. */
const HASHING = 3;
export const FIRST_FREE_WORD = 4;
/** From here on, the length of each slot's content. */
const LENGTHS = 16;

export const ABORTED = 3;

const NOBODY = 0;
const SOMEBODY = 1;
const FOR_EVER = 2;

export const SLOT_BYTES: number = 512 * 1024;
const HASH_STATE_BYTES = 256;

export function createSlots(count: number): SharedArrayBuffer {
  return new SharedArrayBuffer(headerBytes(count) + count * SLOT_BYTES);
}

/** @throws RangeError for memory that {@link createSlots} has not made */
export function openSlots(buffer: SharedArrayBuffer): Slots {
  const count = Math.floor((buffer.byteLength - headerBytes(0)) / (SLOT_BYTES + Int32Array.BYTES_PER_ELEMENT));
  if (count < 1 || (count & (count - 1)) !== 0) throw new RangeError(`a ring of ${count} slabs`);
  return {
    words: new Int32Array(buffer, 0, LENGTHS + count),
    count,
    hashState: new Uint8Array(buffer, headerBytes(count) - HASH_STATE_BYTES, HASH_STATE_BYTES),
    at: (n) => new Uint8Array(buffer, headerBytes(count) + slotOf(n, count) * SLOT_BYTES, SLOT_BYTES),
  };
}

/** The next slot holds so many bytes. */
export function fillSlot({ words, count }: Slots, length: number): void {
  words[LENGTHS + slotOf(Atomics.load(words, FILLED), count)] = length;
  Atomics.add(words, FILLED, 1);
}

export function contentOf(slots: Slots, n: number): Uint8Array {
  return contentFrom(slots, n, 1).bytes;
}

/**
 * What the n-th slot holds, and with it what those after it hold, as far as they are neighbours in memory and full.
 * @param most slots, all filled
 */
export function contentFrom(
  { words, count, at }: Slots,
  n: number,
  most: number,
): { readonly bytes: Uint8Array; readonly slots: number } {
  const first = slotOf(n, count);
  const lengthOf = (slots: number): number => words[LENGTHS + first + slots - 1]!;
  let slots = 1;
  while (slots < most && first + slots < count && lengthOf(slots) === SLOT_BYTES) slots++;
  const { buffer, byteOffset } = at(n);
  return { bytes: new Uint8Array(buffer, byteOffset, (slots - 1) * SLOT_BYTES + lengthOf(slots)), slots };
}

/** Hashes the next slot, unless there is none or the other thread hashes one. @returns whether it did */
export function hashNext(slots: Slots, hash: SlotHash): boolean {
  const { words, hashState } = slots;
  if (Atomics.compareExchange(words, HASHING, NOBODY, SOMEBODY) !== NOBODY) return false;
  try {
    const next = Atomics.load(words, HASHED);
    if (next === Atomics.load(words, FILLED)) return false;
    if (next === 0) hash.start(hashState);
    hash.update(hashState, contentOf(slots, next));
    Atomics.add(words, HASHED, 1);
    return true;
  } finally {
    Atomics.store(words, HASHING, NOBODY);
    Atomics.notify(words, HASHING);
  }
}

/** Sees to it that `count` slots are hashed. @throws SluiceError ABORTED after {@link abortSlots} */
export function hashUntil(slots: Slots, count: number, hash: SlotHash): void {
  const { words } = slots;
  while ((count - Atomics.load(words, HASHED)) >> 0 > 0) {
    if (Atomics.load(words, STATE) === ABORTED) throw new SluiceError('ABORTED', 'extracting the layer: cancelled');
    if (!hashNext(slots, hash)) Atomics.wait(words, HASHING, SOMEBODY);
  }
}

/** What the hash has come to after all that is hashed by now. */
export function hashStateOf({ words, hashState }: Slots, hash: SlotHash | null): Uint8Array {
  if (Atomics.load(words, HASHED) === 0) hash?.start(hashState);
  return hashState;
}

/** Whoever waits for a slot to be hashed gets ABORTED: the thread that hashes it may be the one that died. */
export function abortSlots({ words }: Slots): void {
  Atomics.store(words, STATE, ABORTED);
  Atomics.store(words, HASHING, FOR_EVER);
  Atomics.notify(words, HASHING);
}

function headerBytes(count: number): number {
  return (LENGTHS + count) * Int32Array.BYTES_PER_ELEMENT + HASH_STATE_BYTES;
}

function slotOf(n: number, count: number): number {
  return (n >>> 0) % count;
}
