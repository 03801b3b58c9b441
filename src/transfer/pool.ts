import type { Piscina } from 'piscina';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import type { Outcome, Task, TaskFacts } from './protocol.js';
import { createSyncGroups } from './sync-group.js';

/** The worker threads. Threads start with the first task that needs them. */
export interface Pool extends AsyncDisposable {
  /** Runs one task; a failure is an outcome, never a rejection. */
  run<Kind extends Task['kind']>(task: Extract<Task, { readonly kind: Kind }>): Promise<Outcome<TaskFacts[Kind]>>;
  /** Starts threads for a layer in an empty pool, while its first byte is still on its way. */
  warm(): void;
  /** What tasks that sync the file system of a path have in common. @throws SluiceError STORE_FAILED */
  syncGroupOf(path: string): Promise<SharedArrayBuffer>;
}

/** A thread that had nothing to do for so long is ended. */
const IDLE_TIMEOUT_MS = 2000;

/** Both halves of a layer. */
const WARM_THREADS = 2;

const WORKER = new URL(import.meta.resolve('#worker'));

/**
 * A thread's heap. What grows in it with a layer are names that have to wait for the layer's end: a million hard links before
 * their files take 0.8 GiB. A thread that needs more ends, and the task fails; the process goes on.
 */
const MOST_HEAP_MIB = 2048;

/** @param worker, heapMiB for tests */
export function openPool(threads: number, worker: URL = WORKER, heapMiB: number = MOST_HEAP_MIB): Pool {
  let opened: Promise<Piscina> | null = null;
  const syncGroups = createSyncGroups();
  /** A task must not get a new thread while one starts for it. */
  let warming: Promise<unknown> = Promise.resolve();
  const open = (): Promise<Piscina> => (opened ??= openPiscina(threads, worker, heapMiB));

  const warm = async (): Promise<void> => {
    const piscina = await open();
    if (piscina.threads.length > 0) return;
    const nothing: Task = { kind: 'discard', paths: [] };
    await Promise.allSettled(Array.from({ length: Math.min(threads, WARM_THREADS) }, () => piscina.run(nothing)));
  };
  return {
    run: async (task) => {
      try {
        await warming;
        return await (await open()).run(task);
      } catch (error) {
        syncGroups.abandon();
        return { kind: 'failed', error: failureOf(error, heapMiB).toData(), warnings: [] };
      }
    },
    warm: () => {
      warming = Promise.allSettled([warming, warm()]);
    },
    syncGroupOf: (path) =>
      syncGroups.of(path).catch((error: unknown) => {
        throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
      }),
    [Symbol.asyncDispose]: async () => (await opened)?.destroy(),
  };
}

async function openPiscina(threads: number, worker: URL, heapMiB: number): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  const piscina = new Piscina({
    filename: worker.href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_TIMEOUT_MS,
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: heapMiB },
  });
  // A thread that fails outside a task: its tasks reject, and the next one gets a new thread.
  piscina.on('error', () => undefined);
  return piscina;
}

function failureOf(error: unknown, heapMiB: number): SluiceError {
  const message = `running a worker thread: ${String(error)}`;
  if (errnoOf(error) !== 'ERR_WORKER_OUT_OF_MEMORY') return new SluiceError('LAYER_FAILED', message, { cause: error });
  const hint = `A thread may use ${heapMiB} MiB. A smaller "maxEntries" refuses such an image earlier.`;
  return new SluiceError('LAYER_FAILED', { message, hint }, { cause: error });
}
