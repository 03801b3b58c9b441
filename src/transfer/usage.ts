/**
 * What the layers of one call use up together (extraction B2, B4): 64-bit counters in shared memory, so that layers in
 * any number of threads are bounded by their sum.
 */
export const RESOURCES = ['streamBytes', 'fileBytes', 'entries'] as const;

export type Resource = (typeof RESOURCES)[number];

export interface Usage {
  readonly buffer: SharedArrayBuffer;
  /** @returns what all layers have used so far, this amount included */
  readonly add: (resource: Resource, amount: number) => number;
  /** Adds it only if the sum does not get beyond `most`. */
  readonly addWithin: (resource: Resource, amount: number, most: number) => boolean;
  /** Takes back what was added here: a layer that failed may be tried again. */
  readonly release: () => void;
}

/** Makes the counters, or looks at those another thread made. */
export function openUsage(
  buffer: SharedArrayBuffer = new SharedArrayBuffer(RESOURCES.length * BigInt64Array.BYTES_PER_ELEMENT),
): Usage {
  const counters = new BigInt64Array(buffer);
  const own = RESOURCES.map(() => 0);
  return {
    buffer,
    add: (resource, amount) => {
      const at = RESOURCES.indexOf(resource);
      own[at]! += amount;
      return Number(Atomics.add(counters, at, BigInt(amount))) + amount;
    },
    addWithin: (resource, amount, most) => {
      const at = RESOURCES.indexOf(resource);
      for (;;) {
        const seen = Atomics.load(counters, at);
        if (Number(seen) + amount > most) return false;
        if (Atomics.compareExchange(counters, at, seen, seen + BigInt(amount)) !== seen) continue;
        own[at]! += amount;
        return true;
      }
    },
    release: () => {
      for (const [at, amount] of own.entries()) Atomics.sub(counters, at, BigInt(amount));
      own.fill(0);
    },
  };
}
