import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  encodePaxRecords,
  file,
  layer,
  meta,
  parseLayer,
  raw,
  sparse,
  type SparseOptions,
} from '../../../src/testing/index.js';
import { contentOf, readTar, refusalOf, type Reading } from './read-tar.js';

const FORMS = ['gnu', '0.0', '0.1', '1.0'] as const;
const KiB = 1024;
const T10 = 'TAR_MALFORMED T10';

function segment(offset: number, length: number, letter = 'd'): { offset: number; bytes: Buffer } {
  return { offset, bytes: Buffer.alloc(length, letter) };
}

/** A sparse file between two ordinary ones, so that a wrong length shows. */
function readSparse(
  segments: readonly ReturnType<typeof segment>[],
  options: SparseOptions,
  chunks?: readonly number[],
): Reading {
  const tar = layer(file('before', '1'), sparse('holey', segments, options), file('after', '2'));
  return readTar(tar, chunks ? { chunks } : {});
}

const MANY = Array.from({ length: 60 }, (_, i) => segment(i * 1000, 1 + i, String.fromCharCode(65 + (i % 26))));

const FILES: readonly { readonly title: string; readonly segments: typeof MANY; readonly realBytes: number }[] = [
  { title: 'a hole in the middle', segments: [segment(0, 512), segment(1024 * KiB, 513)], realBytes: 1024 * KiB + 513 },
  { title: 'holes at both ends', segments: [segment(4096, 10)], realBytes: 99_999 },
  { title: 'holes alone', segments: [], realBytes: 1024 * KiB },
  { title: 'no hole at all', segments: [segment(0, 1000)], realBytes: 1000 },
  { title: 'neighbours', segments: [segment(10, 5, 'a'), segment(15, 5, 'b')], realBytes: 20 },
  { title: 'more segments than the header holds', segments: MANY, realBytes: 100_000 },
  { title: 'nothing', segments: [], realBytes: 0 },
];

for (const form of FORMS) {
  for (const { title, segments, realBytes } of FILES) {
    test(`extraction T10 sparse form ${form}: ${title}`, () => {
      const expected = Buffer.alloc(realBytes);
      for (const { offset, bytes } of segments) bytes.copy(expected, offset);
      for (const chunks of [[1 << 20], [1], [511, 513]]) {
        const map = segments.length === 0 ? [{ offset: realBytes, length: 0 }] : undefined;
        const reading = readSparse(segments, { form, realBytes, ...(map && { map }) }, chunks);
        assert.equal(reading.verdict, 'done');
        assert.deepEqual(
          reading.members.map((member) => [member.name, member.type]),
          [
            ['before', '0'],
            ['holey', '0'],
            ['after', '0'],
          ],
        );
        const member = reading.members[1]!;
        assert.equal(member.size, realBytes);
        assert.ok(contentOf(member).equals(expected), 'content');
        const stored = member.segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
        assert.equal(
          stored,
          segments.reduce((sum, { bytes }) => sum + bytes.length, 0),
          'holes stay holes',
        );
      }
    });
  }
}

const A = segment(0, 100);
const B = segment(1000, 50);
const MALFORMED_MAPS: readonly (readonly [string, SparseOptions])[] = [
  [
    'out of order',
    {
      map: [
        { offset: 1000, length: 50 },
        { offset: 0, length: 100 },
      ],
    },
  ],
  [
    'overlapping',
    {
      map: [
        { offset: 0, length: 100 },
        { offset: 99, length: 50 },
      ],
    },
  ],
  [
    'the same place twice',
    {
      map: [
        { offset: 0, length: 75 },
        { offset: 0, length: 75 },
      ],
    },
  ],
  [
    'beyond the size',
    {
      map: [
        { offset: 0, length: 100 },
        { offset: 1001, length: 50 },
      ],
      realBytes: 1050,
    },
  ],
  [
    'an empty row beyond the size',
    {
      map: [
        { offset: 0, length: 150 },
        { offset: 1051, length: 0 },
      ],
      realBytes: 1050,
    },
  ],
  ['less than what is stored', { map: [{ offset: 0, length: 100 }] }],
  [
    'more than what is stored',
    {
      map: [
        { offset: 0, length: 100 },
        { offset: 1000, length: 51 },
      ],
      realBytes: 2000,
    },
  ],
  ['nothing, though there is data', { map: [] }],
  ['a negative offset', { map: [{ offset: -1, length: 150 }] }],
  [
    'a negative length',
    {
      map: [
        { offset: 0, length: 200 },
        { offset: 300, length: -50 },
      ],
    },
  ],
  [
    'offsets that overflow',
    {
      map: [
        { offset: 0, length: 100 },
        { offset: Number.MAX_SAFE_INTEGER, length: 50 },
      ],
    },
  ],
  ['a real size below zero', { realBytes: -1 }],
];

for (const form of FORMS) {
  for (const [title, options] of MALFORMED_MAPS) {
    test(`extraction T10 sparse form ${form}: a map with ${title} is refused`, () => {
      const reading = readSparse([A, B], { form, ...options });
      assert.equal(refusalOf(reading), T10);
      assert.deepEqual(
        reading.members.map(({ name }) => name),
        ['before'],
        'nothing of the file is announced',
      );
    });
  }
}

