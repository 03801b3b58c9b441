import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../src/errors.js';
import type { BlobReader } from '../../src/source/source.js';
import { createRandom } from '../../src/testing/index.js';
import { feedRing } from '../../src/transfer/feed.js';
import type { RangeState, RangeWindow } from '../../src/transfer/range-window.js';
import { createRing, openRing, type RingProducer } from '../../src/transfer/ring.js';

const BYTES = createRandom(9).bytes(10_000);
const NEVER = new AbortController().signal;

/** A range that was asked for, answered by the test. */
interface Range {
  readonly offset: number;
  readonly length: number;
  readonly signal: AbortSignal;
  /** Hands over so many more bytes; all when left out. */
  send(length?: number): void;
  finish(): void;
  fail(error: Error): void;
}

interface FakeReader extends BlobReader {
  readonly ranges: Range[];
  /** The range of that number, once it is asked for. */
  range(index: number): Promise<Range>;
}

/** A reader whose ranges do nothing by themselves; one that is cancelled rejects with ABORTED. */
function fakeReader(): FakeReader {
  const ranges: Range[] = [];
  const range = async (index: number): Promise<Range> => {
    for (let turn = 0; turn < 100 && !ranges[index]; turn++) await settle();
    return ranges[index] ?? assert.fail(`range ${index} is not asked for`);
  };
  return {
    ranges,
    range,
    read: (offset, length, sink, signal) =>
      new Promise((resolve, reject) => {
        let at = offset;
        signal.addEventListener('abort', () => reject(new SluiceError('ABORTED', 'cancelled')));
        ranges.push({
          offset,
          length,
          signal,
          send: (count = offset + length - at) => {
            sink(BYTES.subarray(at, at + count));
            at += count;
          },
          finish: resolve,
          fail: reject,
        });
      }),
    close: async () => undefined,
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Takes what can be read now. */
function drain(ring: RingProducer, consumer: ReturnType<typeof openRing>): Buffer {
  const words = new Int32Array(ring.buffer, 0, 4);
  const chunks: Buffer[] = [];
  while (words[0] !== words[1]) {
    const bytes = consumer.read();
    if (!(bytes instanceof Uint8Array)) break;
    chunks.push(Buffer.from(bytes));
    consumer.consume(bytes.length);
  }
  return Buffer.concat(chunks);
}

test('registry R86 ranges that come out of order are published in order', async () => {
  const ring = createRing(200);
  const consumer = openRing(ring.buffer);
  const reader = fakeReader();
  const fed = feedRing(ring, reader, 250, NEVER);
  const first = await reader.range(0);
  const second = await reader.range(1);
  assert.deepEqual([first.offset, first.length, second.offset, second.length], [0, 100, 100, 100]);
  second.send();
  second.finish();
  assert.equal(drain(ring, consumer).length, 0, 'nothing before the first range');
  first.send(40);
  const start = drain(ring, consumer);
  assert.ok(start.equals(BYTES.subarray(0, 40)), 'the earliest range as it comes');
  first.send();
  first.finish();
  assert.ok(drain(ring, consumer).equals(BYTES.subarray(40, 200)), 'the later one when it is its turn');
  const third = await reader.range(2);
  assert.deepEqual([third.offset, third.length], [200, 50]);
  third.send();
  third.finish();
  await fed;
  assert.ok(drain(ring, consumer).equals(BYTES.subarray(200, 250)));
  assert.equal(consumer.read(), null);
});

for (const capacity of [1, 2, 3, 7, 100, 101]) {
  test(`registry R78 R86 never more than the capacity of ${capacity} is asked for ahead of the reader`, async () => {
    const ring = createRing(capacity);
    const consumer = openRing(ring.buffer);
    const reader = fakeReader();
    const size = 310;
    const fed = feedRing(ring, reader, size, NEVER);
    const chunks: Buffer[] = [];
    let read = 0;
    for (let index = 0; read < size; index++) {
      const range = await reader.range(index);
      await settle();
      const asked = reader.ranges.reduce((sum, { length }) => sum + length, 0);
      assert.ok(asked - read <= capacity, `${asked} asked for, ${read} read`);
      range.send(Math.ceil(range.length / 2));
      range.send();
      range.finish();
      const bytes = drain(ring, consumer);
      chunks.push(bytes);
      read += bytes.length;
    }
    await fed;
    assert.ok(Buffer.concat(chunks).equals(BYTES.subarray(0, size)));
    assert.equal(consumer.read(), null);
  });
}

test('registry R86 more ranges at once are shorter, so that the ring holds them all', async () => {
  const ring = createRing(240);
  const consumer = openRing(ring.buffer);
  const reader = fakeReader();
  let size = 2;
  const states: RangeState[] = [];
  const window: RangeWindow = {
    get size() {
      return size;
    },
    update: (state) => void states.push(state),
  };
  const fed = feedRing(ring, { ...reader, setbacks: () => 7 }, 1000, NEVER, window);
  const [first, second] = [await reader.range(0), await reader.range(1)];
  first.send(30);
  assert.deepEqual(states, [{ waitedMs: 0, areAllArriving: false, setbacks: 7 }]);
  second.send(10);
  assert.equal(states[1]?.areAllArriving, true, 'each of two has bytes');
  size = 3;
  first.send(50);
  assert.equal(states[2]?.areAllArriving, false, 'and a third may be asked for');
  assert.equal(drain(ring, consumer).length, 80);
  const third = await reader.range(2);
  assert.deepEqual([third.offset, third.length], [240, 80], 'as soon as so short a one has room');
  for (const range of [first, second, third]) {
    range.send();
    range.finish();
  }
  size = 2;
  assert.equal(drain(ring, consumer).length, 240);
  const fourth = await reader.range(3);
  assert.deepEqual([fourth.offset, fourth.length], [320, 120]);
  const words = new Int32Array(ring.buffer, 0, 5);
  words[4] = 2_500_000;
  fourth.send(1);
  assert.equal(states.at(-1)?.waitedMs, 2500);
  words[4] = -1;
  fourth.send(1);
  words[4] = 999;
  fourth.send(1);
  assert.equal(states.at(-1)?.waitedMs, (2 ** 32 + 999) / 1000, 'though the count of the ring has begun anew');
  assert.ok(states.at(-1)?.areAllArriving === false);
  reader.ranges.at(-1)?.fail(new SluiceError('BLOB_INCOMPLETE', 'broken off'));
  await assert.rejects(fed, { code: 'BLOB_INCOMPLETE' });
});

test('a blob that fits the ring is asked for in two ranges at once, and ended when it is read', async () => {
  const ring = createRing(200);
  const reader = fakeReader();
  const fed = feedRing(ring, reader, 200, NEVER);
  for (const index of [0, 1]) {
    const range = await reader.range(index);
    range.send();
    range.finish();
  }
  await fed;
  assert.equal(reader.ranges.length, 2);
});

test('an empty blob ends the ring and asks for nothing', async () => {
  const ring = createRing(1);
  const reader = fakeReader();
  await feedRing(ring, reader, 0, NEVER);
  assert.deepEqual([reader.ranges.length, openRing(ring.buffer).read()], [0, null]);
});

for (const failing of [0, 1]) {
  test(`a failure of range ${failing} cancels the other one and is what is thrown`, async () => {
    const ring = createRing(200);
    const reader = fakeReader();
    const fed = feedRing(ring, reader, 200, NEVER);
    const [first, second] = [await reader.range(0), await reader.range(1)];
    const failure = new SluiceError('BLOB_INCOMPLETE', 'broken off');
    (failing === 0 ? first : second).fail(failure);
    await assert.rejects(fed, (error) => error === failure);
    assert.ok(first.signal.aborted && second.signal.aborted);
  });
}

test('a failure is thrown though the ring is full and nobody reads it', async () => {
  const ring = createRing(200);
  const reader = fakeReader();
  const fed = feedRing(ring, reader, 1000, NEVER);
  const [first, second] = [await reader.range(0), await reader.range(1)];
  first.send();
  first.finish();
  await settle();
  second.fail(new SluiceError('BLOB_INCOMPLETE', 'broken off'));
  await assert.rejects(fed, { code: 'BLOB_INCOMPLETE' });
  assert.equal(openRing(ring.buffer).read(), 'aborted', 'the reader must not wait for the rest');
});

test('an abort ends feeding, whether it waits for bytes or for room', async () => {
  for (const isFull of [false, true]) {
    const ring = createRing(200);
    const reader = fakeReader();
    const stop = new AbortController();
    const fed = feedRing(ring, reader, 1000, stop.signal);
    const ranges = [await reader.range(0), await reader.range(1)];
    if (isFull) for (const range of ranges) range.send();
    if (isFull) for (const range of ranges) range.finish();
    await settle();
    stop.abort();
    await fed.catch((error: unknown) => assert.equal((error as SluiceError).code, 'ABORTED'));
    assert.equal(reader.ranges.length, 2, 'nothing more is asked for');
    assert.equal(openRing(ring.buffer).read(), 'aborted');
  }
});
