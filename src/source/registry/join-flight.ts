import { abortError, onAbort, orAborted } from '../abort.js';

/** Work under way that any number of callers wait for. */
export interface Flight<T> {
  readonly promise: Promise<T>;
  /** Ends the work. */
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Waits with the others; the last one to leave ends the work (R77).
 * @param forget keeps others from joining what is ended
 * @throws SluiceError ABORTED when the signal fires, and what the work throws
 */
export async function joinFlight<T>(flight: Flight<T>, signal: AbortSignal, forget: () => void): Promise<T> {
  flight.waiters++;
  const release = onAbort(signal, () => {
    if (--flight.waiters > 0) return;
    forget();
    flight.controller.abort(abortError(signal));
  });
  try {
    return await orAborted(flight.promise, signal);
  } finally {
    release();
  }
}
