import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, gzipSync } from 'node:zlib';
import { SluiceError } from '../../src/errors.js';
import { createDecompress } from '../../src/layer/decompress.js';
import { decoders } from '../../src/layer/inflate/open-inflater.js';
import { createSlab } from '../../src/layer/stage.js';
import { compress, createRandom, gzipMembers, layer, file } from '../../src/testing/index.js';
import type { DecoderName } from '../../src/transfer/protocol.js';
import { assertInflates, inflate } from './inflate.js';
import { SLAB_BYTES } from '../../src/layer/stage.js';

const MALFORMED = 'COMPRESSION_MALFORMED C4';

const random = createRandom(3);
const CONTENT = Buffer.concat([random.bytes(300), Buffer.alloc(900, 'abc'), random.bytes(100)]);
const MEMBERS = gzipMembers(CONTENT, 500);
const ZEROS = Buffer.alloc(1000);

for (const decoder of decoders()) {
  test(`extraction C1 ${decoder}: extra field, name, comment and header checksum are read`, () => {
    const packed = compress(CONTENT, 'gzip-header');
    for (const chunk of [packed.length, 1, 7]) assertInflates(packed, CONTENT, decoder, [chunk]);
    for (let split = 1; split < 60; split++) assertInflates(packed, CONTENT, decoder, [split, packed.length]);
  });

  test(`extraction C1 ${decoder}: a wrong header checksum is refused`, () => {
    const packed = compress(CONTENT, 'gzip-header');
    packed[20]! ^= 1;
    assert.equal(inflate(packed, decoder).verdict, MALFORMED);
  });

  test(`extraction C2 ${decoder}: several members, split anywhere, give all bytes`, () => {
    for (let split = 1; split < MEMBERS.length; split++)
      assertInflates(MEMBERS, CONTENT, decoder, [split, MEMBERS.length]);
    for (const chunk of [1, 2, 3, 511, 512, 513]) assertInflates(MEMBERS, CONTENT, decoder, [chunk]);
  });

  test(`extraction C2 ${decoder}: empty members first, between and last`, () => {
    const empty = gzipSync('');
    const packed = Buffer.concat([empty, empty, gzipSync('a'), empty, gzipSync('b'), empty]);
    for (const chunk of [packed.length, 1, empty.length]) assertInflates(packed, Buffer.from('ab'), decoder, [chunk]);
    assertInflates(empty, Buffer.alloc(0), decoder);
  });

  test(`extraction C2 ${decoder}: output that ends on the edge of a slab`, () => {
    for (const length of [SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1, 2 * SLAB_BYTES]) {
      const content = Buffer.alloc(length, 'slab');
      for (const packed of [gzipSync(content), gzipSync(content, { level: 0 })]) {
        assertInflates(packed, content, decoder);
        assertInflates(Buffer.concat([packed, packed]), Buffer.concat([content, content]), decoder, [packed.length]);
        assertInflates(packed, content, decoder, [packed.length - 8, 1]);
        assert.equal(inflate(packed.subarray(0, -8), decoder).verdict, MALFORMED);
      }
    }
  });

  test(`extraction C3 ${decoder}: zeros after the last member are accepted`, () => {
    for (const count of [1, 2, 511, 1000]) {
      const packed = Buffer.concat([MEMBERS, ZEROS.subarray(0, count)]);
      for (const chunk of [packed.length, 1, MEMBERS.length]) assertInflates(packed, CONTENT, decoder, [chunk]);
    }
  });

  test(`extraction C3 ${decoder}: anything else after the last member is refused`, () => {
    const rests = [
      Buffer.from('x'),
      Buffer.from([0x1f]),
      Buffer.from([0x1f, 0x8b]),
      Buffer.from([0x1f, 0x8c, 8, 0]),
      gzipSync('more').subarray(0, -1),
    ];
    for (const rest of [...rests, Buffer.concat([ZEROS, Buffer.from('x')]), Buffer.concat([ZEROS, gzipSync('more')])]) {
      const packed = Buffer.concat([MEMBERS, rest]);
      for (const chunk of [packed.length, 1, MEMBERS.length]) {
        assert.equal(
          inflate(packed, decoder, [chunk]).verdict,
          MALFORMED,
          `${rest.toString('hex').slice(0, 20)}, chunks of ${chunk}`,
        );
      }
    }
  });

  test(`extraction C4 ${decoder}: a stream cut at any byte is refused`, () => {
    const packed = gzipMembers(Buffer.from('some bytes, and some more bytes'), 16);
    const ends = new Set<number>();
    for (let at = 0; at < packed.length; at++)
      if (packed.subarray(at, at + 4).equals(Buffer.from([0x1f, 0x8b, 8, 0]))) ends.add(at);
    for (let length = 2; length < packed.length; length++) {
      for (const chunk of [length, 1]) {
        const { verdict } = inflate(packed.subarray(0, length), decoder, [chunk]);
        assert.equal(verdict, ends.has(length) ? 'done' : MALFORMED, `${length} bytes`);
      }
    }
  });

  test(`extraction C4 ${decoder}: wrong checksum, length, method, flags and data are refused`, () => {
    const good = gzipSync(CONTENT);
    const damaged = (at: number, value: number): Buffer => {
      const packed = Buffer.from(good);
      packed[at < 0 ? packed.length + at : at] = value;
      return packed;
    };
    const cases: readonly (readonly [string, Buffer])[] = [
      ['CRC, first byte', damaged(-8, good.at(-8)! ^ 1)],
      ['CRC, last byte', damaged(-5, good.at(-5)! ^ 0x80)],
      ['ISIZE, first byte', damaged(-4, good.at(-4)! ^ 1)],
      ['ISIZE, last byte', damaged(-1, good.at(-1)! ^ 0x80)],
      ['method', damaged(2, 7)],
      ['reserved flag 0x20', damaged(3, 0x20)],
      ['reserved flag 0x80', damaged(3, 0x80)],
      ['block type', damaged(10, 0xff)],
    ];
    for (const [title, packed] of cases) {
      for (const chunk of [packed.length, 1]) assert.equal(inflate(packed, decoder, [chunk]).verdict, MALFORMED, title);
      assert.equal(inflate(Buffer.concat([good, packed]), decoder).verdict, MALFORMED, `${title} of the second member`);
    }
  });

  test(`extraction C4 ${decoder}: what came out before the damage is handed on, wherever the pushes end`, () => {
    const packed = gzipSync(CONTENT);
    packed[packed.length - 8]! ^= 1;
    const damaged = Buffer.concat([gzipSync('whole'), packed]);
    const whole = inflate(damaged, decoder);
    assert.equal(whole.verdict, MALFORMED);
    assert.equal(whole.output.toString('latin1'), `whole${CONTENT.toString('latin1')}`);
    for (const chunk of [1, 7, 511]) assert.ok(inflate(damaged, decoder, [chunk]).output.equals(whole.output));
    const trailing = Buffer.concat([gzipSync('whole'), Buffer.from('x')]);
    for (const chunk of [1, trailing.length])
      assert.equal(inflate(trailing, decoder, [chunk]).output.toString(), 'whole');
  });

  test(`extraction C4 S23 ${decoder}: all that comes before the damage is handed on, wherever a slab ends`, () => {
    const content = createRandom(8).bytes(50_000);
    const cut = gzipSync(content, { finishFlush: constants.Z_SYNC_FLUSH });
    for (const filled of [100, SLAB_BYTES - 50_001, SLAB_BYTES - 50_000, SLAB_BYTES - 100, SLAB_BYTES - 1]) {
      const before = Buffer.alloc(filled, 'before');
      const damaged = Buffer.concat([gzipSync(before), cut, Buffer.from([0xff])]);
      for (const chunk of [damaged.length, 4096]) {
        const { verdict, output } = inflate(damaged, decoder, [chunk]);
        assert.equal(verdict, MALFORMED);
        assert.ok(output.equals(Buffer.concat([before, content])), `${output.length} bytes after ${filled}`);
      }
    }
  });

  test(`extraction B2 B6 ${decoder}: what comes out is admitted before it is handed on`, () => {
    const content = Buffer.alloc(SLAB_BYTES * 2 + 5);
    const packed = gzipSync(content);
    const { admitted } = inflate(packed, decoder);
    assert.deepEqual(
      admitted.map(([produced]) => produced),
      [SLAB_BYTES, 2 * SLAB_BYTES, content.length],
    );
    for (const [, consumed] of admitted) assert.ok(consumed > 0 && consumed <= packed.length);
    const stage = createDecompress({
      decoder,
      open: () => createSlab({ push: () => assert.fail('handed on'), end: () => assert.fail('ended') }),
      admit: () => {
        throw new SluiceError('BUDGET_EXCEEDED', 'too much');
      },
    });
    assert.throws(() => stage.push(packed), { code: 'BUDGET_EXCEEDED' });
  });
}