const RECORDS: readonly (readonly [string, string, string])[] = [
  ['major 1, minor 1', 'pax GNU.sparse.major=1 GNU.sparse.minor=1 GNU.sparse.realsize=5', T10],
  ['major 2', 'pax GNU.sparse.major=2 GNU.sparse.minor=0 GNU.sparse.realsize=5', T10],
  ['major alone', 'pax GNU.sparse.major=1 GNU.sparse.realsize=5', T10],
  ['minor alone', 'pax GNU.sparse.minor=0 GNU.sparse.realsize=5', T10],
  ['1.0 without a size', 'pax GNU.sparse.major=1 GNU.sparse.minor=0', T10],
  ['0.1 without a size', 'pax GNU.sparse.map=0,5 GNU.sparse.numblocks=1', T10],
  ['0.1 without a count', 'pax GNU.sparse.map=0,5 GNU.sparse.size=5', T10],
  ['0.1 with a wrong count', 'pax GNU.sparse.map=0,5 GNU.sparse.size=5 GNU.sparse.numblocks=2', T10],
  ['0.1 with an odd map', 'pax GNU.sparse.map=0,5,9 GNU.sparse.size=5 GNU.sparse.numblocks=1', T10],
  ['0.1 with a sign in the map', 'pax GNU.sparse.map=+0,5 GNU.sparse.size=5 GNU.sparse.numblocks=1', T10],
  ['0.1 with an empty number', 'pax GNU.sparse.map=0,,5 GNU.sparse.size=5 GNU.sparse.numblocks=1', T10],
  ['0.1 with a size that is none', 'pax GNU.sparse.map=0,5 GNU.sparse.size=5k GNU.sparse.numblocks=1', T10],
  [
    '0.0 with lengths first',
    'pax GNU.sparse.size=5 GNU.sparse.numblocks=1 GNU.sparse.numbytes=5 GNU.sparse.offset=0',
    T10,
  ],
  ['0.0 with two offsets', 'pax GNU.sparse.size=5 GNU.sparse.numblocks=1 GNU.sparse.offset=0 GNU.sparse.offset=0', T10],
  ['0.0 with half a pair', 'pax GNU.sparse.size=5 GNU.sparse.numblocks=1 GNU.sparse.offset=0', T10],
  [
    '0.0 and 0.1 at once',
    'pax GNU.sparse.size=5 GNU.sparse.numblocks=1 GNU.sparse.offset=0 GNU.sparse.numbytes=5 GNU.sparse.map=0,5',
    T10,
  ],
  ['a size and no map', 'pax GNU.sparse.size=1000000 GNU.sparse.numblocks=0', T10],
  ["Solaris' holes", 'pax SUN.holesdata=" 0 5"', T10],
  [
    '0.1 said in full',
    'pax GNU.sparse.major=0 GNU.sparse.minor=1 GNU.sparse.map=0,5 GNU.sparse.size=5 GNU.sparse.numblocks=1',
    'done',
  ],
  [
    '0.0 said in full',
    'pax GNU.sparse.major=0 GNU.sparse.minor=0 GNU.sparse.offset=0 GNU.sparse.numbytes=5 GNU.sparse.size=5 GNU.sparse.numblocks=1',
    'done',
  ],
  ['a name alone, which means nothing', 'pax GNU.sparse.name=other', 'done'],
];

for (const [title, records, verdict] of RECORDS) {
  test(`extraction T10 sparse records: ${title}: ${verdict}`, () => {
    const reading = readTar(parseLayer(`${records}\nfile f "12345"`));
    assert.equal(refusalOf(reading), verdict);
    if (verdict === 'done')
      assert.deepEqual(
        reading.members.map(({ name, segments }) => [name, segments[0]?.bytes]),
        [['f', '12345']],
      );
  });
}

test('extraction T10 the record names the file', () => {
  const records = [['GNU.sparse.name', Buffer.from('caf\xe9', 'latin1')]] as const;
  const reading = readSparse([A], { form: '1.0', records });
  assert.equal(reading.members[1]?.name, 'caf\xe9');
  const withNul = readSparse([A], { form: '0.1', records: [['GNU.sparse.name', 'a\0b']] });
  assert.equal(refusalOf(withNul), 'TAR_MALFORMED T5');
});

test('extraction T10 form 1.0 without a record for the name keeps the header’s, in any chunks', () => {
  const tar = layer(sparse('n', [A, B], { form: '1.0', records: [['GNU.sparse.name', '']] }));
  for (const chunks of [[tar.length], [1], [512], [513]]) {
    assert.equal(readTar(tar, { chunks }).members[0]?.name, 'GNUSparseFile.0/n', `chunks of ${chunks[0]}`);
  }
});

test('extraction T10 Go takes the size of 1.0 from GNU.sparse.size when both are there', () => {
  assert.equal(
    readSparse([A], { form: '1.0', records: [['GNU.sparse.size', '100']], realBytes: 100 }).members[1]?.size,
    100,
  );
  assert.equal(
    readSparse([A], { form: '1.0', records: [['GNU.sparse.size', '500']], realBytes: 100 }).members[1]?.size,
    500,
  );
});

