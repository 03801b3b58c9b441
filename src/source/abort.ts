import { setMaxListeners } from 'node:events';
import { SluiceError } from '../errors.js';

/** What a call throws when its signal fired: the signal's own SluiceError (a deadline), else `ABORTED`. */
export function abortError(signal: AbortSignal): SluiceError {
  const reason: unknown = signal.reason;
  return reason instanceof SluiceError ? reason : new SluiceError('ABORTED', 'cancelled by the caller');
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
