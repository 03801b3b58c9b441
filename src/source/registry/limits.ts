import { onAbort, abortError } from '../abort.js';

/** Who comes before whom (R75). */
export interface Order {
  /** Whether others go first; may change while it waits. */
  isBulk(): boolean;
  /** Requests of one image take turns with those of others. */
  readonly image: string;
  readonly sizeBytes: number;
}

/** Lets so many in at once: for each key, and over all. */
export interface Gate {
  /**
   * Whoever fits and comes first by its order goes in next: interactive before bulk, then the image that was served
   * longest ago, then the largest layer, then who waited longest.
   * @returns a function that makes the place free again
   * @throws SluiceError ABORTED when the signal fires first
   */
  enter(key: string, signal: AbortSignal, order?: Order): Promise<() => void>;
}

interface Waiter {
  readonly key: string;
  readonly order: Order;
  admit(): void;
}

const NO_ORDER: Order = { isBulk: () => false, image: '', sizeBytes: 0 };
const MOST_IMAGES = 1000;

/** @param perKey may change from time to time, but is never below 1 */
export function createGate(perKey: (key: string) => number, overall: number): Gate {
  const inside = new Map<string, number>();
  const waiting: Waiter[] = [];
  /** When each image was let in last. */
  const served = new Map<string, number>();
  let total = 0;
  let turns = 0;

  const fits = (key: string): boolean => total < overall && (inside.get(key) ?? 0) < perKey(key);
  const isBefore = (a: Waiter, b: Waiter): boolean => {
    const isBulk = a.order.isBulk();
    if (isBulk !== b.order.isBulk()) return !isBulk;
    const [turnOfA, turnOfB] = [served.get(a.order.image) ?? 0, served.get(b.order.image) ?? 0];
    if (turnOfA !== turnOfB) return turnOfA < turnOfB;
    return a.order.sizeBytes > b.order.sizeBytes;
  };
  /** More than one may fit, where a limit rose. */
  const admitNext = (): void => {
    for (;;) {
      const fitting = waiting.filter((waiter) => fits(waiter.key));
      const [first] = fitting;
      if (first === undefined) return;
      const next = fitting.reduce((best, waiter) => (isBefore(waiter, best) ? waiter : best), first);
      waiting.splice(waiting.indexOf(next), 1);
      next.admit();
    }
  };

  const take = (key: string, { image }: Order): (() => void) => {
    total++;
    inside.set(key, (inside.get(key) ?? 0) + 1);
    served.delete(image);
    served.set(image, ++turns);
    const [oldest] = served.keys();
    if (served.size > MOST_IMAGES && oldest !== undefined) served.delete(oldest);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      total--;
      const left = (inside.get(key) ?? 1) - 1;
      if (left > 0) inside.set(key, left);
      else inside.delete(key);
      admitNext();
    };
  };

  return {
    enter: (key, signal, order = NO_ORDER) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(abortError(signal));
        if (fits(key)) return resolve(take(key, order));
        const waiter: Waiter = {
          key,
          order,
          admit: () => {
            release();
            resolve(take(key, order));
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
