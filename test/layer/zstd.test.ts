import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { compress as zstd, Compressor } from 'zstd-napi';
import binding from 'zstd-napi/binding.js';
import { isZstdAvailable, openZstdInflater } from '../../src/layer/inflate/zstd.js';
import { compress, createRandom } from '../../src/testing/index.js';
import { assertInflates as assertInflatesWith, inflate as inflateWith } from './inflate.js';
import { SLAB_BYTES } from '../../src/layer/stage.js';

const MALFORMED = 'COMPRESSION_MALFORMED C5';
const random = createRandom(5);
const CONTENT = Buffer.concat([random.bytes(300), Buffer.alloc(900, 'abc'), random.bytes(100)]);
const HALF = 600;
const SKIPPABLE = Buffer.from('5a2a4d180400000001020304', 'hex');

/** One frame with a checksum. */
function frame(content: Uint8Array, checksumFlag = true): Buffer {
  const compressor = new Compressor();
  compressor.setParameters({ checksumFlag });
  return compressor.compress(content);
}

const FRAMES = Buffer.concat([SKIPPABLE, frame(CONTENT.subarray(0, HALF)), SKIPPABLE, frame(CONTENT.subarray(HALF))]);

const inflate = (packed: Uint8Array, chunks?: readonly number[]) => inflateWith(packed, 'auto', chunks);
const assertInflates = (packed: Uint8Array, expected: Uint8Array, chunks?: readonly number[]): void =>
  assertInflatesWith(packed, expected, 'auto', chunks);

test('extraction C5 several frames, skippable ones first and between, split anywhere, give all bytes', () => {
  for (let split = 1; split < FRAMES.length; split++) assertInflates(FRAMES, CONTENT, [split, FRAMES.length]);
  for (const chunk of [1, 2, 3, 511, 512, 513]) assertInflates(FRAMES, CONTENT, [chunk]);
  assertInflates(Buffer.concat([FRAMES, SKIPPABLE]), CONTENT, [1]);
});

test('extraction C5 no content size, empty blocks, empty frames, frames of stored blocks', () => {
  const stored = compress(CONTENT, 'zstd-stored');
  for (const chunk of [stored.length, 1]) assertInflates(stored, CONTENT, [chunk]);
  const emptyBlocks = Buffer.from('28b52ffd005800000008000078010000', 'hex');
  for (const chunk of [emptyBlocks.length, 1]) assertInflates(emptyBlocks, Buffer.from('x'), [chunk]);
  const empty = frame(Buffer.alloc(0));
  assertInflates(Buffer.concat([empty, FRAMES, empty, SKIPPABLE]), CONTENT, [7]);
  assertInflates(SKIPPABLE, Buffer.alloc(0));
});

test('extraction C5 output that ends on the edge of a slab', () => {
  for (const length of [SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1, 2 * SLAB_BYTES]) {
    const content = Buffer.alloc(length, 'slab');
    const packed = frame(content);
    assertInflates(packed, content);
    assertInflates(Buffer.concat([packed, packed]), Buffer.concat([content, content]), [packed.length]);
    assertInflates(packed, content, [packed.length - 4, 1]);
    assert.equal(inflate(packed.subarray(0, -4)).verdict, MALFORMED);
  }
});

test('extraction C3 zeros after the last frame are accepted, anything else is refused', () => {
  for (const count of [1, 2, 511, 1000]) {
    const packed = Buffer.concat([FRAMES, Buffer.alloc(count)]);
    for (const chunk of [packed.length, 1, FRAMES.length]) assertInflates(packed, CONTENT, [chunk]);
  }
  const rests = ['x', 'P', '(', Buffer.from('28b52ffe', 'hex'), frame(CONTENT).subarray(0, -1), '\0x', '\0('];
  for (const rest of [...rests, Buffer.concat([Buffer.alloc(1), frame(CONTENT)])]) {
    const packed = Buffer.concat([FRAMES, Buffer.from(rest)]);
    for (const chunk of [packed.length, 1, FRAMES.length])
      assert.equal(inflate(packed, [chunk]).verdict, MALFORMED, String(rest));
  }
});

