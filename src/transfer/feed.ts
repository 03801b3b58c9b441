import type { BlobReader } from '../source/source.js';
import { createRangeWindow, type RangeWindow } from './range-window.js';
import type { RingProducer } from './ring.js';

/** Shorter ranges cost more in requests than they win by being more. */
const SHORTEST_RANGE_BYTES = 256 * 1024;

/**
 * Fills a ring with a blob: asks for ranges that there is room for, two ahead and more while the reader starves, and ends
 * the ring. The ring is shared by all of them, so that more ranges are shorter ones. Nothing is asked for that the ring
 * can't take, so that no reply ever has to be paused (registry R78, R86). A failure or an abort aborts the ring: its reader
 * waits for bytes that will not come, and feeding for room that will not.
 * @param sizeBytes the blob's size
 * @throws SluiceError of the first range that fails; the others are cancelled
 */
export async function feedRing(
  ring: RingProducer,
  reader: BlobReader,
  sizeBytes: number,
  signal: AbortSignal,
  window: RangeWindow = createRangeWindow(ring.capacity / SHORTEST_RANGE_BYTES),
): Promise<void> {
  const stop = new AbortController();
  const anySignal = AbortSignal.any([signal, stop.signal]);
  anySignal.addEventListener('abort', ring.abort, { once: true });
  if (anySignal.aborted) ring.abort();
  const waited = watchWait(ring);
  const order = createOrder(ring, (open) => {
    const arriving = open.filter(({ start, end, at }) => start < at && at < end);
    const areAllArriving = arriving.length >= window.size;
    window.update({ waitedMs: waited(), areAllArriving, setbacks: reader.setbacks?.() ?? 0 });
  });
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
  for (let start = 0; start < sizeBytes && !anySignal.aborted;) {
    let end = start;
    const chooseEnd = (): number => (end = Math.min(sizeBytes, start + Math.ceil(ring.capacity / window.size)));
    if (!(await ring.waitForRoom(chooseEnd))) break;
    ranges.push(read(start, end));
    start = end;
  }
  await Promise.all(ranges);
  if (failure) throw (failure as { readonly error: unknown }).error;
  anySignal.removeEventListener('abort', ring.abort);
  if (!signal.aborted) ring.end();
}

/** The sum of what the reader waits, in milliseconds; the ring's own count begins anew after an hour. */
function watchWait(ring: RingProducer): () => number {
  let seenUs = ring.waitedUs();
  let totalUs = 0;
  return () => {
    const nowUs = ring.waitedUs();
    totalUs += (nowUs - seenUs) >>> 0;
    seenUs = nowUs;
    return totalUs / 1000;
  };
}

/** A range under way: its bytes before `at` have come. */
interface OpenRange {
  readonly start: number;
  readonly end: number;
  at: number;
}

interface Order {
  sink(start: number, end: number): (chunk: Uint8Array) => void;
}

/** Publishes what arrives in the order of the blob: the earliest range as it comes, later ones when it is their turn. */
function createOrder(ring: RingProducer, onBytes: (open: readonly OpenRange[]) => void): Order {
  const open: OpenRange[] = [];
  const publish = (): void => {
    for (let range = open[0]; range; range = open[0]) {
      ring.publish(range.at);
      if (range.at < range.end) return;
      open.shift();
    }
  };
  return {
    sink: (start, end) => {
      const range = { start, end, at: start };
      open.push(range);
      return (chunk) => {
        ring.write(range.at, chunk);
        range.at += chunk.length;
        if (open[0] === range) publish();
        onBytes(open);
      };
    },
  };
}
