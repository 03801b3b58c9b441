import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SluiceError } from '../../../src/errors.js';
import { createPace, type Pace } from '../../../src/source/registry/pace.js';
import { fakeTiming, type FakeTiming } from './setup.js';

const KIB = 1024;
const MIB = KIB * KIB;
const asked = { host: 'h', repository: 'r', asked: 'blob' } as const;

interface Opened {
  readonly pace: Pace;
  readonly timing: FakeTiming;
  /** What the body was cut with, oldest first. */
  readonly cuts: SluiceError[];
  readonly begin: () => () => void;
}

function open(options: { sizeBytes?: number; floor?: number; others?: number } = {}): Opened {
  const { sizeBytes = 100 * MIB, floor = 16 * KIB, others = 0 } = options;
  const timing = fakeTiming();
  const pace = createPace({ sizeBytes, floor, blobsInFlight: { count: others }, asked, timing });
  const cuts: SluiceError[] = [];
  return { pace, timing, cuts, begin: () => pace.begin((error) => cuts.push(error)) };
}

/** Seconds of a steady rate until the blob's requests are cut; null for none within ten minutes. */
function secondsToCut({ pace, timing, cuts, begin }: Opened, bytesPerSecond: number): number | null {
  begin();
  for (let second = 1; second <= 600; second++) {
    pace.arrive(bytesPerSecond);
    timing.time += 1000;
    if (cuts.length === 0) continue;
    assert.equal(cuts[0]?.code, 'TOO_SLOW');
    return second;
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

test('registry R73 a body of which nothing comes is cut when the window ends, not when a byte comes', () =>
  assert.equal(secondsToCut(open(), 0), 30));

test('registry R73 time counts only while a body is awaited', () => {
  const opened = open();
  const end = opened.begin();
  opened.timing.time += 29_000;
  end();
  opened.timing.time += 1_000_000;
  assert.equal(secondsToCut(opened, 1), 1);
});

test('registry R73 all bodies of the blob are cut together, and each is judged with the others', () => {
  const { pace, timing, cuts, begin } = open();
  const ends = [begin(), begin()];
  pace.arrive(30 * 16 * KIB);
  timing.time += 30_000;
  assert.deepEqual(cuts, []);
  timing.time += 30_000;
  assert.equal(cuts.length, 2);
  for (const end of ends) end();
  timing.time += 1_000_000;
  assert.equal(cuts.length, 2);
});

test('registry R73 the third time in a row is final, and a fast window makes it the first again', () => {
  const { pace, timing, cuts, begin } = open();
  begin();
  const pass = (bytes: number): void => {
    pace.arrive(bytes);
    timing.time += 30_000;
  };
  pass(1000);
  pass(1000);
  assert.equal(pace.isSlow, true);
  pass(MIB);
  assert.equal(pace.isSlow, false);
  for (let times = 0; times < 3; times++) pass(1000);
  assert.deepEqual(
    cuts.map(({ detail }) => detail.tries),
    [undefined, undefined, undefined, undefined, 3],
  );
});
