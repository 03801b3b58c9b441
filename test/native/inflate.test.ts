import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { native, type InflaterHandle } from '../../src/native.js';
import { seededRandom } from './script.js';

const random = seededRandom(7);
const content = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i % 3 ? 97 + random(4) : random(256))));
const packed = gzipSync(content);

interface Decoded {
  readonly code: number;
  readonly bytes: Buffer;
  readonly consumed: number;
}

/** Feeds `input` in pieces of `chunk` bytes, into rooms of `room` bytes, until something final or the end. */
function decode(inflater: InflaterHandle, input: Uint8Array, chunk: number, room: number): Decoded {
  const output = new Uint8Array(new SharedArrayBuffer(room + 2)).fill(0xaa);
  const result = new Int32Array(2);
  const parts: Buffer[] = [];
  let at = 0;
  for (let end = Math.min(chunk, input.length); ;) {
    const code = native().inflaterRun(inflater, input, at, end, output, 1, room + 1, result);
    at += result[0]!;
    parts.push(Buffer.from(output.subarray(1, 1 + result[1]!)));
    assert.deepEqual([output[0], output[room + 1]], [0xaa, 0xaa], 'wrote outside the room');
    const isStuck = result[0] === 0 && result[1] === 0;
    if (code !== 0 || (isStuck && end === input.length)) return { code, bytes: Buffer.concat(parts), consumed: at };
    if (at === end) end = Math.min(end + chunk, input.length);
  }
}

for (const name of native().inflaters()) {
  test(`extraction C2 ${name}: any chunk and any room give the same bytes`, () => {
    const inflater = native().inflaterOpen(name);
    const trailing = Buffer.concat([packed, Buffer.from('more')]);
    for (const chunk of [1, 2, 7, 511, 512, 513, 65536])
      for (const room of [1, 3, 512, 65536]) {
        native().inflaterReset(inflater);
        const { code, bytes, consumed } = decode(inflater, trailing, chunk, room);
        assert.deepEqual([code, consumed], [1, packed.length], `${chunk}/${room}`);
        assert.ok(bytes.equals(content));
      }
  });

  test(`a closed ${name} runs nothing, and may be closed again`, () => {
    const inflater = native().inflaterOpen(name);
    const [input, result] = [packed.subarray(0, 100), new Int32Array(2)];
    assert.equal(native().inflaterRun(inflater, input, 0, input.length, new Uint8Array(9), 0, 9, result), 0);
    native().inflaterClose(inflater);
    native().inflaterClose(inflater);
    assert.throws(() => native().inflaterReset(inflater), { code: 'EBADF' });
    assert.throws(() => decode(inflater, packed, 10, 10), { code: 'EBADF' });
  });

  test(`extraction C1 ${name}: header fields, empty members, and the next member after a reset`, () => {
    const inflater = native().inflaterOpen(name);
    const plain = gzipSync('abc');
    const fields = Buffer.concat([
      Buffer.from([0x1f, 0x8b, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 3, 0, 1, 2, 3]),
      Buffer.from('name\0comment\0'),
      plain.subarray(10),
    ]);
    assert.equal(decode(inflater, fields, 1, 10).bytes.toString(), 'abc');
    const result = new Int32Array(2);
    assert.equal(native().inflaterRun(inflater, plain, 0, plain.length, new Uint8Array(9), 0, 9, result), 1);
    assert.deepEqual([...result], [0, 0], 'nothing is read after the end');
    native().inflaterReset(inflater);
    assert.equal(decode(inflater, gzipSync(''), 3, 10).code, 1);
    native().inflaterReset(inflater);
    assert.equal(decode(inflater, plain, 3, 10).bytes.toString(), 'abc');
  });

  test(`extraction C4 ${name}: cut anywhere, there is no end; damaged anywhere, never the end with other bytes`, () => {
    const inflater = native().inflaterOpen(name);
    const small = gzipSync(content.subarray(0, 300));
    for (let length = 0; length < small.length; length++) {
      native().inflaterReset(inflater);
      assert.equal(decode(inflater, small.subarray(0, length), 64, 4096).code, 0, `cut at ${length}`);
    }
    for (let at = 0; at < small.length; at++)
      for (const bit of [1, 0x80]) {
        const damaged = Buffer.from(small);
        damaged[at]! ^= bit;
        native().inflaterReset(inflater);
        const { code, bytes } = decode(inflater, damaged, 64, 4096);
        if (code !== 1) continue;
        assert.ok(bytes.equals(content.subarray(0, 300)), `damaged at ${at}`);
        assert.ok((at >= 3 && at < 10) || name === 'isal', `damaged at ${at}`);
      }
    for (const at of [small.length - 8, small.length - 4]) {
      const damaged = Buffer.from(small);
      damaged[at]! ^= 1;
      native().inflaterReset(inflater);
      assert.ok(decode(inflater, damaged, 1000, 4096).code < 0, 'CRC or ISIZE is wrong');
      const again = new Int32Array(2);
      assert.ok(native().inflaterRun(inflater, small, 0, 5, new Uint8Array(5), 0, 5, again) < 0, 'failures last');
    }
    native().inflaterReset(inflater);
    assert.ok(decode(inflater, Buffer.from('not gzip at all, really not'), 64, 64).code < 0);
  });
}

test('inflaters: unknown names and bad ranges', () => {
  assert.throws(() => native().inflaterOpen('none'), { code: 'ENOSYS' });
  assert.throws(() => native().inflaterOpen('zlibzlibzlibzlibzlib'), { code: 'ENOSYS' });
  const [name] = native().inflaters();
  if (name === undefined) return;
  const inflater = native().inflaterOpen(name);
  const bytes = new Uint8Array(8);
  const run = (...range: [number, number, number, number]): unknown =>
    native().inflaterRun(inflater, bytes, range[0], range[1], bytes, range[2], range[3], new Int32Array(2));
  for (const range of [
    [0, 9, 0, 8],
    [5, 4, 0, 8],
    [-1, 4, 0, 8],
    [0, 8, 0, 9],
    [0, 8, 2, 1],
    [0, NaN, 0, 8],
  ] as const)
    assert.throws(() => run(...(range as unknown as [number, number, number, number])), RangeError);
});