const TAR = layer(file('f', 'x'));

const MAGICS: readonly (readonly [string, Uint8Array, string, readonly string[]])[] = [
  ['nothing', Buffer.alloc(0), 'done', []],
  ['less than any magic', Buffer.from('abc'), 'done', ['none']],
  ['a tar', TAR, 'done', ['none']],
  ['zeros', Buffer.alloc(1024), 'done', ['none']],
  ['gzip', gzipSync(TAR), 'done', ['gzip']],
  ['two bytes of gzip', Buffer.from([0x1f, 0x8b]), MALFORMED, ['gzip']],
  ['one byte of gzip', Buffer.from([0x1f]), 'done', ['none']],
  ['compress(1)', Buffer.from([0x1f, 0x9d, 0x90, 1, 2, 3]), 'done', ['none']],
  ['zstd', compress(TAR, 'zstd-stored').subarray(12), 'done', ['zstd']],
  ['zstd, a skippable frame first', compress(TAR, 'zstd-stored'), 'done', ['zstd']],
  ['zstd, the last kind of skippable frame', Buffer.from('5f2a4d1800000000', 'hex'), 'done', ['zstd']],
  ['zstd, the magic alone', Buffer.from('28b52ffd', 'hex'), 'COMPRESSION_MALFORMED C5', ['zstd']],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]), 'COMPRESSION_UNSUPPORTED C7', []],
  ['bzip2', Buffer.from('BZh91AY&SY', 'latin1'), 'COMPRESSION_UNSUPPORTED C7', []],
  ['an empty bzip2', Buffer.from('425a683917724538509000000000', 'hex'), 'COMPRESSION_UNSUPPORTED C7', []],
  ['a tar whose first name looks like bzip2', layer(file('BZh9/file', 'x')), 'done', ['none']],
  [
    'a tar whose first name looks a little like xz',
    layer(file(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x5a]), 'x')),
    'done',
    ['none'],
  ],
];

