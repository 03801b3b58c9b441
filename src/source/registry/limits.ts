import { onAbort, abortError } from '../abort.js';

/** Lets so many in at once: for each key, and over all. Whoever waits longest and fits goes first. */
export interface Gate {
  /**
   * @returns a function that makes the place free again
   * @throws SluiceError ABORTED when the signal fires first
   */
  enter(key: string, signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  readonly key: string;
  admit(): void;
}

export function createGate(perKey: number, overall: number): Gate {
  const inside = new Map<string, number>();
  const waiting: Waiter[] = [];
  let total = 0;

  const fits = (key: string): boolean => total < overall && (inside.get(key) ?? 0) < perKey;

  const take = (key: string): (() => void) => {
    total++;
    inside.set(key, (inside.get(key) ?? 0) + 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      total--;
      const left = (inside.get(key) ?? 1) - 1;
      if (left > 0) inside.set(key, left);
      else inside.delete(key);
      const next = waiting.findIndex((waiter) => fits(waiter.key));
      if (next >= 0) waiting.splice(next, 1)[0]?.admit();
    };
  };

  return {
    enter: (key, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortError(signal));
        if (fits(key)) return resolve(take(key));
        const waiter: Waiter = {
          key,
          admit: () => {
            release();
            resolve(take(key));
          },
        };
        const release = onAbort(signal, () => {
          waiting.splice(waiting.indexOf(waiter), 1);
          reject(abortError(signal));
        });
        waiting.push(waiter);
      }),
  };
}