const BODY_MAPS: readonly (readonly [string, string])[] = [
  ['an empty line', '1\n\n0\n'],
  ['a sign', '1\n-1\n5\n'],
  ['letters', '1\n0x\n5\n'],
  ['NULs instead', '\0'.repeat(8)],
  ['a number of 17 digits', '1\n00000000000000000\n5\n'],
  ['fewer numbers than it says', '3\n0\n5\n'],
  ['a count beyond all', '9999999999999999\n0\n5\n'],
];

for (const [title, map] of BODY_MAPS) {
  test(`extraction T10 a map in the body with ${title} is refused`, () => {
    const header = [
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.realsize', '5'],
    ] as const;
    const body = Buffer.concat([Buffer.from(map.padEnd(512, '\0'), 'latin1'), Buffer.from('12345')]);
    assert.equal(refusalOf(readTar(layer(file('f', body, { records: header })))), T10);
  });
}

test('extraction T10 T12 a sparse file cut anywhere is refused', () => {
  for (const form of FORMS) {
    const tar = layer(sparse('holey', MANY, { form, realBytes: 100_000 }));
    const end = tar.length - 1024;
    for (let length = 512; length < end; length += 256) {
      const { verdict } = readTar(tar.subarray(0, length));
      const isBeforeEntry = form !== 'gnu' && length % 512 === 0 && verdict === 'TAR_MALFORMED T7';
      assert.match(verdict, /^TAR_MALFORMED (T10|T12|T7)/, `${form}: ${length} bytes, ${isBeforeEntry}`);
    }
  }
});

test("extraction T10 star's sparse files are refused, never read as GNU's", () => {
  for (const format of ['star', 'ustar', 'v7'] as const) {
    const tar = layer(file('s', '', { typeFlag: 'S', format }));
    assert.equal(refusalOf(readTar(tar)), T10, format);
  }
});

test('extraction T10 what is no regular file cannot be sparse', () => {
  for (const typeFlag of ['1', '2', '3', '4', '5', '6']) {
    const tar = layer(sparse('s', [], { form: '0.1', map: [{ offset: 9, length: 0 }], realBytes: 9, typeFlag }));
    assert.equal(refusalOf(readTar(tar)), T10, typeFlag);
  }
});

test('extraction T3 T10 a PAX size counts for what is stored, in the old form too', () => {
  const tar = layer(
    sparse('s', [segment(0, 600)], { form: 'gnu', size: 0, records: { size: '600' } }),
    file('after', '2'),
  );
  const reading = readTar(tar);
  assert.deepEqual(
    reading.members.map(({ name, size }) => [name, size]),
    [
      ['s', 600],
      ['after', 1],
    ],
  );
});

test('extraction B5 a sparse map is limited in every form', () => {
  const segments = Array.from({ length: 400 }, (_, i) => segment(i * 2, 1));
  for (const form of FORMS) {
    const tar = layer(sparse('holey', segments, { form }));
    assert.equal(readTar(tar, { maxMetaBytes: 32 * KiB }).verdict, 'done', form);
    const { verdict, members } = readTar(tar, { maxMetaBytes: 2 * KiB });
    assert.match(verdict, /^BUDGET_EXCEEDED B5/, form);
    assert.equal(members.length, 0);
  }
});

test('extraction B5 T10 a sparse map may be exactly as long as the limit', () => {
  const segments = Array.from({ length: 400 }, (_, i) => segment(i * 2, 1));
  for (const [form, blocks] of [
    ['gnu', 19],
    ['1.0', 5],
  ] as const) {
    const tar = layer(sparse('holey', segments, { form }));
    assert.equal(readTar(tar, { maxMetaBytes: blocks * 512 }).verdict, 'done', form);
    assert.match(readTar(tar, { maxMetaBytes: blocks * 512 - 1 }).verdict, /^BUDGET_EXCEEDED B5/, form);
  }
});

test('extraction B5 T18 endless extension blocks of the old form are a sparse map too', () => {
  const extension = Buffer.alloc(512);
  extension[504] = 1;
  const header = { typeFlag: 'S', format: 'gnu' as const, patches: [{ offset: 482, bytes: Buffer.from([1]) }] };
  const blocks = Array.from({ length: 9 }, () => raw(extension));
  const tar = layer(meta('S', '', { ...header, name: 's' }), ...blocks, raw(Buffer.alloc(512)));
  assert.match(readTar(tar, { maxMetaBytes: 4096 }).verdict, /^BUDGET_EXCEEDED B5/);
});

test('extraction T8 sparse records of a global header are ignored', () => {
  const global = meta(
    'g',
    encodePaxRecords({
      'GNU.sparse.major': '1',
      'GNU.sparse.minor': '0',
      'GNU.sparse.realsize': '9',
      'SUN.holesdata': ' 0 9',
    }),
  );
  const reading = readTar(layer(global, file('f', '12345')));
  assert.deepEqual([reading.verdict, reading.members[0]?.size], ['done', 5]);
});
