import { workerData, parentPort } from 'node:worker_threads';
import { syncTogether } from '../../src/transfer/sync-group.js';

/** What a thread is given that wants its file system synced. */
export interface SyncingTask {
  readonly group: SharedArrayBuffer;
  /** Three words: syncs that began, syncs that run, and 1 once they may end, 2 once they are to fail. */
  readonly gate: SharedArrayBuffer;
}

const { group, gate } = workerData as SyncingTask;
const words = new Int32Array(gate);

try {
  syncTogether(group, () => {
    Atomics.add(words, 0, 1);
    if (Atomics.add(words, 1, 1) > 0) throw new Error('two syncs at once');
    while (Atomics.load(words, 2) === 0) Atomics.wait(words, 2, 0);
    Atomics.sub(words, 1, 1);
    if (Atomics.compareExchange(words, 2, 2, 1) === 2) throw new Error('EIO');
  });
  parentPort?.postMessage('synced');
} catch (error) {
  parentPort?.postMessage(String(error));
}
