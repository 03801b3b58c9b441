/**
 * A single-producer, single-consumer byte ring over shared memory. The producer is the main thread and never blocks; the
 * consumer is a worker and blocks in `Atomics.wait`. Positions are byte counts modulo 2³². The producer may write ahead
 * of the head and publishes complete prefixes alone, so that ranges of one blob may arrive in any order.
 */
const HEAD = 0;
const TAIL = 1;
const STATE = 2;
/** Counts what the producer did: the word the consumer sleeps on, so that neither bytes nor the end are missed. */
const PRODUCED = 3;
/** Microseconds that the consumer has waited. */
const WAITED = 4;
const WORDS = 5;
const HEADER_BYTES = 64;

/** A state of 0 means open. */
const ENDED = 1;
const ABORTED = 2;

export interface RingProducer {
  readonly buffer: SharedArrayBuffer;
  readonly capacity: number;
  /**
   * Resolves as soon as the stream's bytes up to a position have room.
   * @param end asked again whenever something was read
   * @returns false when the ring is aborted
   */
  readonly waitForRoom: (end: () => number) => Promise<boolean>;
  /** How long the consumer has waited for bytes, modulo 2³² microseconds. */
  readonly waitedUs: () => number;
  /** Copies bytes to their place; there must be room for them, see {@link waitForRoom}. @param position in the stream */
  readonly write: (position: number, chunk: Uint8Array) => void;
  /** Lets the consumer read everything before `position`. */
  readonly publish: (position: number) => void;
  readonly end: () => void;
  readonly abort: () => void;
}

export interface RingConsumer {
  /**
   * Blocks until there are bytes.
   * @returns a view of readable bytes, valid until {@link consume}; null at the end; `'aborted'` after an abort
   */
  readonly read: () => Uint8Array | null | 'aborted';
  readonly consume: (length: number) => void;
}

export function createRing(capacity: number): RingProducer {
  const buffer = new SharedArrayBuffer(HEADER_BYTES + capacity);
  const words = new Int32Array(buffer, 0, WORDS);
  const bytes = new Uint8Array(buffer, HEADER_BYTES);
  let published = 0;
  const signal = (): void => {
    Atomics.add(words, PRODUCED, 1);
    Atomics.notify(words, PRODUCED);
  };
  const finish = (state: number): void => {
    Atomics.store(words, STATE, state);
    signal();
    Atomics.notify(words, TAIL);
  };
  return {
    buffer,
    capacity,
    waitForRoom: async (end) => {
      for (;;) {
        if (Atomics.load(words, STATE) === ABORTED) return false;
        const tail = Atomics.load(words, TAIL);
        const unread = (Atomics.load(words, HEAD) - tail) >>> 0;
        if (end() - (published - unread) <= capacity) return true;
        const wait = Atomics.waitAsync(words, TAIL, tail);
        if (wait.async) await wait.value;
      }
    },
    waitedUs: () => Atomics.load(words, WAITED) >>> 0,
    write: (position, chunk) => {
      const start = position % capacity;
      const first = Math.min(chunk.length, capacity - start);
      bytes.set(first === chunk.length ? chunk : chunk.subarray(0, first), start);
      if (first < chunk.length) bytes.set(chunk.subarray(first), 0);
    },
    publish: (position) => {
      Atomics.add(words, HEAD, position - published);
      published = position;
      signal();
    },
    end: () => finish(ENDED),
    abort: () => finish(ABORTED),
  };
}

export function openRing(buffer: SharedArrayBuffer): RingConsumer {
  const words = new Int32Array(buffer, 0, WORDS);
  const bytes = new Uint8Array(buffer, HEADER_BYTES);
  let at = 0;
  return {
    read: () => {
      for (;;) {
        const produced = Atomics.load(words, PRODUCED);
        const state = Atomics.load(words, STATE);
        if (state === ABORTED) return 'aborted';
        const used = (Atomics.load(words, HEAD) - Atomics.load(words, TAIL)) >>> 0;
        if (used > 0) return bytes.subarray(at, Math.min(at + used, bytes.length));
        if (state === ENDED) return null;
        const begun = performance.now();
        Atomics.wait(words, PRODUCED, produced);
        Atomics.add(words, WAITED, Math.round((performance.now() - begun) * 1000));
      }
    },
    consume: (length) => {
      at = (at + length) % bytes.length;
      Atomics.add(words, TAIL, length);
      Atomics.notify(words, TAIL);
    },
  };
}