for (const [title, bytes, verdict, detected] of MAGICS) {
  test(`extraction C7 the first bytes decide: ${title}`, () => {
    for (const chunk of [bytes.length || 1, 1, 5]) {
      const inflated = inflate(bytes, 'auto', [chunk]);
      assert.deepEqual([inflated.verdict, inflated.detected], [verdict, detected], `chunks of ${chunk}`);
      if (verdict === 'done' && detected[0] === 'none') assert.ok(inflated.output.equals(bytes));
    }
  });
}

test('extraction C7 an unsupported compression is named', () => {
  for (const [name, bytes] of [
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ['bzip2', [...Buffer.from('BZh11A')]],
  ] as const) {
    const stage = createDecompress({
      decoder: 'auto',
      open: () => createSlab({ push: () => undefined, end: () => undefined }),
      admit: () => undefined,
    });
    assert.throws(() => stage.push(Uint8Array.from(bytes)), new RegExp(`it is ${name}`));
  }
});

test('extraction C2 all decoders are here: the addon’s and pako', () => {
  assert.deepEqual(
    decoders().filter((name) => name === 'zlib' || name === 'pako'),
    ['zlib', 'pako'],
  );
});

test('a decoder that this machine does not have is a typed error', () => {
  const missing = (['isal', 'zlib'] as const).find((name) => !decoders().includes(name));
  if (missing) assert.throws(() => inflateOnce(missing), { code: 'DECODER_MISSING' });
  else assert.doesNotThrow(() => inflateOnce('isal'));
});

function inflateOnce(decoder: DecoderName): void {
  const stage = createDecompress({
    decoder,
    open: () => createSlab({ push: () => undefined, end: () => undefined }),
    admit: () => undefined,
  });
  stage.push(gzipSync('x'));
}
