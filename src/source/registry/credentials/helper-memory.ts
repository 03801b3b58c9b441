import type { Timing } from '../timing.js';
import { type Flight, joinFlight } from '../join-flight.js';
import { askHelper, HELPER_TIMEOUT_MS, type HelperAnswer } from './helper.js';

/** Helper programs' answers, kept for a while; pulls of one host at once ask once (R31). */
export interface HelperMemory {
  /**
   * The program ends when all who wait for it have left.
   * @param isFresh whether what is kept does not count, as it was refused
   * @throws SluiceError ABORTED
   */
  ask(name: string, server: string, isFresh: boolean, signal: AbortSignal): Promise<HelperAnswer>;
  /** Ends programs that run. */
  close(): void;
}

const KEPT_MS = 5 * 60_000;

interface Kept extends Flight<HelperAnswer> {
  isRunning: boolean;
  until: number;
}

export function createHelperMemory(timing: Timing, timeoutMs: number = HELPER_TIMEOUT_MS): HelperMemory {
  const kept = new Map<string, Kept>();
  const closing = new AbortController();
  const forget = (key: string, entry: Kept): void => {
    if (kept.get(key) === entry) kept.delete(key);
  };
  const start = (key: string, name: string, server: string): Kept => {
    const controller = new AbortController();
    const signal = AbortSignal.any([closing.signal, controller.signal]);
    const promise = askHelper({ name, signal, timeoutMs }, server);
    const entry: Kept = { promise, controller, waiters: 0, isRunning: true, until: Number.POSITIVE_INFINITY };
    promise.then(
      () => {
        entry.isRunning = false;
        entry.until = timing.monotonic() + KEPT_MS;
      },
      () => forget(key, entry),
    );
    kept.set(key, entry);
    return entry;
  };
  return {
    ask: (name, server, isFresh, signal) => {
      const key = `${name} ${server}`;
      const found = kept.get(key);
      const isUsable = found !== undefined && (found.isRunning || (!isFresh && timing.monotonic() < found.until));
      const entry = isUsable ? found : start(key, name, server);
      return joinFlight(entry, signal, () => forget(key, entry));
    },
    close: () => closing.abort(),
  };
}
