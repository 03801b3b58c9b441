import { SluiceError } from '../errors.js';
import {
  ABORTED,
  abortSlots,
  contentFrom,
  createSlots,
  FILLED,
  fillSlot,
  FIRST_FREE_WORD,
  hashNext,
  hashStateOf,
  hashUntil,
  openSlots,
  STATE,
  type SlotHash,
} from './hashed-slots.js';

/**
 * A ring of slabs over shared memory, between the thread that decodes a layer and the one that applies it. The producer
 * fills slabs in place and the consumer uses them there; both block in `Atomics.wait`, each on the word that counts what
 * the other did. The main thread aborts it.
 */
const PRODUCED = FIRST_FREE_WORD;
const CONSUMED = FIRST_FREE_WORD + 1;
/** Slabs used up, modulo 2³². */
const USED = FIRST_FREE_WORD + 2;
const ANSWER = FIRST_FREE_WORD + 3;

const OPEN = 0;
const ENDED = 1;
const FAILED = 2;

/** What the consumer tells the producer when it can't go on. */
const ANSWERS = { refused: 1, stopped: 2 } as const;

const SLABS = 16;
/** The more there are at once, the fewer entries of the tar go on in the next ones. */
const MOST_SLABS_AT_ONCE = 2;

/** @param slabs how many may lie between the two threads: a power of two */
export function createSlabs(slabs: number = SLABS): SharedArrayBuffer {
  return createSlots(slabs);
}

/** Ends both threads' work: whoever waits, or asks for more, gets ABORTED. */
export function abortSlabs(buffer: SharedArrayBuffer): void {
  const slots = openSlots(buffer);
  abortSlots(slots);
  for (const word of [PRODUCED, CONSUMED]) tell(slots.words, word);
}

/** Something else to do while a thread would wait. @returns whether there was something */
type IdleWork = () => boolean;

const NOTHING: IdleWork = () => false;

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
  /**
   * Hashes slabs while it waits for a free one; the consumer does the rest. So the work is shared as it comes, however dear a
   * layer's entries are.
   */
  hashWith(hash: SlotHash): void;
  whileIdle(work: IdleWork): void;
  end(): void;
  /** The consumer gets what was handed on, and then the failure. */
  fail(): void;
}

export interface SlabConsumer {
  /**
   * Blocks until a slab is filled.
   * @returns its content, and that of some that are filled after it, valid until {@link release}; null at the end
   * @throws SluiceError ABORTED after an abort, or when the producer failed
   */
  read(): Uint8Array | null;
  /** @throws SluiceError ABORTED after an abort */
  release(): void;
  /** Slabs are not given back before they are hashed. */
  hashWith(hash: SlotHash): void;
  whileIdle(work: IdleWork): void;
  /** What {@link hashWith}'s hash has come to after all that was given back. */
  hashState(): Uint8Array;
  /**
   * Tells the producer why nothing more is read: `refused` for a fault of the image, after which the blob is still
   * verified (extraction D5), else `stopped`.
   */
  answer(answer: keyof typeof ANSWERS): void;
}

export function openSlabProducer(buffer: SharedArrayBuffer): SlabProducer {
  const slots = openSlots(buffer);
  const { words } = slots;
  let current: Uint8Array | null = null;
  let pushed = 0;
  let hash: SlotHash | null = null;
  let idle = NOTHING;
  const unused = (): number => (Atomics.load(words, FILLED) - Atomics.load(words, USED)) >>> 0;
  const waitForRoom = (): void => {
    for (;;) {
      const consumed = Atomics.load(words, CONSUMED);
      if (Atomics.load(words, STATE) === ABORTED) throw aborted('cancelled');
      const answer = Atomics.load(words, ANSWER);
      if (answer === ANSWERS.refused) throw new SluiceError('ENTRY_REFUSED', 'decoding the layer: an entry is refused');
      if (answer === ANSWERS.stopped) throw aborted('applying it has failed');
      if (unused() < slots.count) return;
      if (!(hash && hashNext(slots, hash)) && !idle()) Atomics.wait(words, CONSUMED, consumed);
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
      return (current = slots.at(Atomics.load(words, FILLED)));
    },
    emit: (length) => {
      fillSlot(slots, length);
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
    whileIdle: (work) => {
      idle = work;
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
  const slots = openSlots(buffer);
  const { words } = slots;
  let hash: SlotHash | null = null;
  let idle = NOTHING;
  let held = 0;
  return {
    read: () => {
      for (;;) {
        const produced = Atomics.load(words, PRODUCED);
        const state = Atomics.load(words, STATE);
        if (state === ABORTED) throw aborted('cancelled');
        const used = Atomics.load(words, USED);
        const filled = (Atomics.load(words, FILLED) - used) >>> 0;
        if (filled > 0) {
          const content = contentFrom(slots, used, Math.min(filled, MOST_SLABS_AT_ONCE));
          held = content.slots;
          return content.bytes;
        }
        if (state === ENDED) return null;
        if (state === FAILED) throw aborted('decoding it has failed');
        if (!idle()) Atomics.wait(words, PRODUCED, produced);
      }
    },
    release: () => {
      if (hash) hashUntil(slots, Atomics.load(words, USED) + held, hash);
      Atomics.add(words, USED, held);
      tell(words, CONSUMED);
    },
    hashWith: (chosen) => {
      hash = chosen;
    },
    whileIdle: (work) => {
      idle = work;
    },
    hashState: () => hashStateOf(slots, hash),
    answer: (answer) => {
      Atomics.store(words, ANSWER, ANSWERS[answer]);
      tell(words, CONSUMED);
    },
  };
}

function tell(words: Int32Array, word: number): void {
  Atomics.add(words, word, 1);
  Atomics.notify(words, word);
}

function aborted(why: string): SluiceError {
  return new SluiceError('ABORTED', `extracting the layer: ${why}`);
}
