import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockDevice,
  charDevice,
  dir,
  encodePaxRecords,
  end,
  entry,
  fifo,
  file,
  gnuLongLink,
  gnuLongName,
  hardlink,
  junk,
  layer,
  meta,
  pax,
  paxGlobal,
  raw,
  sparse,
  symlink,
  type LayerPart,
} from '../../../src/testing/index.js';
import { contentOf, readTar, refusalOf, type Reading } from './read-tar.js';

const LONG = `${'long/'.repeat(40)}name`;

/** `NAME TYPE SIZE CONTENT` of each member. */
function listing({ members }: Reading): readonly string[] {
  return members.map(
    ({ name, type, size, segments }) => `${name} ${type} ${size} ${segments.map(({ bytes }) => bytes).join('|')}`,
  );
}

interface Vector {
  readonly title: string;
  readonly parts: readonly LayerPart[];
  /** As {@link listing}; not looked at when the archive is refused. */
  readonly members?: readonly string[];
  readonly verdict?: string;
  readonly warnings?: readonly string[];
}

const HIDDEN = layer(file('hidden', 'x'), end(0));

const VECTORS: readonly Vector[] = [
  { title: 'T17 an empty stream is an empty archive', parts: [end(0)], members: [] },
  { title: 'T11 an end mark alone is an empty archive', parts: [], members: [] },
  {
    title: 'T15 every type is handed over as it is',
    parts: [
      file('f', 'x'),
      hardlink('l', 'f'),
      symlink('s', 'f'),
      charDevice('c', 1, 3),
      blockDevice('b', 8, 0),
      dir('d'),
      fifo('p'),
      entry('7', 'contiguous', { body: 'y' }),
    ],
    members: ['f 0 1 x', 'l 1 0 ', 's 2 0 ', 'c 3 0 ', 'b 4 0 ', 'd/ 5 0 ', 'p 6 0 ', 'contiguous 7 1 y'],
  },
  {
    title: 'T3 a larger PAX size hides no header in the body',
    parts: [file('f', HIDDEN, { size: 0, records: { size: String(HIDDEN.length) } }), file('after', '1')],
    members: [`f 0 ${HIDDEN.length} ${HIDDEN.toString('latin1')}`, 'after 0 1 1'],
  },
  {
    title: 'T3 a smaller PAX size shows the header behind it',
    parts: [file('f', '', { size: HIDDEN.length, records: { size: '0' } }), raw(HIDDEN)],
    members: ['f 0 0 ', 'hidden 0 1 x'],
  },
  {
    title: 'T3 an empty PAX size leaves the ustar size',
    parts: [pax({ size: '' }), file('f', 'abc'), file('after', '1')],
    members: ['f 0 3 abc', 'after 0 1 1'],
  },
  { title: 'T2 a negative PAX size', parts: [pax({ size: '-1' }), file('f', 'abc')], verdict: 'TAR_MALFORMED T2' },
  {
    title: 'T2 a PAX size of 2^63',
    parts: [pax({ size: '9223372036854775808' }), file('f', 'a')],
    verdict: 'TAR_MALFORMED T2',
  },
  {
    title: 'T2 a PAX size of 2^64',
    parts: [pax({ size: '18446744073709551616' }), file('f', 'a')],
    verdict: 'TAR_MALFORMED T2',
  },
  {
    title: 'T2 a negative PAX size of a directory',
    parts: [pax({ size: '-1' }), dir('d')],
    verdict: 'TAR_MALFORMED T2',
  },
  { title: 'T2 T12 a size beyond the stream', parts: [file('f', 'abc', { size: 2000 })], verdict: 'TAR_MALFORMED T12' },
  {
    title: 'T2 T12 a base-256 size of 2^50 beyond the stream',
    parts: [file('f', 'abc', { size: 2n ** 50n, format: 'gnu' })],
    verdict: 'TAR_MALFORMED T12',
  },
  ...(['x', 'L', 'K', 'X'] as const).map((flag) => ({
    title: `T4 a pending PAX size does not reach a "${flag}" header`,
    parts: [
      meta('x', encodePaxRecords({ size: '3' })),
      flag === 'x' || flag === 'X'
        ? meta(flag, encodePaxRecords({ size: '3', comment: 'c'.repeat(700) }))
        : meta(flag, `f\0`),
      file('f', 'abc', { size: 0, format: 'ustar' as const }),
      file('after', '1'),
    ],
    members: ['f 0 3 abc', 'after 0 1 1'],
    warnings: flag === 'x' || flag === 'X' ? ['T19@1024'] : [],
  })),
  {
    title: 'T4 a pending PAX size does not reach a "g" header',
    parts: [
      meta('x', encodePaxRecords({ size: '3' })),
      paxGlobal({ comment: 'c'.repeat(700) }),
      file('f', 'abc', { size: 0, format: 'ustar' }),
      file('after', '1'),
    ],
    members: ['f 0 3 abc', 'after 0 1 1'],
  },
  {
    title: 'T4 records reach the next entry alone',
    parts: [pax({ path: 'renamed', uid: '7' }), file('a', ''), file('b', '')],
    members: ['renamed 0 0 ', 'b 0 0 '],
  },
  { title: 'T5 a malformed record', parts: [meta('x', '99 path=a\n'), file('f', '')], verdict: 'TAR_MALFORMED T5' },
  {
    title: 'T5 a malformed record of a global header',
    parts: [meta('g', '99 path=a\n'), file('f', '')],
    verdict: 'TAR_MALFORMED T5',
  },
  { title: 'T5 an empty PAX header', parts: [meta('x', ''), file('f', 'a')], members: ['f 0 1 a'] },
  {
    title: 'T7 GNU name and PAX path are the same',
    parts: [
      pax({ path: LONG, linkpath: 'to' }),
      gnuLongName(LONG),
      gnuLongLink('to'),
      symlink('x', 'y', { format: 'ustar' }),
    ].slice(1),
    members: [`${LONG} 2 0 `],
  },
  {
    title: 'T7 GNU name and PAX path differ',
    parts: [gnuLongName('a'), pax({ path: 'b' }), file('x')],
    verdict: 'TAR_MALFORMED T7',
  },
  {
    title: 'T7 PAX path and GNU name differ',
    parts: [meta('x', encodePaxRecords({ path: 'b' })), gnuLongName('a'), file('x')],
    verdict: 'TAR_MALFORMED T7',
  },
  {
    title: 'T7 GNU link and PAX linkpath differ',
    parts: [gnuLongLink('a'), pax({ linkpath: 'b' }), symlink('x', 'y')],
    verdict: 'TAR_MALFORMED T7',
  },
  {
    title: 'T7 GNU link and PAX linkpath agree',
    parts: [gnuLongLink('a'), pax({ linkpath: 'a' }), symlink('x', 'y')],
    members: ['x 2 0 '],
  },
  {
    title: 'T7 GNU name and a PAX path in part',
    parts: [gnuLongName('ab'), pax({ path: 'a' }), file('x')],
    verdict: 'TAR_MALFORMED T7',
  },
  { title: 'T7 a PAX header before the end mark', parts: [file('a'), pax({ path: 'b' })], verdict: 'TAR_MALFORMED T7' },
  {
    title: 'T7 a PAX header at the end of the stream',
    parts: [file('a'), pax({ path: 'b' }), end(0)],
    verdict: 'TAR_MALFORMED T7',
  },
  { title: 'T7 a GNU name before the end mark', parts: [gnuLongName('b')], verdict: 'TAR_MALFORMED T7' },
  { title: 'T7 a GNU link at the end of the stream', parts: [gnuLongLink('b'), end(0)], verdict: 'TAR_MALFORMED T7' },
  { title: 'T7 an empty GNU name before the end mark', parts: [gnuLongName('')], verdict: 'TAR_MALFORMED T7' },
  {
    title: 'T8 a global header at the end is fine',
    parts: [file('a'), paxGlobal({ comment: 'x' })],
    members: ['a 0 0 '],
  },
  {
    title: 'T8 a global header changes nothing and warns',
    parts: [
      paxGlobal({
        path: 'evil',
        linkpath: 'evil',
        uid: '0',
        size: '9',
        mtime: '9',
        'SCHILY.xattr.security.capability': 'x',
      }),
      file('f', 'abc', { uid: 7 }),
      file('after', '1'),
    ],
    members: ['f 0 3 abc', 'after 0 1 1'],
    warnings: ['T8@0'],
  },
  {
    title: 'T4 T8 a global header between a PAX header and its entry takes nothing away from the entry',
    parts: [meta('x', '14 path=other\n'), paxGlobal({ comment: 'x' }), file('f', '1')],
    members: ['other 0 1 1'],
  },
  {
    title: 'T8 a comment is no reason to warn',
    parts: [paxGlobal({ comment: 'commit id' }), file('f')],
    members: ['f 0 0 '],
  },
  {
    title: 'T9 what has no body has none, whatever its size',
    parts: [
      dir('d', { size: 700 }),
      symlink('s', 't', { size: 512 }),
      hardlink('l', 't', { size: 100 }),
      charDevice('c', 1, 3, { size: 1 }),
      blockDevice('b', 1, 3, { size: 1 }),
      fifo('p', { size: 1_000_000 }),
      file('f', 'x'),
    ],
    members: ['d/ 5 700 ', 's 2 512 ', 'l 1 100 ', 'c 3 1 ', 'b 4 1 ', 'p 6 1000000 ', 'f 0 1 x'],
  },
  {
    title: 'T9 T3 a PAX size gives a directory no body either',
    parts: [dir('d', { records: { size: '512' } }), file('f', 'x')],
    members: ['d/ 5 512 ', 'f 0 1 x'],
  },
  {
    title: 'T9 T13 a directory of v7 has no body either',
    parts: [dir('d', { format: 'v7', size: 700 }), file('f', 'x', { format: 'v7' })],
    members: ['d/ 5 700 ', 'f 0 1 x'],
  },
  {
    title: 'T13 a long name decides whether an old entry is a directory',
    parts: [
      gnuLongName('dir/'),
      entry(0, 'x'),
      gnuLongName('file'),
      entry(0, 'x/'),
      pax({ path: 'pax/' }),
      entry(0, 'x'),
    ],
    members: ['dir/ 5 0 ', 'file 0 0 ', 'pax/ 5 0 '],
  },
  { title: 'T13 a slash makes no directory of a file', parts: [file('f/', 'x')], members: ['f/ 0 1 x'] },
  {
    title: 'T13 Solaris writes its records as "X"',
    parts: [meta('X', encodePaxRecords({ path: LONG })), file('x', 'y')],
    members: [`${LONG} 0 1 y`],
  },
  {
    title: 'T13 7-zip gives long names without NUL, and in a ustar header',
    parts: [meta('L', LONG, { name: '././@LongLink' }), file('x', 'y')],
    members: [`${LONG} 0 1 y`],
  },
  { title: 'T14 a GNU name ends at its first NUL', parts: [meta('L', 'a\0b\0'), file('x')], members: ['a 0 0 '] },
  {
    title: 'T14 an empty GNU name is none, as in Go',
    parts: [gnuLongName(''), file('x'), meta('L', ''), dir('etc')],
    members: ['x 0 0 ', 'etc/ 5 0 '],
  },
  {
    title: 'T11 entries after the end mark are never read',
    parts: [file('a'), junk(layer(file('b')))],
    members: ['a 0 0 '],
    warnings: ['T11@1536'],
  },
  {
    title: 'T11 zeros after the end mark are no reason to warn',
    parts: [file('a'), junk(Buffer.alloc(10_000))],
    members: ['a 0 0 '],
  },
  {
    title: 'T11 a single byte far behind the end mark warns',
    parts: [file('a'), junk(Buffer.concat([Buffer.alloc(3000), Buffer.from('x')]))],
    members: ['a 0 0 '],
    warnings: ['T11@4536'],
  },
  { title: 'T11 no end mark', parts: [file('a', 'x'), end(0)], members: ['a 0 1 x'] },
  { title: 'T11 half an end mark', parts: [file('a', 'x'), end(1)], members: ['a 0 1 x'] },
  { title: 'T11 half an end mark, then an entry', parts: [file('a'), end(1), file('b')], verdict: 'TAR_MALFORMED T11' },
  {
    title: 'T11 half an end mark, then something',
    parts: [end(1), raw('x'.repeat(512))],
    verdict: 'TAR_MALFORMED T11',
  },
  {
    title: 'T12 half an end mark, then less than a block',
    parts: [end(1), raw(Buffer.alloc(100))],
    verdict: 'TAR_MALFORMED T12',
  },
  { title: 'T12 something shorter than a block', parts: [raw('hello'), end(0)], verdict: 'TAR_MALFORMED T12' },
  { title: 'T1 something that is no archive', parts: [raw('hello'.repeat(200)), end(0)], verdict: 'TAR_MALFORMED T1' },
  {
    title: 'T15a T15b volume labels and dump directories have bodies',
    parts: [entry('V', 'label', { body: 'abc' }), entry('D', 'dump/', { body: 'Yfile\0\0' }), file('f', 'x')],
    members: ['label V 3 abc', 'dump/ D 7 Yfile\0\0', 'f 0 1 x'],
  },
  {
    title: 'T19 the last of two PAX headers counts, and counts alone',
    parts: [
      meta('x', encodePaxRecords({ path: 'a', uid: '7' })),
      meta('x', encodePaxRecords({ mtime: '5' })),
      file('f'),
    ],
    members: ['f 0 0 '],
    warnings: ['T19@1024'],
  },
  {
    title: 'T19 the last of two GNU names counts',
    parts: [gnuLongName('a'), gnuLongName('b'), gnuLongLink('c'), gnuLongLink('d'), symlink('x', 'y')],
    members: ['b 2 0 '],
    warnings: ['T19@1024', 'T19@3072'],
  },
  {
    title: 'T20 other records are read past',
    parts: [pax({ hdrcharset: 'BINARY', atime: '1', 'x.y': '' }), file('f')],
    members: ['f 0 0 '],
  },
];

