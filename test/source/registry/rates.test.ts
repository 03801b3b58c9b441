import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRates } from '../../../src/source/registry/rates.js';
import { fakeTiming } from './setup.js';

test('registry R70 a 429 halves the connections of its host, down to one, and gives one back each 30 s', () => {
  const timing = fakeTiming(() => 0.5);
  const rates = createRates(timing);
  const seen: number[][] = [];
  const look = (): void => void seen.push([rates.waitMs('a'), rates.allowed('a', 6), rates.allowed('a', 2)]);
  look();
  rates.limit('a', timing.now() + 10_000);
  rates.limit('a', timing.now() + 8_000);
  look();
  timing.time += 10_500;
  look();
  rates.limit('a', null);
  look();
  timing.time += 1000;
  rates.limit('a', null);
  look();
  timing.time += 2000 + 29_999;
  look();
  timing.time += 1;
  look();
  timing.time += 4 * 30_000;
  look();
  assert.deepEqual(seen, [
    [0, 6, 2],
    [10_500, 3, 1],
    [0, 3, 1],
    [1000, 1, 1],
    [2000, 1, 1],
    [0, 1, 1],
    [0, 2, 2],
    [0, 6, 2],
  ]);
  assert.deepEqual([rates.waitMs('b'), rates.allowed('b', 6)], [0, 6]);
  rates.limit('a', null);
  assert.deepEqual([rates.waitMs('a'), rates.allowed('a', 6)], [500, 3]);
});

test('registry R69 R70 who asks for more than 300 s stops nobody else', () => {
  const timing = fakeTiming();
  const rates = createRates(timing);
  rates.limit('a', timing.now() + 301_000);
  assert.equal(rates.waitMs('a'), 0);
});

test('registry R68 R70 a host that asks for patience again and again is left alone for 30 s at most', () => {
  const timing = fakeTiming(() => 1);
  const rates = createRates(timing);
  const waits = Array.from({ length: 8 }, () => {
    rates.limit('a', null);
    const wait = rates.waitMs('a');
    timing.time += wait;
    return wait;
  });
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});
