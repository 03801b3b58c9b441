import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../src/layer/batch.js';
import { OP, STRIDE, WORD } from '../../src/layer/commands.js';

function read64(batch: Batch, at: number, word: number): bigint {
  const low = BigInt(batch.words[at + word]! >>> 0);
  return (BigInt(batch.words[at + word + 1]!) << 32n) | low;
}

test('a command begins with all words zero, whatever was there before', () => {
  const batch = new Batch();
  batch.words.fill(-1);
  const first = batch.add(OP.FILE, 7, 1024);
  const second = batch.add(OP.DIR, 8, 2 ** 40);
  assert.deepEqual([first, second, batch.last, batch.count], [0, STRIDE, STRIDE, 2]);
  const words = [...batch.words.subarray(0, STRIDE)];
  assert.deepEqual(
    words.map((word, index) => [index, word]).filter(([, word]) => word !== 0),
    [
      [WORD.OP, OP.FILE],
      [WORD.ENTRY, 7],
    ],
  );
  assert.deepEqual([...batch.offsets.subarray(0, 2)], [1024, 2 ** 40]);
});

test('extraction M18 64-bit words hold every safe integer, and bounds beyond', () => {
  const batch = new Batch();
  const at = batch.add(OP.FILE, 0, 0);
  const numbers: readonly (readonly [number, bigint])[] = [
    [0, 0n],
    [1, 1n],
    [-1, -1n],
    [2 ** 31, 2n ** 31n],
    [2 ** 32, 2n ** 32n],
    [-(2 ** 32), -(2n ** 32n)],
    [-(2 ** 31) - 1, -(2n ** 31n) - 1n],
    [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    [Number.MIN_SAFE_INTEGER, 1n - 2n ** 53n],
    [Infinity, 2n ** 62n],
    [-Infinity, -(2n ** 62n)],
  ];
  for (const [value, expected] of numbers) {
    batch.set64(at, WORD.MTIME, value);
    assert.equal(read64(batch, at, WORD.MTIME), expected, String(value));
  }
});

test('extraction S19 ids up to 2^32-2 survive a signed word', () => {
  const batch = new Batch();
  const at = batch.add(OP.FILE, 0, 0);
  batch.set(at, WORD.UID, 4294967294);
  assert.equal(batch.words[at + WORD.UID]! >>> 0, 4294967294);
});

test('paths are read back from the arena', () => {
  const batch = new Batch();
  batch.copy(Buffer.from('###'), 0, 3);
  const at = batch.add(OP.DIR, 0, 0);
  batch.set(at, WORD.PATH, batch.copy(Buffer.from('xa/bx'), 1, 4));
  batch.set(at, WORD.PATH_LENGTH, 3);
  assert.equal(Buffer.from(batch.path(0)).toString(), 'a/b');
  assert.equal(batch.arenaLength, 6);
});

test('a batch is full in time, grows while it is empty, and starts anew', () => {
  const batch = new Batch();
  let count = 0;
  while (!batch.isFull && count < 100_000) batch.add(OP.FILE, count++, 0);
  assert.equal(count * STRIDE, batch.words.length);
  batch.copy(new Uint8Array(10), 0, 10);
  batch.reset();
  assert.deepEqual([batch.count, batch.arenaLength, batch.isFull], [0, 0, false]);
  const size = batch.arena.length;
  assert.deepEqual([batch.fits(size), batch.fits(size + 1)], [true, false]);
  batch.grow(5 * size);
  assert.ok(batch.fits(5 * size));
});

test('extraction T18 entries of any size make the arena grow to twice the largest at most', () => {
  const batch = new Batch();
  const first = batch.arena.length;
  const sizes = [1, first + 1, 3_000_000, 10, 3_000_001, 2_999_999];
  for (let round = 0; round < 50; round++) {
    for (const size of sizes) {
      if (!batch.fits(size)) batch.grow(size);
      batch.copy(new Uint8Array(size), 0, size);
      batch.reset();
    }
  }
  assert.ok(batch.arena.length <= 2 * Math.max(...sizes), `${batch.arena.length}`);
});

test('long and short copies are the same', () => {
  const batch = new Batch();
  const bytes = Uint8Array.from({ length: 2000 }, (_, index) => index);
  for (const [start, end] of [
    [3, 3],
    [3, 10],
    [1, 1999],
    [5, 261],
    [5, 262],
  ] as const) {
    const at = batch.copy(bytes, start, end);
    assert.deepEqual(batch.arena.slice(at, at + end - start), bytes.slice(start, end));
  }
});