for (const { title, parts, members, verdict = 'done', warnings = [] } of VECTORS) {
  test(`extraction ${title}`, () => {
    const tar = layer(...parts);
    const whole = readTar(tar);
    assert.equal(refusalOf(whole), verdict);
    if (members) assert.deepEqual(listing(whole), members);
    if (verdict === 'done') assert.deepEqual(whole.warnings, warnings);
    else assert.match(whole.verdict, / @\d+$/, 'the refusal says where');
    for (const chunks of [[1], [511], [512], [513]]) {
      assert.deepEqual(readTar(tar, { chunks }), whole, `T17: chunks of ${chunks[0]}`);
    }
  });
}

test('extraction T5 M7 M17 records override the header, for one entry', () => {
  const records = {
    path: 'caf\u00e9',
    linkpath: 'target',
    uid: '4294967294',
    gid: '2000000',
    mtime: '-1.5',
    'SCHILY.xattr.user.a': 'v',
  };
  const [first, second] = readTar(
    layer(pax(records), symlink('x', 'y', { uid: 1, gid: 2, mtime: 3 }), file('z', '', { uid: 1, gid: 2, mtime: 3 })),
  ).members;
  assert.deepEqual(
    [first!.name, first!.link, first!.uid, first!.gid, first!.mtime, first!.mtimeNs, first!.xattrs],
    ['caf\xc3\xa9', 'target', 4294967294, 2000000, -2, 500_000_000, [['user.a', 'v']]],
  );
  assert.deepEqual(
    [second!.name, second!.uid, second!.gid, second!.mtime, second!.mtimeNs, second!.xattrs],
    ['z', 1, 2, 3, 0, []],
  );
});

