import { SluiceError } from '../errors.js';

/**
 * A ring of slabs over shared memory, between the thread that decodes a layer and the one that applies it. The producer
 * fills slabs in place and the consumer uses them there; both block in `Atomics.wait`, each on the word that counts what
 * the other did. The main thread aborts it.
 */
const PRODUCED = 0;
const CONSUMED = 1;
/** Slabs handed on, and slabs used up, modulo 2³². */
const FILLED = 2;
const USED = 3;
const STATE = 4;
const ANSWER = 5;
/** Slabs hashed, modulo 2³², and whether a thread hashes one now. */
const HASHED = 6;
const HASHING = 7;
/** From here on, the length of each slab's content. */
const LENGTHS = 16;

const OPEN = 0;
const ENDED = 1;
const FAILED = 2;
const ABORTED = 3;

/** What the consumer tells the producer when it can't go on. */
const ANSWERS = { refused: 1, stopped: 2 } as const;

const NOBODY = 0;
const SOMEBODY = 1;
const FOR_EVER = 2;

const SLAB_BYTES = 256 * 1024;
const HASH_STATE_BYTES = 256;
const SLABS = 32;

/** @param slabs how many may lie between the two threads: a power of two, as their count wraps */
export function createSlabs(slabs: number = SLABS): SharedArrayBuffer {
  return new SharedArrayBuffer(headerBytes(slabs) + slabs * SLAB_BYTES);
}

/** Ends both threads' work: whoever waits, or asks for more, gets ABORTED. */
export function abortSlabs(buffer: SharedArrayBuffer): void {
  const { words } = lookAt(buffer);
  Atomics.store(words, STATE, ABORTED);
  for (const word of [PRODUCED, CONSUMED]) tell(words, word);
  // The thread that hashes may be the one that died.
  Atomics.store(words, HASHING, FOR_EVER);
  Atomics.notify(words, HASHING);
}

/**
 * Hashes all slabs in their order, a slab at a time by either thread: the producer while the ring is full, the consumer
 * what is left of a slab when it gives it back. So the work is shared as it comes, however dear a layer's entries are.
 */
export interface SlabHash {
  /** @param state shared memory that keeps everything from one call to the next */
  start(state: Uint8Array): void;
  update(state: Uint8Array, bytes: Uint8Array): void;
}

export interface SlabProducer {
  /**
   * The slab to fill next, the same until {@link emit}; blocks until one is free.
   * @throws SluiceError ABORTED, or ENTRY_REFUSED after the consumer refused an entry
   */
  slab(): Uint8Array;
  /** Hands on the first `length` bytes of the slab. */
  emit(length: number): void;
  /** Whether the consumer has nothing left to do. */
  isHungry(): boolean;
  /** Copies bytes into slabs. */
  push(bytes: Uint8Array): void;
  /** Hashes while it waits for a free slab; the consumer does the rest. */
  hashWith(hash: SlabHash): void;
  end(): void;
  /** The consumer gets what was handed on, and then the failure. */
  fail(): void;
}

export interface SlabConsumer {
  /**
   * Blocks until a slab is filled.
   * @returns its content, valid until {@link release}; null at the end
   * @throws SluiceError ABORTED after an abort, or when the producer failed
   */
  read(): Uint8Array | null;
  /** @throws SluiceError ABORTED after an abort */
  release(): void;
  /** Slabs are not given back before they are hashed. */
  hashWith(hash: SlabHash): void;
  /** What {@link hashWith}'s hash has come to after all that was given back. */
  hashState(): Uint8Array;
  /**
   * Tells the producer why nothing more is read: `refused` for a fault of the image, after which the blob is still
   * verified (extraction D5), else `stopped`.
   */
  answer(answer: keyof typeof ANSWERS): void;
}

export function openSlabProducer(buffer: SharedArrayBuffer): SlabProducer {
  const ring = lookAt(buffer);
  const { words, slabs, slabAt } = ring;
  let current: Uint8Array | null = null;
  let pushed = 0;
  let hash: SlabHash | null = null;
  const unused = (): number => (Atomics.load(words, FILLED) - Atomics.load(words, USED)) >>> 0;
  const waitForRoom = (): void => {
    for (;;) {
      const consumed = Atomics.load(words, CONSUMED);
      if (Atomics.load(words, STATE) === ABORTED) throw aborted('cancelled');
      const answer = Atomics.load(words, ANSWER);
      if (answer === ANSWERS.refused) throw new SluiceError('ENTRY_REFUSED', 'decoding the layer: an entry is refused');
      if (answer === ANSWERS.stopped) throw aborted('applying it has failed');
      if (unused() < slabs) return;
      if (!hash || !hashNext(ring, hash)) Atomics.wait(words, CONSUMED, consumed);
    }
  };
  const finish = (state: number): void => {
    Atomics.compareExchange(words, STATE, OPEN, state);
    tell(words, PRODUCED);
  };
  const producer: SlabProducer = {
    slab: () => {
      if (current) return current;
      waitForRoom();
      return (current = slabAt(Atomics.load(words, FILLED)));
    },
    emit: (length) => {
      words[LENGTHS + slotOf(Atomics.load(words, FILLED), slabs)] = length;
      Atomics.add(words, FILLED, 1);
      tell(words, PRODUCED);
      current = null;
    },
    isHungry: () => unused() === 0,
    push: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        const slab = producer.slab();
        const part = bytes.subarray(at, at + slab.length - pushed);
        slab.set(part, pushed);
        at += part.length;
        pushed += part.length;
        if (pushed === slab.length || producer.isHungry()) emitPushed();
      }
    },
    hashWith: (chosen) => {
      hash = chosen;
    },
    end: () => {
      emitPushed();
      finish(ENDED);
    },
    fail: () => finish(FAILED),
  };
  const emitPushed = (): void => {
    if (pushed > 0) producer.emit(pushed);
    pushed = 0;
  };
  return producer;
}

