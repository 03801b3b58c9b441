import { Piscina } from 'piscina';
import { errnoOf, SluiceError } from '../errors.js';
import type { Outcome, Task, TaskFacts } from './protocol.js';

/** The worker threads. Threads start with the first task that needs them. */
export interface Pool extends AsyncDisposable {
  /** Runs one task; a failure is an outcome, never a rejection. */
  run<Kind extends Task['kind']>(task: Extract<Task, { readonly kind: Kind }>): Promise<Outcome<TaskFacts[Kind]>>;
}

/** A thread that had nothing to do for so long is ended. */
const IDLE_TIMEOUT_MS = 2000;

const WORKER = new URL('../../workers/layer.js', import.meta.url);

/**
 * A thread's heap. What grows in it with a layer are names that have to wait for the layer's end: a million hard links before
 * their files take 0.8 GiB. A thread that needs more ends, and the task fails; the process goes on.
 */
const MOST_HEAP_MIB = 2048;

/** @param worker, heapMiB for tests */
export function openPool(threads: number, worker: URL = WORKER, heapMiB: number = MOST_HEAP_MIB): Pool {
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
  return {
    run: async (task) => {
      try {
        return await piscina.run(task);
      } catch (error) {
        return { kind: 'failed', error: failureOf(error, heapMiB).toData(), warnings: [] };
      }
    },
    [Symbol.asyncDispose]: () => piscina.destroy(),
  };
}

function failureOf(error: unknown, heapMiB: number): SluiceError {
  const message = `running a worker thread: ${String(error)}`;
  if (errnoOf(error) !== 'ERR_WORKER_OUT_OF_MEMORY') return new SluiceError('LAYER_FAILED', message, { cause: error });
  const hint = `A thread may use ${heapMiB} MiB. A smaller "maxEntries" refuses such an image earlier.`;
  return new SluiceError('LAYER_FAILED', { message, hint }, { cause: error });
}