test('extraction T16 device numbers are read in octal and base-256', () => {
  const { members } = readTar(
    layer(
      charDevice('a', 4095, 1048575),
      charDevice('b', 2 ** 32, -1),
      file('f', '', { patches: [{ offset: 329, bytes: '0000001' }] }),
    ),
  );
  assert.deepEqual(
    members.map(({ device }) => device),
    [
      [4095, 1048575],
      [2 ** 32, -1],
      [0, 0],
    ],
  );
});

test('extraction B5 T6 a meta header is refused by its size, before its body comes', () => {
  for (const flag of ['x', 'g', 'L', 'K', 'X']) {
    const tar = layer(meta(flag, '', { sizeBytes: 1001 }), end(0));
    assert.equal(readTar(tar, { maxMetaBytes: 1000 }).verdict, 'BUDGET_EXCEEDED B5 @0', flag);
  }
  const exact = layer(gnuLongName('n'.repeat(999)), file('x'));
  assert.equal(readTar(exact, { maxMetaBytes: 1000 }).members[0]?.name.length, 999);
  assert.equal(readTar(exact, { maxMetaBytes: 999 }).verdict, 'BUDGET_EXCEEDED B5 @0');
});

test('extraction T18 every header counts, meta headers too', () => {
  assert.equal(
    readTar(layer(pax({ path: 'a' }), file('x'), gnuLongName('b'), file('y'), paxGlobal({ comment: 'c' }), dir('d')))
      .headers,
    6,
  );
});

