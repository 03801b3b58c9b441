import { setTimeout as sleepFor } from 'node:timers/promises';
import { abortError } from '../abort.js';

/** Time and chance, given from outside so that tests need not wait. */
export interface Timing {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  /** In [0, 1). */
  random(): number;
  /** @throws SluiceError ABORTED as soon as the signal fires */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Calls back once when so much time has passed. @returns a function that gives that up */
  alarm(ms: number, ring: () => void): () => void;
}

export const systemTiming: Timing = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    sleepFor(ms, undefined, { signal }).catch(() => {
      throw abortError(signal);
    }),
  alarm: (ms, ring) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  },
};
