import { parentPort } from 'node:worker_threads';
import { openSlabConsumer } from '../../src/transfer/slabs.js';

/** What the reading thread is given: it reads in blocking calls until there is no more. */
export interface SlabReaderTask {
  readonly slabs: SharedArrayBuffer;
  /** Number of slabs after which it refuses. */
  readonly refuseAfter?: number;
}

export interface SlabReaderResult {
  readonly bytes: Uint8Array;
  readonly isHashed: boolean;
  /** `ended`, or the code of the failure. */
  readonly end: string;
}

parentPort?.on('message', (task: SlabReaderTask) => parentPort?.postMessage(readAll(task)));

function readAll({ slabs, refuseAfter = Infinity }: SlabReaderTask): SlabReaderResult {
  const consumer = openSlabConsumer(slabs);
  const chunks: Buffer[] = [];
  const result = (end: string): SlabReaderResult => ({
    bytes: Uint8Array.from(Buffer.concat(chunks)),
    isHashed: consumer.isHashed(),
    end,
  });
  try {
    for (let bytes = consumer.read(); bytes; bytes = consumer.read()) {
      if (chunks.length >= refuseAfter) {
        consumer.answer('refused');
        return result('refused');
      }
      chunks.push(Buffer.from(bytes));
      consumer.release();
    }
    return result('ended');
  } catch (error) {
    return result((error as { readonly code: string }).code);
  }
}