test('extraction T12 an archive cut anywhere is refused, or ends between two entries', () => {
  const parts = [
    file('a', 'x'.repeat(700)),
    dir('d'),
    gnuLongName(LONG),
    file('x', 'y'),
    pax({ uid: '1' }),
    file('z', 'w'),
    sparse('s', [{ offset: 5, bytes: Buffer.from('abc') }]),
  ];
  const tar = layer(...parts);
  const boundaries = new Map(parts.map((_, count) => [layer(...parts.slice(0, count), end(0)).length, count]));
  const whole = listing(readTar(tar));
  for (let length = 0; length < tar.length - 1024; length++) {
    const reading = readTar(tar.subarray(0, length));
    const isClean = reading.verdict === 'done';
    const isLoose = reading.verdict.startsWith('TAR_MALFORMED T7');
    if (!isClean && !isLoose) assert.equal(reading.verdict, `TAR_MALFORMED T12 @${length}`);
    if (isClean) assert.ok(boundaries.has(length), `${length} is no boundary of entries`);
    if (isClean) assert.deepEqual(listing(reading), whole.slice(0, reading.members.length));
    if (isLoose) assert.equal(length % 512, 0);
  }
  for (const cut of [1, 511, 513, 1023]) {
    assert.equal(refusalOf(readTar(tar.subarray(0, tar.length - cut))), cut === 512 ? 'done' : 'TAR_MALFORMED T12');
  }
});

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'ab/.é\n') }),
  fc.string({ minLength: 101, maxLength: 300, unit: fc.constantFrom(...'xy/') }),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 30 }),
  fc.constantFrom(511, 512, 513, 1024, 1300).map((length) => new Uint8Array(length).fill(length)),
);
const sparseSegments = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 700 }), fc.integer({ min: 1, max: 40 })), { maxLength: 8 })
  .map((pairs) => {
    let at = 0;
    return pairs.map(([gap, length]) => {
      const segment = { offset: at + gap, bytes: Buffer.alloc(length, 'a') };
      at += gap + length;
      return segment;
    });
  });