test('extraction C4 C5 a stream cut at any byte but between frames is refused', () => {
  const firstEnd = SKIPPABLE.length + frame(CONTENT.subarray(0, HALF)).length;
  const ends = new Set([SKIPPABLE.length, firstEnd, firstEnd + SKIPPABLE.length]);
  for (let length = 4; length < FRAMES.length; length++)
    for (const chunk of [length, 1]) {
      const { verdict } = inflate(FRAMES.subarray(0, length), [chunk]);
      assert.equal(verdict, ends.has(length) ? 'done' : MALFORMED, `${length} bytes`);
    }
});

test('extraction C5 a bad checksum, a dictionary id and damaged data are refused', () => {
  const good = frame(CONTENT);
  for (const at of [-4, -1]) {
    const packed = Buffer.from(good);
    packed[packed.length + at]! ^= 1;
    for (const chunk of [packed.length, 1]) assert.equal(inflate(packed, [chunk]).verdict, MALFORMED);
  }
  const withDictionaryId = Buffer.from('28b52ffd01580709000078', 'hex');
  assert.equal(inflate(withDictionaryId).verdict, MALFORMED);
  for (let at = 4; at < good.length; at++) {
    const packed = Buffer.from(good);
    packed[at]! ^= 0x10;
    const { verdict, output } = inflate(packed, [64]);
    assert.ok(verdict === MALFORMED || output.equals(CONTENT), `damaged at ${at}`);
  }
});

test('extraction C5 a window of 2^27 bytes is the largest', () => {
  const withWindow = (exponent: number, mantissa: number): Buffer =>
    Buffer.concat([
      Buffer.from('28b52ffd00', 'hex'),
      Buffer.from([(exponent << 3) | mantissa]),
      Buffer.from('09000078', 'hex'),
    ]);
  assertInflates(withWindow(17, 0), Buffer.from('x'));
  assert.equal(inflate(withWindow(17, 1)).verdict, MALFORMED);
  assert.equal(inflate(withWindow(31, 7)).verdict, MALFORMED);
});

test('extraction B2 B6 what comes out is admitted before it is handed on', () => {
  const content = Buffer.alloc(SLAB_BYTES * 2 + 5);
  const packed = zstd(content);
  const { admitted } = inflate(packed);
  assert.deepEqual(
    admitted.map(([produced]) => produced),
    [SLAB_BYTES, 2 * SLAB_BYTES, content.length],
  );
  for (const [, consumed] of admitted) assert.ok(consumed > 0 && consumed <= packed.length);
});

test('what a frame needed is used again: no turn of an event loop frees it', (t) => {
  const packed = zstd(Buffer.alloc(5000));
  const output = new Uint8Array(SLAB_BYTES);
  const made = t.mock.method(binding, 'DCtx').mock;
  for (let turn = 0; turn < 20; turn++) {
    const [whole, cut, other] = [openZstdInflater(), openZstdInflater(), openZstdInflater()];
    assert.equal(whole.run(packed, 0, output, 0), 'ended');
    assert.equal(cut.run(packed.subarray(0, -1), 0, output, 0), 'more');
    assert.equal(other.run(Buffer.from('neither zstd'), 0, output, 0), 'malformed');
    for (const one of [whole, whole, cut, other]) one.close();
  }
  assert.ok(made.callCount() <= 3, `${made.callCount()} contexts for three at once`);
});

/** A machine on which the package was never built. */
const WITHOUT_ZSTD = `
  import Module from 'node:module';
  const load = Module._load;
  Module._load = (name, ...rest) => {
    if (name.startsWith('zstd-napi')) throw Object.assign(new Error(name), { code: 'MODULE_NOT_FOUND' });
    return load(name, ...rest);
  };
  const { openZstdInflater, isZstdAvailable } = await import(process.argv[1]);
  try {
    openZstdInflater();
  } catch ({ code, detail }) {
    console.log(JSON.stringify([isZstdAvailable(), code, detail.rule, detail.hint]));
  }
`;

test('extraction C5 without the optional package a zstd layer is refused, with what to install', () => {
  assert.equal(isZstdAvailable(), true);
  const module = new URL('../../src/layer/inflate/zstd.js', import.meta.url).href;
  const words = ['--input-type=module', '--eval', WITHOUT_ZSTD, module];
  const printed = JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' })) as unknown[];
  assert.deepEqual(printed.slice(0, 3), [false, 'COMPRESSION_UNSUPPORTED', 'C5']);
  assert.match(String(printed[3]), /npm install zstd-napi/);
});
