import { Piscina } from 'piscina';
import { fileSystemError, SluiceError } from '../errors.js';
import type { Outcome, Task, TaskFacts } from './protocol.js';
import { createSyncGroups } from './sync-group.js';

/** The worker threads. Threads start with the first task that needs them. */
export interface Pool extends AsyncDisposable {
  /** Runs one task; a failure is an outcome, never a rejection. */
  run<Kind extends Task['kind']>(task: Extract<Task, { readonly kind: Kind }>): Promise<Outcome<TaskFacts[Kind]>>;
  /** What tasks that sync the file system of a path have in common. @throws SluiceError STORE_FAILED */
  syncGroupOf(path: string): Promise<SharedArrayBuffer>;
}

/** A thread that had nothing to do for so long is ended. */
const IDLE_TIMEOUT_MS = 2000;

const WORKER = new URL('../../workers/layer.js', import.meta.url);

export function openPool(threads: number, worker: URL = WORKER): Pool {
  const piscina = new Piscina({
    filename: worker.href,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_TIMEOUT_MS,
    recordTiming: false,
  });
  const syncGroups = createSyncGroups();
  // A thread that fails outside a task: its tasks reject, and the next one gets a new thread.
  piscina.on('error', () => undefined);
  return {
    run: async (task) => {
      try {
        return await piscina.run(task);
      } catch (error) {
        syncGroups.abandon();
        const failure = new SluiceError('LAYER_FAILED', `running a worker thread: ${String(error)}`, { cause: error });
        return { kind: 'failed', error: failure.toData(), warnings: [] };
      }
    },
    syncGroupOf: (path) =>
      syncGroups.of(path).catch((error: unknown) => {
        throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
      }),
    [Symbol.asyncDispose]: () => piscina.destroy(),
  };
}