const part: fc.Arbitrary<LayerPart> = fc.oneof(
  fc
    .tuple(name, body, fc.constantFrom('gnu', 'pax'))
    .map(([path, bytes, format]) => file(path, bytes, { format: format as 'gnu' })),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 99, unit: 'grapheme-ascii' }), body)
    .map(([path, bytes]) => file(path, bytes, { format: 'ustar' })),
  name.map((path) => dir(path)),
  fc.tuple(name, name).map(([path, target]) => symlink(path, target)),
  fc
    .tuple(name, fc.double({ min: -1e9, max: 1e10, noNaN: true }))
    .map(([path, mtime]) => file(path, '', { mtime: mtime.toFixed(9), uid: 2 ** 22 })),
  fc
    .tuple(sparseSegments, fc.constantFrom('gnu', '0.0', '0.1', '1.0'))
    .map(([segments, form]) => sparse('s', segments, { form: form as '0.0', realBytes: 10_000 })),
  fc.constant(paxGlobal({ uid: '1' })),
  fc.tuple(name).map(([path]) => file(path, '', { xattrs: { 'user.x': Buffer.from([0, 10]) } })),
);

test('extraction T17 property: any chunks give the same events', () => {
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 6 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1, 511, 512, 513, 1024, 4096)), {
        minLength: 1,
        maxLength: 6,
      }),
      fc.constantFrom(end(0), end(1), end(2), junk('after')),
      (parts, chunks, last) => {
        const tar = layer(...parts, last);
        const whole = readTar(tar);
        assert.equal(whole.verdict, 'done');
        assert.deepEqual(readTar(tar, { chunks }), whole);
      },
    ),
    { numRuns: 150 },
  );
});

test('extraction T17 property: what was written is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, body, fc.constantFrom('gnu' as const, 'pax' as const)), { maxLength: 8 }),
      (files) => {
        const { members, verdict } = readTar(
          layer(...files.map(([path, bytes, format]) => file(path, bytes, { format }))),
        );
        assert.equal(verdict, 'done');
        assert.deepEqual(
          members.map((member) => Buffer.from(member.name, 'latin1').toString()),
          files.map(([path]) => path),
        );
        members.forEach((member, index) => assert.ok(contentOf(member).equals(files[index]![1])));
      },
    ),
    { numRuns: 100 },
  );
});

test('extraction T1 X8 property: damaged archives are read or refused with a typed error, in any chunks alike', () => {
  const tar = layer(
    file('a', 'x'.repeat(700)),
    pax({ path: LONG, uid: '5' }),
    file('b', 'y'),
    gnuLongName('c'),
    dir('c'),
    sparse('s', [{ offset: 9, bytes: Buffer.from('z') }], { form: 'gnu' }),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.constantFrom(1, 300, 512, 700),
      (damages, isChecksumRight, chunk) => {
        const damaged = Buffer.from(tar);
        for (const [at, byte] of damages) {
          damaged[at] = byte;
          if (isChecksumRight) repairChecksum(damaged, at - (at % 512));
        }
        const whole = readTar(damaged);
        assert.match(whole.verdict, /^(done|TAR_MALFORMED [A-Z]\d+ @\d+|BUDGET_EXCEEDED B5 @\d+)$/);
        assert.deepEqual(readTar(damaged, { chunks: [chunk] }), whole);
      },
    ),
    { numRuns: 400 },
  );
});

function repairChecksum(tar: Buffer, at: number): void {
  const block = tar.subarray(at, at + 512);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
