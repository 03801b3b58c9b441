import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createRandom } from '../../src/testing/index.js';
import { abortSlabs, createSlabs, openSlabConsumer, openSlabProducer } from '../../src/transfer/slabs.js';
import type { SlabReaderResult, SlabReaderTask } from './slab-reader.js';

const reader = new Worker(new URL('./slab-reader.js', import.meta.url));
after(() => reader.terminate());

/** Reads in the other thread, blocking; it goes on while this thread blocks too. */
function startReading(task: SlabReaderTask): Promise<SlabReaderResult> {
  const result = once(reader, 'message').then(([message]) => message as SlabReaderResult);
  reader.postMessage(task);
  return result;
}

const random = createRandom(9);

test('bytes come out as they went in, by any steps, in place or copied, through any number of slabs', async () => {
  const bytes = random.bytes(3_000_000);
  for (const count of [1, 2, 8]) {
    for (const steps of [[1000, 300_000, 7], [262_144], [70_001]]) {
      const slabs = createSlabs(count);
      const reading = startReading({ slabs });
      const producer = openSlabProducer(slabs);
      producer.setHashed(count === 2);
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const part = bytes.subarray(at, at + steps[turn % steps.length]!);
        at += part.length;
        if (count === 1) {
          producer.push(part);
          continue;
        }
        for (let done = 0; done < part.length;) {
          const slab = producer.slab();
          const piece = part.subarray(done, done + slab.length);
          slab.set(piece);
          producer.emit(piece.length);
          done += piece.length;
        }
      }
      producer.end();
      const result = await reading;
      assert.deepEqual([result.end, result.isHashed], ['ended', count === 2]);
      assert.ok(Buffer.from(result.bytes).equals(bytes), `${count} slabs, steps of ${steps.join()}`);
    }
  }
});

test('a failure reaches the reader after all that was handed on', async () => {
  const slabs = createSlabs();
  const producer = openSlabProducer(slabs);
  producer.push(Buffer.from('good'));
  producer.fail();
  producer.end();
  const { bytes, end } = await startReading({ slabs });
  assert.deepEqual([Buffer.from(bytes).toString(), end], ['good', 'ABORTED']);
});

test('an abort ends both, whoever waits', async () => {
  const slabs = createSlabs(1);
  const reading = startReading({ slabs });
  const producer = openSlabProducer(slabs);
  producer.push(Buffer.from('x'));
  producer.slab(); // the only one: the reader has used it
  producer.emit(1);
  abortSlabs(slabs);
  assert.equal((await reading).end, 'ABORTED');
  assert.throws(() => producer.slab(), { code: 'ABORTED' });
  assert.throws(() => openSlabConsumer(slabs).read(), { code: 'ABORTED' });
});

test('a refusal reaches the producer that waits for a slab', async () => {
  const slabs = createSlabs(2);
  const reading = startReading({ slabs, refuseAfter: 1 });
  const producer = openSlabProducer(slabs);
  assert.throws(
    () => {
      for (let turn = 0; turn < 10; turn++) {
        producer.slab();
        producer.emit(5);
      }
    },
    { code: 'ENTRY_REFUSED' },
  );
  assert.equal((await reading).end, 'refused');
});

test('a reader that stopped aborts the producer', () => {
  const slabs = createSlabs(2);
  openSlabConsumer(slabs).answer('stopped');
  assert.throws(() => openSlabProducer(slabs).slab(), { code: 'ABORTED' });
});

test('the counts of slabs may wrap, so their number is a power of two', () => {
  const words = 16;
  for (const count of [0, 3, 6]) {
    const buffer = new SharedArrayBuffer((words + count) * 4 + count * 256 * 1024);
    assert.throws(() => openSlabProducer(buffer), RangeError);
  }
  const slabs = createSlabs(4);
  const [filled, used] = [2, 3];
  const counts = new Int32Array(slabs, 0, 8);
  counts[filled] = counts[used] = -2; // two before the wrap
  const producer = openSlabProducer(slabs);
  const consumer = openSlabConsumer(slabs);
  for (const text of ['a', 'b', 'c', 'd', 'e']) {
    producer.push(Buffer.from(text));
    assert.equal(Buffer.from(consumer.read()!).toString(), text);
    consumer.release();
  }
});
