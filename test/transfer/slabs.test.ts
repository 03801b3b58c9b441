import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { openSharedHash } from '../../src/layer/shared-hash.js';
import { UNTRACED } from '../../src/layer/tracer.js';
import { digestOf } from '../../src/oci/digest.js';
import { createRandom } from '../../src/testing/index.js';
import { SLOT_BYTES } from '../../src/transfer/hashed-slots.js';
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
    for (const steps of [[1000, 300_000, 7], [SLOT_BYTES], [70_001]]) {
      const slabs = createSlabs(count);
      const reading = startReading({ slabs });
      const producer = openSlabProducer(slabs);
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
      assert.equal(result.end, 'ended');
      assert.ok(Buffer.from(result.bytes).equals(bytes), `${count} slabs, steps of ${steps.join()}`);
    }
  }
});

test('two threads hash the slabs by turns, whichever of them waits', async (t) => {
  const bytes = random.bytes(5_000_000);
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    for (const length of [0, 1, SLOT_BYTES, bytes.length]) {
      const part = bytes.subarray(0, length);
      const wanted = digestOf(part, algorithm);
      for (const count of [1, 2, 8]) {
        const slabs = createSlabs(count);
        const producer = openSlabProducer(slabs);
        const hash = openSharedHash(wanted, UNTRACED)!;
        let ours = 0;
        producer.hashWith({ ...hash, update: (state, slab) => (ours++, hash.update(state, slab)) });
        const early = count === 8 ? null : startReading({ slabs, hashLike: wanted });
        const limit = count === 8 ? Math.min(length, 8 * SLOT_BYTES) : length;
        producer.push(part.subarray(0, limit));
        const late = early ?? startReading({ slabs, hashLike: wanted });
        producer.push(part.subarray(limit));
        producer.end();
        assert.deepEqual([(await late).end, (await late).digest], ['ended', wanted], `${algorithm} ${length} ${count}`);
        t.diagnostic(`${ours} of ${Math.ceil(length / SLOT_BYTES)} slabs hashed here`);
      }
    }
  }
});

test('a producer that waits hashes what lies in the ring, and a reader does not wait for one that died hashing', async () => {
  const slabs = createSlabs(2);
  const hash = openSharedHash(digestOf(random.bytes(1)), UNTRACED)!;
  const producer = openSlabProducer(slabs);
  let updates = 0;
  producer.hashWith({
    ...hash,
    update: (state, slab) => {
      hash.update(state, slab);
      if (++updates === 2) abortSlabs(slabs); // else it would wait for ever
    },
  });
  for (let turn = 0; turn < 2; turn++) {
    producer.slab();
    producer.emit(1000);
  }
  assert.throws(() => producer.slab(), { code: 'ABORTED' });
  assert.equal(updates, 2);

  const dead = createSlabs(2);
  const other = openSlabProducer(dead);
  other.slab();
  other.emit(10);
  const words = new Int32Array(dead, 0, 8);
  const hashing = 3;
  words[hashing] = 1; // somebody hashes, and will never be done
  const reading = startReading({ slabs: dead, hashLike: digestOf(random.bytes(1)) });
  let woken = 0;
  for (let turn = 0; turn < 1e6 && woken === 0; turn++) {
    woken = Atomics.notify(words, hashing);
    await new Promise(setImmediate);
  }
  assert.equal(woken, 1, 'it waits for whoever hashes, and does so again');
  abortSlabs(dead);
  assert.equal((await reading).end, 'ABORTED');
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
    const buffer = new SharedArrayBuffer((words + count) * 4 + 256 + count * SLOT_BYTES);
    assert.throws(() => openSlabProducer(buffer), RangeError);
  }
  const slabs = createSlabs(4);
  const [filled, used] = [0, 6];
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

test('a thread that would wait does something else first, as long as there is something', () => {
  const slabs = createSlabs(2);
  const producer = openSlabProducer(slabs);
  const consumer = openSlabConsumer(slabs);
  let left = 3;
  consumer.whileIdle(() => {
    if (--left === 0) producer.push(Buffer.from('x'));
    return true;
  });
  assert.equal(Buffer.from(consumer.read()!).toString(), 'x'); // it would have waited for ever
  consumer.release();
  producer.push(Buffer.alloc(SLOT_BYTES));
  producer.push(Buffer.alloc(SLOT_BYTES));
  left = 3;
  producer.whileIdle(() => {
    if (--left === 0) {
      consumer.read();
      consumer.release();
    }
    return true;
  });
  assert.ok(producer.slab());
  assert.equal(left, 0);
});

test('slabs that are full and neighbours are read at once, some of them', () => {
  const full = SLOT_BYTES;
  const slabs = createSlabs(8);
  const producer = openSlabProducer(slabs);
  const consumer = openSlabConsumer(slabs);
  const readAll = (): readonly number[] => {
    const lengths = [];
    for (let bytes = consumer.read(); bytes; bytes = consumer.read()) {
      lengths.push(bytes.length);
      consumer.release();
      if (lengths.reduce((sum, length) => sum + length, 0) === total) break;
    }
    return lengths;
  };
  let total = 0;
  const emit = (...lengths: readonly number[]): void => {
    total = lengths.reduce((sum, length) => sum + length, 0);
    for (const length of lengths) {
      producer.slab().fill(length % 251);
      producer.emit(length);
    }
  };
  emit(full, full, 10, full, full, full, 10);
  assert.deepEqual(readAll(), [2 * full, 10, 2 * full, full + 10]);
  emit(full, full, full); // the ring's end lies after the first
  assert.deepEqual(readAll(), [full, 2 * full]);
});
