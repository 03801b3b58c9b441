import type { BlobReader } from '../source/source.js';
import type { RingProducer } from './ring.js';

/**
 * Fills a ring with a blob: asks for ranges that there is room for, two ahead, and ends the ring. Nothing is asked for
 * that the ring can't take, so that no reply ever has to be paused (registry R78, R86). A failure or an abort aborts the
 * ring: its reader waits for bytes that will not come, and feeding for room that will not.
 * @param sizeBytes the blob's size
 * @throws SluiceError of the first range that fails; the others are cancelled
 */
export async function feedRing(
  ring: RingProducer,
  reader: BlobReader,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  const rangeBytes = Math.ceil(ring.capacity / 2);
  const stop = new AbortController();
  const anySignal = AbortSignal.any([signal, stop.signal]);
  anySignal.addEventListener('abort', ring.abort, { once: true });
  if (anySignal.aborted) ring.abort();
  const order = createOrder(ring);
  const ranges: Promise<void>[] = [];
  let failure: { readonly error: unknown } | null = null;
  const read = async (start: number, end: number): Promise<void> => {
    try {
      await reader.read(start, end - start, order.sink(start, end), anySignal);
    } catch (error) {
      failure ??= { error };
      stop.abort();
    }
  };
  for (let start = 0; start < sizeBytes && !anySignal.aborted; start += rangeBytes) {
    const end = Math.min(sizeBytes, start + rangeBytes);
    if (!(await ring.waitForRoom(end))) break;
    ranges.push(read(start, end));
  }
  await Promise.all(ranges);
  if (failure) throw (failure as { readonly error: unknown }).error;
  anySignal.removeEventListener('abort', ring.abort);
  if (!signal.aborted) ring.end();
}

/** Publishes what arrives in the order of the blob: the earliest range as it comes, later ones when it is their turn. */
function createOrder(ring: RingProducer): { sink: (start: number, end: number) => (chunk: Uint8Array) => void } {
  const open: { at: number; readonly end: number }[] = [];
  const publish = (): void => {
    for (let range = open[0]; range; range = open[0]) {
      ring.publish(range.at);
      if (range.at < range.end) return;
      open.shift();
    }
  };
  return {
    sink: (start, end) => {
      const range = { at: start, end };
      open.push(range);
      return (chunk) => {
        ring.write(range.at, chunk);
        range.at += chunk.length;
        if (open[0] === range) publish();
      };
    },
  };
}
