import { stat } from 'node:fs/promises';

/**
 * Syncs of one file system, shared by the threads of a pool (group commit): at most one runs, and whoever asks
 * while it runs shares the next one. Three words of shared memory: whether a sync runs, how many were started, and the
 * number of the last one that succeeded.
 */
const RUNNING = 0;
const STARTED = 1;
const SUCCEEDED = 2;
/** Counts ends of syncs: the word that threads sleep on. */
const ENDED = 3;
const WORDS = 4;

/** The groups of one pool's threads, one for each file system. */
export interface SyncGroups {
  /** The group of the file system that a path lies on. @throws Error of the machine */
  of(path: string): Promise<SharedArrayBuffer>;
  /** A thread has died, and a sync that it ran will never tell of its end: the others do their own. */
  abandon(): void;
}

export function createSyncGroups(): SyncGroups {
  const byDevice = new Map<number, SharedArrayBuffer>();
  return {
    of: async (path) => {
      const { dev } = await stat(path);
      const group = byDevice.get(dev) ?? createSyncGroup();
      byDevice.set(dev, group);
      return group;
    },
    abandon: () => {
      for (const group of byDevice.values()) endSync(new Int32Array(group));
    },
  };
}

export function createSyncGroup(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Returns when a sync that began after this call has succeeded; blocks the thread.
 * @param sync writes back everything of the file system
 * @throws what this thread's own `sync` throws; one that failed is nobody else's, who then does their own
 */
export function syncTogether(group: SharedArrayBuffer, sync: () => void): void {
  const words = new Int32Array(group);
  const wanted = (Atomics.load(words, STARTED) + 1) | 0;
  for (;;) {
    const ended = Atomics.load(words, ENDED);
    if (((Atomics.load(words, SUCCEEDED) - wanted) | 0) >= 0) return;
    if (Atomics.compareExchange(words, RUNNING, 0, 1) === 0) runSync(words, sync);
    else Atomics.wait(words, ENDED, ended);
  }
}

function runSync(words: Int32Array, sync: () => void): void {
  const number = (Atomics.add(words, STARTED, 1) + 1) | 0;
  try {
    sync();
    Atomics.store(words, SUCCEEDED, number);
  } finally {
    endSync(words);
  }
}

function endSync(words: Int32Array): void {
  Atomics.store(words, RUNNING, 0);
  Atomics.add(words, ENDED, 1);
  Atomics.notify(words, ENDED);
}
