import assert from 'node:assert/strict';
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Spill } from '../../../src/source/registry/spill.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { testBytes } from './setup.js';

const MIB = 1024 * 1024;

async function takeAll(spill: Spill, start: number, end: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = start; at < end && spill.has(at);) {
    const part = await spill.take(at, end);
    parts.push(Buffer.from(part));
    at += part.length;
  }
  return Buffer.concat(parts);
}

function openSpill(t: TestContext): { spill: Spill; directory: string } {
  const directory = temporaryDirectory(t);
  const spill = new Spill(directory);
  t.after(() => spill.close());
  return { spill, directory };
}

test('registry R79 up to 8 MiB stay in memory', async (t) => {
  const { spill } = openSpill(t);
  const bytes = testBytes(8 * MIB);
  spill.put(1000, bytes);
  assert.equal(spill.isOnDisk, false);
  assert.ok((await takeAll(spill, 1000, 1000 + bytes.length)).equals(bytes));
});

test('registry R79 a blob that the disk has no room for is DISK_FULL before a byte is written', (t) => {
  const directory = temporaryDirectory(t);
  const spill = new Spill(directory, 2 ** 52);
  t.after(() => spill.close());
  spill.put(0, testBytes(8 * MIB));
  assert.throws(() => spill.put(8 * MIB, Buffer.from('x')), { code: 'DISK_FULL' });
  assert.equal(spill.isOnDisk, false);
});

test('registry R79 what is more goes to a file without a name', async (t) => {
  const { spill, directory } = openSpill(t);
  const bytes = testBytes(12 * MIB);
  for (let at = 0; at < bytes.length; at += 65_537) spill.put(at, bytes.subarray(at, at + 65_537));
  assert.equal(spill.isOnDisk, true);
  assert.deepEqual(readdirSync(directory), []);
  assert.ok((await takeAll(spill, 0, bytes.length)).equals(bytes));
});

test('registry R79 memory that was read is used again', async (t) => {
  const { spill } = openSpill(t);
  const bytes = testBytes(40 * MIB);
  for (let at = 0; at < bytes.length; at += 4 * MIB) {
    spill.put(at, bytes.subarray(at, at + 4 * MIB));
    assert.ok((await takeAll(spill, at, at + 4 * MIB)).equals(bytes.subarray(at, at + 4 * MIB)));
  }
  assert.equal(spill.isOnDisk, false);
});

test('registry R79 a folder that cannot be written to is a failure of the store', (t) => {
  const { spill, directory } = openSpill(t);
  rmSync(directory, { recursive: true });
  assert.throws(() => spill.put(0, Buffer.alloc(9 * MIB)), { code: 'STORE_FAILED' });
});

test('registry R79 closing under a read leaves the read its bytes', async (t) => {
  const { spill } = openSpill(t);
  const bytes = testBytes(9 * MIB);
  spill.put(0, bytes);
  const reading = spill.take(bytes.length - 1000, bytes.length);
  spill.close();
  assert.ok(Buffer.from(await reading).equals(bytes.subarray(-1000)));
  spill.put(0, bytes);
  assert.equal(spill.has(0), false);
});

test('registry R79 whatever is put, taken and forgotten, the bytes stay in their places', async (t) => {
  const directory = temporaryDirectory(t);
  chmodSync(directory, 0o700);
  const bytes = testBytes(64 * 1024);
  const step = fc.record({
    act: fc.constantFrom('put', 'take', 'discard'),
    start: fc.integer({ min: 0, max: bytes.length - 1 }),
    length: fc.integer({ min: 1, max: 16 * 1024 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const spill = new Spill(directory);
      const kept = new Set<number>();
      for (const { act, start, length } of steps) {
        const end = Math.min(bytes.length, start + length);
        const places = Array.from({ length: end - start }, (_, index) => start + index);
        if (act === 'put' && places.every((place) => !kept.has(place))) {
          spill.put(start, bytes.subarray(start, end));
          for (const place of places) kept.add(place);
        } else if (act === 'discard') {
          spill.discard(start, end);
          for (const place of places) kept.delete(place);
        } else if (act === 'take') {
          assert.equal(spill.has(start), kept.has(start));
          const part = Buffer.from(await spill.take(start, end));
          assert.ok(part.equals(bytes.subarray(start, start + part.length)));
          assert.equal(part.length > 0, kept.has(start));
          for (let place = start; place < start + part.length; place++) assert.ok(kept.delete(place));
        }
      }
      spill.close();
    }),
    { numRuns: 50 },
  );
});
