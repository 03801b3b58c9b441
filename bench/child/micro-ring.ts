/** Hands bytes from one thread to another, who adds up their lengths.   micro-ring.js ring|transfer|copy MIB */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createRing, openRing } from '../../src/transfer/ring.js';

const MiB = 1024 * 1024;
const RING_BYTES = 8 * MiB;
const CHUNK_BYTES = 64 * 1024;
/** Messages on their way at once, as many bytes as the ring holds. */
const AHEAD = RING_BYTES / CHUNK_BYTES;

async function send(way: string, total: number): Promise<number> {
  const ring = createRing(RING_BYTES);
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { way, ring: ring.buffer, total } });
  await once(worker, 'message');
  const start = performance.now();
  const finished = once(worker, 'exit');
  if (way === 'ring') await feedRing(ring, total);
  else await post(worker, total, way === 'transfer');
  await finished;
  return (performance.now() - start) / 1000;
}

async function feedRing(ring: ReturnType<typeof createRing>, total: number): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < total; at += CHUNK_BYTES) {
    await ring.waitForRoom(() => at + CHUNK_BYTES);
    ring.write(at, chunk);
    ring.publish(at + CHUNK_BYTES);
  }
  ring.end();
}

async function post(worker: Worker, total: number, isTransferred: boolean): Promise<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let ahead = 0;
  let wake = (): void => undefined;
  worker.on('message', () => {
    ahead--;
    wake();
  });
  for (let at = 0; at < total; at += CHUNK_BYTES) {
    while (ahead >= AHEAD) await new Promise<void>((resolve) => (wake = resolve));
    ahead++;
    const bytes = isTransferred ? Uint8Array.from(chunk) : chunk;
    worker.postMessage(bytes, isTransferred ? [bytes.buffer as ArrayBuffer] : []);
  }
}

function receive({ way, ring, total }: { way: string; ring: SharedArrayBuffer; total: number }): void {
  let received = 0;
  parentPort!.postMessage('ready');
  if (way === 'ring') {
    const consumer = openRing(ring);
    for (let bytes = consumer.read(); bytes instanceof Uint8Array; bytes = consumer.read()) {
      received += bytes.length;
      consumer.consume(bytes.length);
    }
    if (received !== total) throw new Error(`${received} bytes of ${total} arrived`);
    return;
  }
  parentPort!.on('message', (bytes: Uint8Array) => {
    received += bytes.length;
    parentPort!.postMessage('taken');
    if (received === total) parentPort!.close();
  });
}

if (isMainThread) {
  const [way, mib] = process.argv.slice(2);
  const bytes = Number(mib) * MiB;
  console.log(JSON.stringify({ seconds: await send(way!, bytes), entries: bytes / CHUNK_BYTES, bytes }));
} else {
  receive(workerData as Parameters<typeof receive>[0]);
}
