import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { createRandom } from '../../src/testing/index.js';
import { createRing, openRing, type RingProducer } from '../../src/transfer/ring.js';
import type { ReaderResult, ReaderTask } from './ring-reader.js';

const reader = new Worker(new URL('./ring-reader.js', import.meta.url));
after(() => reader.terminate());

/** Reads the ring in the other thread, blocking; one ring at a time. */
async function readInThread(task: ReaderTask): Promise<ReaderResult> {
  reader.postMessage(task);
  const [result] = (await once(reader, 'message')) as [ReaderResult];
  return result;
}

/** Writes chunk by chunk, each as soon as there is room for it. @returns false when the ring was aborted */
async function produce(ring: RingProducer, bytes: Uint8Array, steps: readonly number[]): Promise<boolean> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = Math.min(bytes.length, at + Math.min(ring.capacity, steps[turn % steps.length]!));
    if (!(await ring.waitForRoom(() => end))) return false;
    ring.write(at, bytes.subarray(at, end));
    ring.publish(end);
    at = end;
  }
  ring.end();
  return true;
}

const bytesOf = createRandom(5);

test('registry R86 property: across threads, any capacity and any steps, the bytes come out as they went in', async () => {
  const steps = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.nat(600),
      steps,
      steps,
      async (capacity, length, writes, reads) => {
        const ring = createRing(capacity);
        const bytes = bytesOf.bytes(length);
        const [result, isWhole] = await Promise.all([
          readInThread({ ring: ring.buffer, steps: reads }),
          produce(ring, bytes, writes),
        ]);
        assert.ok(isWhole);
        assert.deepEqual([result.end, Buffer.compare(result.bytes, bytes)], ['ended', 0]);
      },
    ),
    { numRuns: 60 },
  );
});

test('registry R86 a large blob passes through a small ring', async () => {
  const ring = createRing(64 * 1024 + 1);
  const bytes = bytesOf.bytes(3_000_000);
  const [result] = await Promise.all([
    readInThread({ ring: ring.buffer, steps: [10_000, 1, 70_000] }),
    produce(ring, bytes, [50_000, 1, 65_537]),
  ]);
  assert.ok(Buffer.from(result.bytes).equals(bytes));
});

test('a reader that waits sees the end', async () => {
  const ring = createRing(10);
  const reading = readInThread({ ring: ring.buffer, steps: [10] });
  ring.write(0, Buffer.from('abc'));
  ring.publish(3);
  await ring.waitForRoom(() => 13);
  ring.end();
  const { bytes, end } = await reading;
  assert.deepEqual([Buffer.from(bytes).toString(), end], ['abc', 'ended']);
});

test('registry R86 how long a reader waits is counted', async () => {
  const ring = createRing(10);
  assert.equal(ring.waitedUs(), 0);
  const reading = readInThread({ ring: ring.buffer, steps: [1] });
  // Whether the reader sleeps already when a byte comes is its thread's affair; that it never does is not.
  for (let at = 0; ring.waitedUs() === 0 && at < 100_000; at++) {
    ring.write(at, Buffer.from('x'));
    ring.publish(at + 1);
    await ring.waitForRoom(() => at + 11);
    await new Promise((resolve) => setImmediate(resolve));
  }
  ring.end();
  await reading;
  assert.ok(ring.waitedUs() > 0);
});

test('a reader that waits sees an abort', async () => {
  const ring = createRing(10);
  const reading = readInThread({ ring: ring.buffer, steps: [10] });
  ring.write(0, Buffer.from('abc'));
  ring.publish(3);
  await ring.waitForRoom(() => 13);
  ring.abort();
  assert.equal((await reading).end, 'aborted');
});

test('a producer that waits for room sees an abort', async () => {
  const ring = createRing(4);
  ring.write(0, Buffer.from('abcd'));
  ring.publish(4);
  const waiting = ring.waitForRoom(() => 5);
  ring.abort();
  assert.equal(await waiting, false);
  assert.equal(await ring.waitForRoom(() => 1), false, 'later, too');
});

test('registry R86 bytes written ahead are not read before they are published', () => {
  const ring = createRing(10);
  const consumer = openRing(ring.buffer);
  ring.write(3, Buffer.from('def'));
  ring.write(0, Buffer.from('abc'));
  ring.publish(2);
  assert.equal(Buffer.from(consumer.read() as Uint8Array).toString(), 'ab');
  consumer.consume(2);
  ring.publish(6);
  assert.equal(Buffer.from(consumer.read() as Uint8Array).toString(), 'cdef');
});

test('registry R78 room is the capacity less what is unread', async () => {
  const ring = createRing(10);
  const consumer = openRing(ring.buffer);
  assert.equal(await ring.waitForRoom(() => 10), true);
  ring.write(0, Buffer.alloc(10, 'a'));
  ring.publish(10);
  let isThere = false;
  const waiting = ring.waitForRoom(() => 14).then((answer) => ((isThere = true), answer));
  for (const [length, expected] of [
    [3, false],
    [1, true],
  ] as const) {
    consumer.consume(length);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    if (!expected) assert.equal(isThere, false);
  }
  assert.equal(await waiting, true);
});

test('a ring wraps around, and shows what is behind the edge in a second view', () => {
  const ring = createRing(5);
  const consumer = openRing(ring.buffer);
  const text = (): string => Buffer.from(consumer.read() as Uint8Array).toString();
  ring.write(0, Buffer.from('abc'));
  ring.publish(3);
  assert.equal(text(), 'abc');
  consumer.consume(3);
  ring.write(3, Buffer.from('defgh'));
  ring.publish(8);
  assert.equal(text(), 'de');
  consumer.consume(1);
  assert.equal(text(), 'e');
  consumer.consume(1);
  assert.equal(text(), 'fgh');
  consumer.consume(3);
  ring.end();
  assert.equal(consumer.read(), null);
  assert.equal(consumer.read(), null);
});

test('what is left is read before the end, but not before an abort', () => {
  for (const [finish, first] of [
    ['end', 'x'],
    ['abort', 'aborted'],
  ] as const) {
    const ring = createRing(4);
    ring.write(0, Buffer.from('x'));
    ring.publish(1);
    ring[finish]();
    const read = openRing(ring.buffer).read();
    assert.equal(typeof read === 'string' ? read : Buffer.from(read!).toString(), first);
  }
});

test('an abort after the end still counts', () => {
  const ring = createRing(4);
  ring.end();
  ring.abort();
  assert.equal(openRing(ring.buffer).read(), 'aborted');
});
