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
const HASHED = 6;
/** From here on, the length of each slab's content. */
const LENGTHS = 16;

const OPEN = 0;
const ENDED = 1;
const FAILED = 2;
const ABORTED = 3;

/** What the consumer tells the producer when it can't go on. */
const ANSWERS = { refused: 1, stopped: 2 } as const;

const SLAB_BYTES = 256 * 1024;
const SLABS = 8;

/** @param slabs how many may lie between the two threads: a power of two, as their count wraps */
export function createSlabs(slabs: number = SLABS): SharedArrayBuffer {
  return new SharedArrayBuffer(headerBytes(slabs) + slabs * SLAB_BYTES);
}

/** Ends both threads' work: whoever waits, or asks for more, gets ABORTED. */
export function abortSlabs(buffer: SharedArrayBuffer): void {
  const { words } = lookAt(buffer);
  Atomics.store(words, STATE, ABORTED);
  for (const word of [PRODUCED, CONSUMED]) tell(words, word);
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
  /** Says, before anything is handed on, whether the diffID is verified on this side. */
  setHashed(isHashed: boolean): void;
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
  release(): void;
  /** Whether the producer verifies the diffID; known once {@link read} has returned. */
  isHashed(): boolean;
  /**
   * Tells the producer why nothing more is read: `refused` for a fault of the image, after which the blob is still
   * verified (extraction D5), else `stopped`.
   */
  answer(answer: keyof typeof ANSWERS): void;
}

export function openSlabProducer(buffer: SharedArrayBuffer): SlabProducer {
  const { words, slabs, slabAt } = lookAt(buffer);
  let current: Uint8Array | null = null;
  let pushed = 0;
  const unused = (): number => (Atomics.load(words, FILLED) - Atomics.load(words, USED)) >>> 0;
  const waitForRoom = (): void => {
    for (;;) {
      const consumed = Atomics.load(words, CONSUMED);
      if (Atomics.load(words, STATE) === ABORTED) throw aborted('cancelled');
      const answer = Atomics.load(words, ANSWER);
      if (answer === ANSWERS.refused) throw new SluiceError('ENTRY_REFUSED', 'decoding the layer: an entry is refused');
      if (answer === ANSWERS.stopped) throw aborted('applying it has failed');
      if (unused() < slabs) return;
      Atomics.wait(words, CONSUMED, consumed);
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
    setHashed: (isHashed) => void Atomics.store(words, HASHED, isHashed ? 1 : 0),
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
  const { words, slabs, slabAt } = lookAt(buffer);
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
      Atomics.add(words, USED, 1);
      tell(words, CONSUMED);
    },
    isHashed: () => Atomics.load(words, HASHED) === 1,
    answer: (answer) => {
      Atomics.store(words, ANSWER, ANSWERS[answer]);
      tell(words, CONSUMED);
    },
  };
}

function headerBytes(slabs: number): number {
  return (LENGTHS + slabs) * Int32Array.BYTES_PER_ELEMENT;
}

interface Slabs {
  readonly words: Int32Array;
  readonly slabs: number;
  readonly slabAt: (count: number) => Uint8Array;
}

function lookAt(buffer: SharedArrayBuffer): Slabs {
  const slabs = Math.floor((buffer.byteLength - headerBytes(0)) / (SLAB_BYTES + Int32Array.BYTES_PER_ELEMENT));
  if (slabs < 1 || (slabs & (slabs - 1)) !== 0) throw new RangeError(`a ring of ${slabs} slabs`);
  return {
    words: new Int32Array(buffer, 0, LENGTHS + slabs),
    slabs,
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
