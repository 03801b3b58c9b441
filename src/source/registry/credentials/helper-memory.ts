import { orAborted } from '../../abort.js';
import type { Timing } from '../timing.js';
import { askHelper, HELPER_TIMEOUT_MS, type HelperAnswer } from './helper.js';

/** Helper programs' answers, kept for a while; pulls of one host at once ask once (R31). */
export interface HelperMemory {
  /**
   * @param isFresh whether what is kept does not count, as it was refused
   * @throws SluiceError ABORTED
   */
  ask(name: string, server: string, isFresh: boolean, signal: AbortSignal): Promise<HelperAnswer>;
  /** Ends programs that run. */
  close(): void;
}

const KEPT_MS = 5 * 60_000;

interface Kept {
  readonly answer: Promise<HelperAnswer>;
  isRunning: boolean;
  until: number;
}

export function createHelperMemory(timing: Timing, timeoutMs: number = HELPER_TIMEOUT_MS): HelperMemory {
  const kept = new Map<string, Kept>();
  const closing = new AbortController();
  const start = (key: string, name: string, server: string): Kept => {
    const answer = askHelper({ name, signal: closing.signal, timeoutMs }, server);
    const entry: Kept = { answer, isRunning: true, until: Number.POSITIVE_INFINITY };
    answer.then(
      () => {
        entry.isRunning = false;
        entry.until = timing.monotonic() + KEPT_MS;
      },
      () => kept.delete(key),
    );
    kept.set(key, entry);
    return entry;
  };
  return {
    ask: (name, server, isFresh, signal) => {
      const key = `${name} ${server}`;
      const found = kept.get(key);
      const isUsable = found !== undefined && (found.isRunning || (!isFresh && timing.monotonic() < found.until));
      return orAborted((isUsable ? found : start(key, name, server)).answer, signal);
    },
    close: () => closing.abort(),
  };
}
