import { parentPort } from 'node:worker_threads';
import { openRing } from '../../src/transfer/ring.js';

/** What the reading thread is given: it reads in blocking calls until the ring ends. */
export interface ReaderTask {
  readonly ring: SharedArrayBuffer;
  /** Bytes taken at once, used again and again. */
  readonly steps: readonly number[];
}

export interface ReaderResult {
  readonly bytes: Uint8Array;
  readonly end: 'ended' | 'aborted';
}

parentPort?.on('message', (task: ReaderTask) => parentPort?.postMessage(readAll(task)));

function readAll({ ring, steps }: ReaderTask): ReaderResult {
  const consumer = openRing(ring);
  const chunks: Buffer[] = [];
  for (let turn = 0; ; turn++) {
    const bytes = consumer.read();
    if (bytes === null || bytes === 'aborted') {
      return { bytes: Uint8Array.from(Buffer.concat(chunks)), end: bytes === null ? 'ended' : 'aborted' };
    }
    const taken = bytes.subarray(0, steps[turn % steps.length]);
    chunks.push(Buffer.from(taken));
    consumer.consume(taken.length);
  }
}