export function openSlabConsumer(buffer: SharedArrayBuffer): SlabConsumer {
  const ring = lookAt(buffer);
  const { words, slabs, slabAt, hashState } = ring;
  let hash: SlabHash | null = null;
  const hashUntil = (count: number, chosen: SlabHash): void => {
    while ((count - Atomics.load(words, HASHED)) >> 0 > 0) {
      if (Atomics.load(words, STATE) === ABORTED) throw aborted('cancelled');
      if (!hashNext(ring, chosen)) Atomics.wait(words, HASHING, SOMEBODY);
    }
  };
  return {
    read: () => {
      for (;;) {
        const produced = Atomics.load(words, PRODUCED);
        const state = Atomics.load(words, STATE);
        if (state === ABORTED) throw aborted('cancelled');
        const used = Atomics.load(words, USED);
        if (Atomics.load(words, FILLED) !== used) return slabAt(used).subarray(0, words[LENGTHS + slotOf(used, slabs)]);
        if (state === ENDED) return null;
        if (state === FAILED) throw aborted('decoding it has failed');
        Atomics.wait(words, PRODUCED, produced);
      }
    },
    release: () => {
      if (hash) hashUntil(Atomics.load(words, USED) + 1, hash);
      Atomics.add(words, USED, 1);
      tell(words, CONSUMED);
    },
    hashWith: (chosen) => {
      hash = chosen;
    },
    hashState: () => {
      if (Atomics.load(words, HASHED) === 0) hash?.start(hashState);
      return hashState;
    },
    answer: (answer) => {
      Atomics.store(words, ANSWER, ANSWERS[answer]);
      tell(words, CONSUMED);
    },
  };
}

/** Hashes the next slab, unless there is none or the other thread hashes one. @returns whether it did */
function hashNext({ words, slabs, slabAt, hashState }: Slabs, hash: SlabHash): boolean {
  if (Atomics.compareExchange(words, HASHING, NOBODY, SOMEBODY) !== NOBODY) return false;
  try {
    const next = Atomics.load(words, HASHED);
    if (next === Atomics.load(words, FILLED)) return false;
    if (next === 0) hash.start(hashState);
    hash.update(hashState, slabAt(next).subarray(0, words[LENGTHS + slotOf(next, slabs)]));
    Atomics.add(words, HASHED, 1);
    return true;
  } finally {
    Atomics.store(words, HASHING, NOBODY);
    Atomics.notify(words, HASHING);
  }
}

function headerBytes(slabs: number): number {
  return (LENGTHS + slabs) * Int32Array.BYTES_PER_ELEMENT + HASH_STATE_BYTES;
}

interface Slabs {
  readonly words: Int32Array;
  readonly slabs: number;
  readonly slabAt: (count: number) => Uint8Array;
  readonly hashState: Uint8Array;
}

function lookAt(buffer: SharedArrayBuffer): Slabs {
  const slabs = Math.floor((buffer.byteLength - headerBytes(0)) / (SLAB_BYTES + Int32Array.BYTES_PER_ELEMENT));
  if (slabs < 1 || (slabs & (slabs - 1)) !== 0) throw new RangeError(`a ring of ${slabs} slabs`);
  return {
    words: new Int32Array(buffer, 0, LENGTHS + slabs),
    slabs,
    hashState: new Uint8Array(buffer, headerBytes(slabs) - HASH_STATE_BYTES, HASH_STATE_BYTES),
    slabAt: (count) => new Uint8Array(buffer, headerBytes(slabs) + slotOf(count, slabs) * SLAB_BYTES, SLAB_BYTES),
  };
}

function slotOf(count: number, slabs: number): number {
  return (count >>> 0) % slabs;
}

function tell(words: Int32Array, word: number): void {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
}

function aborted(why: string): SluiceError {
  return new SluiceError('ABORTED', `extracting the layer: ${why}`);
}
