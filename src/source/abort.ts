import { setMaxListeners } from 'node:events';
import { SluiceError } from '../errors.js';

/** What a call throws when its signal fired: `DEADLINE` for one of `AbortSignal.timeout`, else `ABORTED`. */
export function abortError(signal: AbortSignal): SluiceError {
  const reason: unknown = signal.reason;
  if (reason instanceof SluiceError) return reason;
  return reason instanceof DOMException && reason.name === 'TimeoutError'
    ? new SluiceError('DEADLINE', 'the time that the caller allows is over')
    : new SluiceError('ABORTED', 'cancelled by the caller');
}

/** The failure of a call, or why its signal ended it (registry R77). */
export function whyEnded(error: SluiceError, signal: AbortSignal | undefined): SluiceError {
  return error.code === 'ABORTED' && signal?.aborted ? abortError(signal) : error;
}

/** @throws SluiceError ABORTED */
export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

/**
 * Calls the listener once when the signal fires, at once if it has. One signal serves all requests of a pull, so Node's
 * limit of ten listeners says nothing here.
 * @returns a function that ends the subscription
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener();
    return () => undefined;
  }
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** The promise, or the abort error as soon as the signal fires; what the promise does afterwards is ignored. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const release = onAbort(signal, () => reject(abortError(signal)));
    promise.then(resolve, reject).finally(release);
  });
}
