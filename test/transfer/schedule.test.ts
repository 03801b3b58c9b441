import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSchedule, type Announced, type Schedule, type Turn } from '../../src/transfer/schedule.js';

const NEVER = new AbortController().signal;
const MiB = 1024 * 1024;

/** Announces a layer and waits for its turn. */
async function begin(schedule: Schedule, sizeBytes: number, signal = NEVER): Promise<Announced & { turn: Turn }> {
  const announced = schedule.announce(sizeBytes);
  return { ...announced, turn: await announced.waitForTurn('auto', signal) };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('layers run until there are enough, then as others leave', async () => {
  const schedule = createSchedule(2, 2);
  const [first, second] = await Promise.all([begin(schedule, 1), begin(schedule, 1)]);
  let third: Announced | null = null;
  const waiting = begin(schedule, 1).then((layer) => (third = layer));
  await settle();
  assert.equal(third, null);
  first.leave();
  await waiting;
  assert.ok(third);
  second.leave();
  (await begin(schedule, 1)).leave();
});

test('largest first among those that wait, equal ones in the order they came, what is no layer before all', async () => {
  const schedule = createSchedule(1, 2);
  const running = await begin(schedule, 1);
  const started: string[] = [];
  const sizes = [5, 100, 7, 100, 1, 7];
  const all = sizes.map(async (size, index) => {
    const layer = await begin(schedule, size);
    started.push(`${size}#${index}`);
    layer.leave();
  });
  const other = schedule.announce(0, { goesFirst: true });
  const first = other.waitForTurn('one', NEVER).then(() => {
    started.push('other');
    other.leave();
  });
  running.leave();
  await Promise.all([...all, first]);
  assert.deepEqual(started, ['other', '100#1', '100#3', '7#2', '7#5', '5#0', '1#4']);
});

test('a layer that leaves twice leaves once', async () => {
  const schedule = createSchedule(1, 2);
  const first = await begin(schedule, 1);
  first.leave();
  first.leave();
  await begin(schedule, 1);
  let isThere = false;
  void begin(schedule, 1).then(() => (isThere = true));
  await settle();
  assert.equal(isThere, false);
});

test('an abort while waiting leaves the queue, the others keep their turn', async () => {
  const schedule = createSchedule(1, 2);
  const running = await begin(schedule, 1);
  const stop = new AbortController();
  const leaving = assert.rejects(begin(schedule, 100, stop.signal), { code: 'ABORTED' });
  const staying = begin(schedule, 1);
  stop.abort();
  await leaving;
  running.leave();
  (await staying).leave();
  (await begin(schedule, 1)).leave();
});

test('an abort before waiting takes no turn', async () => {
  const schedule = createSchedule(1, 2);
  await assert.rejects(begin(schedule, 1, AbortSignal.abort()), { code: 'ABORTED' });
  (await begin(schedule, 1)).leave();
});

test('an abort after the turn has come changes nothing', async () => {
  const schedule = createSchedule(1, 2);
  const stop = new AbortController();
  const layer = await begin(schedule, 1, stop.signal);
  stop.abort();
  layer.leave();
  (await begin(schedule, 1)).leave();
});

/** The pipelines of layers that all are announced before the first has its turn. */
async function pipelines(sizes: readonly number[], { jobs = 2, cores = 2 } = {}): Promise<readonly string[]> {
  const schedule = createSchedule(jobs, cores);
  const announced = sizes.map((size) => schedule.announce(size * MiB));
  const turns = await Promise.all(announced.slice(0, jobs).map((layer) => layer.waitForTurn('auto', NEVER)));
  return turns.map(({ pipeline }) => pipeline);
}

test('a layer that is alone, or outlasts the others, is split; the others are not', async () => {
  assert.deepEqual(await pipelines([100]), ['split']);
  assert.deepEqual(await pipelines([100, 60]), ['split', 'one']);
  assert.deepEqual(await pipelines([100, 90, 80]), ['one', 'one']);
  assert.deepEqual(await pipelines([100, 30, 30]), ['split', 'one']);
  assert.deepEqual(await pipelines([100, 60, 34]), ['one', 'one']); // what splitting costs is more than it wins
});

test('where a core would stay idle a layer is split, and a small one never', async () => {
  assert.deepEqual(await pipelines([100, 100], { cores: 8 }), ['split', 'split']);
  assert.deepEqual(await pipelines([100, 100, 100, 100], { jobs: 4, cores: 4 }), ['one', 'one', 'one', 'one']);
  assert.deepEqual(await pipelines([1, 1], { cores: 8 }), ['one', 'one']);
});

test('what is done of a running layer no longer counts, and what was asked for is done', async () => {
  const schedule = createSchedule(2, 2);
  const large = await begin(schedule, 200 * MiB);
  assert.equal((await schedule.announce(50 * MiB).waitForTurn('auto', NEVER)).pipeline, 'one');
  large.turn.follow(() => 190 * MiB);
  const more = createSchedule(2, 2);
  const first = more.announce(200 * MiB);
  const second = more.announce(50 * MiB);
  (await first.waitForTurn('one', NEVER)).follow(() => 190 * MiB);
  assert.equal((await second.waitForTurn('auto', NEVER)).pipeline, 'split');
  assert.equal((await createSchedule(1, 1).announce(1).waitForTurn('split', NEVER)).pipeline, 'split');
});

test('registry R75 layers of bulk imports wait for all others', async () => {
  const schedule = createSchedule(1, 2);
  const running = await begin(schedule, 1);
  const started: string[] = [];
  const all = [
    ['bulk', 9],
    ['bulk', 100],
    ['interactive', 5],
    ['interactive', 7],
  ].map(async ([kind, size]) => {
    const layer = schedule.announce(Number(size), { isBulk: () => kind === 'bulk' });
    await layer.waitForTurn('auto', NEVER);
    started.push(`${kind} ${size}`);
    layer.leave();
  });
  running.leave();
  await Promise.all(all);
  assert.deepEqual(started, ['interactive 7', 'interactive 5', 'bulk 100', 'bulk 9']);
});

test('registry R75 a layer that somebody waits for all of a sudden goes before those of imports', async () => {
  const schedule = createSchedule(1, 2);
  const running = await begin(schedule, 1);
  const started: number[] = [];
  const bulk = new Set([5, 9]);
  const all = [9, 5].map(async (size) => {
    const layer = schedule.announce(size, { isBulk: () => bulk.has(size) });
    await layer.waitForTurn('auto', NEVER);
    started.push(size);
    layer.leave();
  });
  bulk.delete(5);
  running.leave();
  await Promise.all(all);
  assert.deepEqual(started, [5, 9]);
});
