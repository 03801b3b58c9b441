import { SluiceError } from '../errors.js';

/** Hands out the pool's threads: largest layer first among those that wait. */
export interface Schedule {
  /**
   * Waits for a free thread.
   * @param sizeBytes packed size of the layer
   * @returns a function that gives the thread back
   * @throws SluiceError ABORTED
   */
  acquire(sizeBytes: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  readonly sizeBytes: number;
  readonly start: () => void;
}

/** @param threads how many tasks may run at once */
export function createSchedule(threads: number): Schedule {
  let free = threads;
  const waiters: Waiter[] = [];
  const release = (): void => {
    free++;
    const next = waiters.shift();
    if (next) next.start();
  };
  const take = (): (() => void) => {
    free--;
    let isHeld = true;
    return () => {
      if (isHeld) release();
      isHeld = false;
    };
  };
  return {
    acquire: (sizeBytes, signal) => {
      if (signal.aborted) return Promise.reject(aborted());
      if (free > 0) return Promise.resolve(take());
      return new Promise((resolve, reject) => {
        const waiter: Waiter = {
          sizeBytes,
          start: () => {
            signal.removeEventListener('abort', leave);
            resolve(take());
          },
        };
        const leave = (): void => {
          waiters.splice(waiters.indexOf(waiter), 1);
          reject(aborted());
        };
        signal.addEventListener('abort', leave, { once: true });
        const after = waiters.findIndex((other) => other.sizeBytes < sizeBytes);
        waiters.splice(after < 0 ? waiters.length : after, 0, waiter);
      });
    },
  };
}

function aborted(): SluiceError {
  return new SluiceError('ABORTED', 'waiting for a free thread: cancelled');
}
