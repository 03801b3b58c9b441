import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace, type Pace } from '../../../src/source/registry/pace.js';
import { fakeTiming, type FakeTiming } from './setup.js';

const KIB = 1024;
const MIB = KIB * KIB;
const asked = { host: 'h', repository: 'r', asked: 'blob' } as const;

function open(options: { sizeBytes?: number; floor?: number; others?: number } = {}): {
  pace: Pace;
  timing: FakeTiming;
} {
  const { sizeBytes = 100 * MIB, floor = 16 * KIB, others = 0 } = options;
  const timing = fakeTiming();
  const pace = createPace({ sizeBytes, floor, blobsInFlight: { count: others }, asked, timing });
  pace.begin();
  return { pace, timing };
}

/** Seconds of a steady rate until the blob's requests are cut; null for none within ten minutes. */
function secondsToCut({ pace, timing }: ReturnType<typeof open>, bytesPerSecond: number): number | null {
  for (let second = 1; second <= 600; second++) {
    timing.time += 1000;
    try {
      pace.arrive(bytesPerSecond);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'TOO_SLOW');
      return second;
    }
  }
  return null;
}

const RATES: readonly (readonly [
  what: string,
  options: Parameters<typeof open>[0],
  rate: number,
  cut: number | null,
])[] = [
  ['just below the floor', {}, 16 * KIB - 1, 30],
  ['at the floor', {}, 16 * KIB, null],
  ['one byte a second', {}, 1, 30],
  ['a blob of 1 MiB', { sizeBytes: MIB }, 1, null],
  ['a blob of one byte more', { sizeBytes: MIB + 1 }, 1, 30],
  ['no floor', { floor: 0 }, 1, null],
  ['a higher floor', { floor: MIB }, 16 * KIB, 30],
  ['four blobs, a quarter of the floor', { others: 3 }, 4 * KIB, null],
  ['four blobs, less than a quarter', { others: 3 }, 4 * KIB - 1, 30],
];

for (const [what, options, rate, cut] of RATES) {
  test(`registry R73 ${what}: ${cut === null ? 'goes on' : 'is cut'}`, () =>
    assert.equal(secondsToCut(open(options), rate), cut));
}

test('registry R73 time counts only while a body is awaited', () => {
  const opened = open();
  const { pace, timing } = opened;
  timing.time += 29_000;
  pace.end();
  timing.time += 1_000_000;
  pace.begin();
  assert.equal(secondsToCut(opened, 1), 1);
});

test('registry R73 the third time in a row is final, and a fast window makes it the first again', () => {
  const opened = open();
  const { pace, timing } = opened;
  const errors: (number | undefined)[] = [];
  const slow = (): void => {
    timing.time += 30_000;
    assert.throws(
      () => pace.arrive(1000),
      (error: { detail: { tries?: number } }) => errors.push(error.detail.tries) > 0,
    );
  };
  slow();
  slow();
  assert.equal(pace.isSlow, true);
  timing.time += 30_000;
  pace.arrive(MIB);
  assert.equal(pace.isSlow, false);
  slow();
  slow();
  slow();
  assert.deepEqual(errors, [undefined, undefined, undefined, undefined, 3]);
  assert.equal(pace.cuts, 5);
});
