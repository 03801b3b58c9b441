import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSchedule } from '../../src/transfer/schedule.js';

const NEVER = new AbortController().signal;

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('threads are handed out until none is left, then as they come back', async () => {
  const schedule = createSchedule(2);
  const [first, second] = await Promise.all([schedule.acquire(1, NEVER), schedule.acquire(1, NEVER)]);
  let third: (() => void) | null = null;
  const waiting = schedule.acquire(1, NEVER).then((release) => (third = release));
  await settle();
  assert.equal(third, null);
  first();
  await waiting;
  assert.ok(third);
  second();
  (await schedule.acquire(1, NEVER))();
});

test('largest first among those that wait, equal ones in the order they came', async () => {
  const schedule = createSchedule(1);
  const release = await schedule.acquire(1, NEVER);
  const started: string[] = [];
  const sizes = [5, 100, 7, 100, 1, 7];
  const all = sizes.map(async (size, index) => {
    const done = await schedule.acquire(size, NEVER);
    started.push(`${size}#${index}`);
    done();
  });
  release();
  await Promise.all(all);
  assert.deepEqual(started, ['100#1', '100#3', '7#2', '7#5', '5#0', '1#4']);
});

test('a thread that is given back twice is one thread', async () => {
  const schedule = createSchedule(1);
  const release = await schedule.acquire(1, NEVER);
  release();
  release();
  await schedule.acquire(1, NEVER);
  let isThere = false;
  void schedule.acquire(1, NEVER).then(() => (isThere = true));
  await settle();
  assert.equal(isThere, false);
});

test('an abort while waiting leaves the queue, the others keep their turn', async () => {
  const schedule = createSchedule(1);
  const release = await schedule.acquire(1, NEVER);
  const stop = new AbortController();
  const leaving = assert.rejects(schedule.acquire(100, stop.signal), { code: 'ABORTED' });
  const staying = schedule.acquire(1, NEVER);
  stop.abort();
  await leaving;
  release();
  (await staying)();
  (await schedule.acquire(1, NEVER))();
});

test('an abort before waiting takes no thread', async () => {
  const schedule = createSchedule(1);
  await assert.rejects(schedule.acquire(1, AbortSignal.abort()), { code: 'ABORTED' });
  (await schedule.acquire(1, NEVER))();
});

test('an abort after a thread was handed out changes nothing', async () => {
  const schedule = createSchedule(1);
  const stop = new AbortController();
  const release = await schedule.acquire(1, stop.signal);
  stop.abort();
  release();
  (await schedule.acquire(1, NEVER))();
});
