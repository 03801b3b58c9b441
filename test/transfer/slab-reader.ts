import { parentPort } from 'node:worker_threads';
import { openSharedHash } from '../../src/layer/shared-hash.js';
import { UNTRACED } from '../../src/layer/tracer.js';
import type { Digest } from '../../src/oci/digest.js';
import { openSlabConsumer } from '../../src/transfer/slabs.js';

/** What the reading thread is given: it reads in blocking calls until there is no more. */
export interface SlabReaderTask {
  readonly slabs: SharedArrayBuffer;
  /** Number of slabs after which it refuses. */
  readonly refuseAfter?: number;
  /** A digest of the algorithm to hash with, by turns with the producer. */
  readonly hashLike?: Digest;
}

export interface SlabReaderResult {
  readonly bytes: Uint8Array;
  /** Null when it was not asked for. */
  readonly digest: Digest | null;
  /** `ended`, or the code of the failure. */
  readonly end: string;
}

parentPort?.on('message', (task: SlabReaderTask) => parentPort?.postMessage(readAll(task)));

function readAll({ slabs, refuseAfter = Infinity, hashLike }: SlabReaderTask): SlabReaderResult {
  const consumer = openSlabConsumer(slabs);
  const hash = hashLike === undefined ? null : openSharedHash(hashLike, UNTRACED);
  if (hash) consumer.hashWith(hash);
  const chunks: Buffer[] = [];
  const result = (end: string): SlabReaderResult => ({
    bytes: Uint8Array.from(Buffer.concat(chunks)),
    digest: end === 'ended' && hash ? hash.digest(consumer.hashState()) : null,
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
