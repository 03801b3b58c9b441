import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Events, type SluiceEvent } from '../src/events.js';
import { SluiceError } from '../src/errors.js';
import { createFlights, type Flight, type Waiter } from '../src/flights.js';
import { parsePullOptions } from '../src/options.js';

/** Work that the test ends, counting how often it was started. */
function controlledWork(): {
  readonly flights: Flight[];
  readonly work: (flight: Flight) => Promise<string>;
  finish(result: string): void;
  fail(error: Error): void;
} {
  const flights: Flight[] = [];
  const ends: { resolve: (result: string) => void; reject: (error: Error) => void }[] = [];
  return {
    flights,
    work: (flight) => {
      flights.push(flight);
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
    finish: (result) => ends.at(-1)?.resolve(result),
    fail: (error) => ends.at(-1)?.reject(error),
  };
}

const { budget: BUDGET } = parsePullOptions({});

const waiter = (signal?: AbortSignal, more: Partial<Waiter> = {}): Waiter => ({
  signal,
  events: new Events(),
  isBulk: () => false,
  budget: BUDGET,
  isAnothers: () => false,
  ...more,
});

test('calls with one key share one run and its result, other keys run for themselves', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const both = Promise.all([
    flights.share('a', waiter(), work),
    flights.share('a', waiter(new AbortController().signal), work),
  ]);
  assert.equal(await flights.share('b', waiter(), async () => 'other'), 'other');
  finish('done');
  assert.deepEqual(await both, ['done', 'done']);
  assert.equal(started.length, 1);
  const again = flights.share('a', waiter(), work);
  finish('again');
  assert.equal(await again, 'again');
  assert.equal(started.length, 2);
});

test('a failure reaches every waiter, and the next call runs anew', async () => {
  const flights = createFlights<string>();
  const { work, fail, finish, flights: started } = controlledWork();
  const failure = new Error('failed');
  const all = [flights.share('a', waiter(), work), flights.share('a', waiter(new AbortController().signal), work)];
  fail(failure);
  for (const call of all) await assert.rejects(call, (error) => error === failure);
  const next = flights.share('a', waiter(), work);
  finish('fine');
  assert.equal(await next, 'fine');
  assert.equal(started.length, 2);
});

test('one waiter that leaves does not cancel the others', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const stop = new AbortController();
  const leaving = flights.share('a', waiter(stop.signal), work);
  const staying = flights.share('a', waiter(new AbortController().signal), work);
  stop.abort();
  await assert.rejects(leaving, { code: 'ABORTED' });
  assert.equal(started[0]?.signal.aborted, false);
  finish('done');
  assert.equal(await staying, 'done');
});

test('a waiter without a signal keeps the flight alive', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const stop = new AbortController();
  const staying = flights.share('a', waiter(), work);
  const leaving = flights.share('a', waiter(stop.signal), work);
  stop.abort();
  await assert.rejects(leaving, { code: 'ABORTED' });
  assert.equal(started[0]?.signal.aborted, false);
  finish('done');
  assert.equal(await staying, 'done');
});

test('the last waiter that leaves cancels, and sees the work end', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, fail } = controlledWork();
  const stops = [new AbortController(), new AbortController()];
  const calls = stops.map(({ signal }) => flights.share('a', waiter(signal), work));
  const first = assert.rejects(calls[0]!, { code: 'ABORTED' });
  stops[0]!.abort();
  await first;
  let hasEnded = false;
  const last = calls[1]!.finally(() => (hasEnded = true));
  stops[1]!.abort();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([started[0]?.signal.aborted, hasEnded], [true, false]);
  const cleanedUp = new Error('cleaned up');
  fail(cleanedUp);
  await assert.rejects(last, (error) => error === cleanedUp);
});

test('a call after the last waiter left runs anew', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const stop = new AbortController();
  const leaving = flights.share('a', waiter(stop.signal), (flight) => {
    started.push(flight);
    return new Promise((_, reject) => {
      flight.signal.addEventListener('abort', () => reject(new Error('ended')));
    });
  });
  stop.abort();
  await assert.rejects(leaving, /ended/);
  const next = flights.share('a', waiter(), work);
  finish('second');
  assert.equal(await next, 'second');
  assert.equal(started.length, 2);
});

test('who is aborted before the call starts nothing', async () => {
  const flights = createFlights<string>();
  const { flights: started, work } = controlledWork();
  await assert.rejects(flights.share('a', waiter(AbortSignal.abort()), work), { code: 'ABORTED' });
  assert.equal(started.length, 0);
});

test('events of the flight reach every waiter until it leaves', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const seen: string[] = [];
  const listen = (name: string, signal?: AbortSignal): ReturnType<typeof waiter> => {
    const one = waiter(signal);
    one.events.subscribe((event) => void seen.push(`${name} ${event.image}`));
    return one;
  };
  const stop = new AbortController();
  const leaving = flights.share('a', listen('leaving', stop.signal), work);
  const staying = flights.share('a', listen('staying'), work);
  const emit = (image: string): void => started[0]!.events.emit({ kind: 'hit', image } satisfies SluiceEvent);
  emit('1');
  stop.abort();
  await assert.rejects(leaving, { code: 'ABORTED' });
  emit('2');
  finish('done');
  await staying;
  emit('3');
  assert.deepEqual(seen, ['leaving 1', 'staying 1', 'staying 2']);
});

test('registry R75 a flight is bulk as long as all who wait are', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const bulk = flights.share('a', waiter(undefined, { isBulk: () => true }), work);
  assert.equal(started[0]?.isBulk(), true);
  const stop = new AbortController();
  const leaving = flights.share('a', waiter(stop.signal), work);
  assert.equal(started[0]?.isBulk(), false);
  stop.abort();
  await assert.rejects(leaving, { code: 'ABORTED' });
  assert.equal(started[0]?.isBulk(), true);
  finish('done');
  assert.equal(await bulk, 'done');
});

test('registry R119 a call joins a flight only when none of its limits is above the call’s own', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, finish } = controlledWork();
  const limited = (maxEntries: number, maxFileBytes: number): Promise<string> =>
    flights.share('a', waiter(undefined, { budget: { ...BUDGET, maxEntries, maxFileBytes } }), work);
  const first = [limited(10, 10), limited(10, 10), limited(11, 10), limited(10, 99)];
  assert.equal(started.length, 1);
  finish('first');
  const second = [limited(9, 10), limited(9, 11)];
  assert.equal(started.length, 2);
  finish('second');
  const third = limited(99, 9);
  assert.equal(started.length, 3);
  finish('third');
  assert.deepEqual(await Promise.all(first), ['first', 'first', 'first', 'first']);
  assert.deepEqual(await Promise.all([...second, third]), ['second', 'second', 'third']);
});

test('registry R119 the failure of what another call started ends no call that it does not concern', async () => {
  const flights = createFlights<string>();
  const { flights: started, work, fail, finish } = controlledWork();
  const isAnothers = (error: SluiceError): boolean => error.code === 'ACCESS_DENIED';
  const first = flights.share('a', waiter(undefined, { isAnothers }), work);
  const joined = flights.share('a', waiter(undefined, { isAnothers }), work);
  const concerned = flights.share('a', waiter(), work);
  fail(new SluiceError('ACCESS_DENIED', 'not you'));
  await assert.rejects(first, { code: 'ACCESS_DENIED' });
  await assert.rejects(concerned, { code: 'ACCESS_DENIED' });
  assert.equal(started.length, 2);
  finish('by itself');
  assert.equal(await joined, 'by itself');
});

test('a hundred waiters print no warning', async (t) => {
  const warnings: string[] = [];
  const listener = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const flights = createFlights<string>();
  const { work, finish } = controlledWork();
  const stop = new AbortController();
  const calls = Array.from({ length: 100 }, () => flights.share('a', waiter(stop.signal), work));
  finish('done');
  assert.equal((await Promise.all(calls)).length, 100);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});
