import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { native } from '../../../src/native.js';
import { digestOf } from '../../../src/oci/digest.js';
import { file, layer, parseLayer } from '../../../src/testing/index.js';
import { extract, verdict, type ExtractOptions } from '../../helpers/extract.js';
import { testLayers, type LayerCase } from '../../helpers/matrix.js';

const long = (bytes: number): string => 'x'.repeat(bytes);
const deep = (parts: number): string => Array(parts).fill('d').join('/');
const chain = (length: number): string =>
  [
    'dir d',
    ...Array.from({ length }, (_, i) => `sym s${i} -> ${i === 0 ? 'd' : `s${i - 1}`}`),
    `file s${length - 1}/f "x"`,
  ].join('\n');

const refusals = (rows: readonly (readonly [title: string, lines: string, refused: string])[]): readonly LayerCase[] =>
  rows.map(([title, lines, refused]) => ({
    title: `${title} is refused`,
    layer: `file before "1"\n${lines}\nfile after "2"`,
    refused,
  }));

testLayers(
  refusals([
    ['X1 E5 a file named "."', 'file . "x"', 'ENTRY_REFUSED X1'],
    ['X1 a file named "/"', 'file / "x"', 'ENTRY_REFUSED X1'],
    ['X1 a file without a name', 'file "" "x"', 'ENTRY_REFUSED X1'],
    ['X1 a file named "a/.."', 'file a/.. "x"', 'ENTRY_REFUSED X1'],
    ['X1 E4 a symlink named ".."', 'sym .. -> /etc', 'ENTRY_REFUSED X1'],
    ['X1 a hard link named "./"', 'link ./ -> before', 'ENTRY_REFUSED X1'],
    ['X1 a device named "/."', 'char /. 1,3', 'ENTRY_REFUSED X1'],
    ['X1 a FIFO named "../.."', 'fifo ../..', 'ENTRY_REFUSED X1'],
    ['X2 T5 a name with NUL', 'pax path="a\\0b"\nfile x "x"', 'TAR_MALFORMED T5'],
    ['X2 T5 a link target with NUL', 'pax linkpath="a\\0b"\nsym x -> y', 'TAR_MALFORMED T5'],
    ['X2 T5 an attribute with NUL in its name', 'file x "x" pax:LIBARCHIVE.xattr.user.a%00b="MQ"', 'TAR_MALFORMED T5'],
    ['X3 a part of 256 bytes', `file d/${long(256)}/f "x"`, 'NAME_REFUSED X3'],
    ['X3 a last part of 256 bytes', `file ${long(256)} "x"`, 'NAME_REFUSED X3'],
    ['X3 a path of 4097 bytes', `file ${`${long(240)}/`.repeat(16)}${long(241)} "x"`, 'NAME_REFUSED X3'],
    ['X3 1025 parts', `dir ${deep(1025)}`, 'NAME_REFUSED X3'],
    ['X3 a part of 256 bytes in a hard link’s target', `link l -> ${long(256)}`, 'NAME_REFUSED X3'],
    ['X3 an empty symlink target', 'sym s -> ""', 'NAME_REFUSED X3'],
    ['X3 an empty hard link target', 'link l -> ""', 'NAME_REFUSED X3'],
    ['X3 a symlink target of 4096 bytes', `sym s -> ${long(4096)}`, 'NAME_REFUSED X3'],
    ['X4 a symlink to itself on the way', 'sym a -> a\nfile a/x "x"', 'NAME_REFUSED X4'],
    ['X4 a ring of symlinks on the way', 'sym a -> b\nsym b -> /a\nfile a/x "x"', 'NAME_REFUSED X4'],
    ['X4 41 symlinks on the way', chain(41), 'NAME_REFUSED X4'],
    [
      'X4 N7 a ring of symlinks on the way of a hard link’s target',
      'sym a -> b\nsym b -> a\nlink l -> a/x',
      'NAME_REFUSED X4',
    ],
    [
      'X3 N7 a hard link’s target of 4097 bytes',
      `link l -> ${`${long(240)}/`.repeat(16)}${long(241)}`,
      'NAME_REFUSED X3',
    ],
    ['X3 N7 1025 parts in a hard link’s target', `link l -> ${deep(1025)}`, 'NAME_REFUSED X3'],
    ['X5 E19 ".wh."', 'file .wh. ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 ".wh.."', 'file .wh.. ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 ".wh..."', 'file .wh... ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 "etc/.wh."', 'file etc/.wh. ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 "etc/.wh.."', 'file etc/.wh.. ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 "etc/.wh..."', 'file etc/.wh... ""', 'ENTRY_REFUSED X5'],
    ['X5 E19 "etc/.wh..." as a directory', 'dir etc/.wh...', 'ENTRY_REFUSED X5'],
    ['X5 E19 "etc/.wh.." as a symlink', 'sym etc/.wh.. -> x', 'ENTRY_REFUSED X5'],
    ['X6 H8 a hard link to a directory', 'dir d\nlink l -> d', 'ENTRY_REFUSED H8'],
    ['X6 H8 a hard link to an implied directory', 'file d/f "x"\nlink l -> d', 'ENTRY_REFUSED H8'],
    ['X6 H8 a hard link to the root', 'link l -> /', 'ENTRY_REFUSED H8'],
    ['X6 H8 a forward hard link to a directory', 'link l -> d\ndir d', 'ENTRY_REFUSED H8'],
    ['X6 H9 a hard link to itself', 'link l -> l', 'ENTRY_REFUSED H9'],
    ['X6 H9 a hard link to itself in other words', 'link d/l -> /x/../d/./l', 'ENTRY_REFUSED H9'],
    ['X6 H9 a ring of two hard links', 'link a -> b\nlink b -> a', 'ENTRY_REFUSED H9'],
    ['X6 H9 a ring of three hard links', 'link a -> b\nlink b -> c\nlink c -> a', 'ENTRY_REFUSED H9'],
    ['X7 M7 S19 an owner of 2^32-1', 'file f 0644 4294967295:0 "x"', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 M7 S19 a group of 2^32-1', 'dir d 0755 0:4294967295', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 M7 S19 a negative owner', 'file f 0644 -1:0 "x"', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 M7 S19 a negative base-256 group', 'sym s 0644 0:-2 -> x fmt=gnu', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 M7 an owner of 2^64', 'file f 0644 18446744073709551616:0 "x"', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 M7 a whiteout’s owner of 2^32-1', 'wh f 0644 4294967295:0', 'NUMBER_OUT_OF_RANGE M7'],
    ['X7 T16 a major of 4096', 'char c 4096,0', 'NUMBER_OUT_OF_RANGE T16'],
    ['X7 T16 a minor of 2^20', 'block b 0,1048576', 'NUMBER_OUT_OF_RANGE T16'],
    ['X7 T16 a device of -1', 'char c -1,0', 'NUMBER_OUT_OF_RANGE T16'],
    ['X7 T16 a device of 2^32', 'char c 0,4294967296', 'NUMBER_OUT_OF_RANGE T16'],
    ['X8 T1 a wrong checksum', 'file f "x" sum=1', 'TAR_MALFORMED T1'],
    ['X8 T15c an unknown type', 'file f "x" type=N', 'ENTRY_TYPE_UNSUPPORTED T15c'],
  ]),
);

testLayers([
  {
    title: 'X3 a part of 255 bytes and a symlink target of 4095 are accepted',
    layer: `file ${long(255)} "x"\nsym s -> ${long(4095)}`,
    tree: `file ${long(255)} "x"\nsym s -> ${long(4095)}`,
  },
  {
    title: 'X4 40 symlinks on the way are followed',
    layer: chain(40),
    tree: [
      'dir d',
      'file d/f "x"',
      ...Array.from({ length: 40 }, (_, i) => `sym s${i} -> ${i ? `s${i - 1}` : 'd'}`),
    ].join('\n'),
  },
  {
    title: 'X1 S21 a directory in the root’s place is the root’s metadata',
    layer: 'dir .. 0700 1:2',
    tree: 'dir . 0700 1:2',
  },
]);

for (const walk of [false, true]) {
  test(`extraction X3 a path of 4096 bytes and 1024 parts is accepted (${walk ? 'walk' : 'openat2'})`, (t) => {
    for (const name of [`${`${long(240)}/`.repeat(16)}${long(240)}`, deep(1024)]) {
      const extraction = extract(t, layer(file(name, 'x')), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.match(extraction.lines().at(-1) ?? '', /crc32c/);
      native().removeTree(Buffer.from(extraction.tree));
    }
  });
}

const TAR = parseLayer('file f "0123456789"');
const BLOB: readonly (readonly [title: string, options: ExtractOptions, refused: string])[] = [
  ['X9 D1 another digest', { digest: digestOf(Buffer.from('other')) }, 'DIGEST_MISMATCH D1'],
  ['X9 D2 another diffID', { diffId: digestOf(Buffer.from('other')) }, 'DIFF_ID_MISMATCH D2'],
  [
    'X9 C4 a gzip member that is cut off',
    { blob: Buffer.from('1f8b0800000000000003', 'hex') },
    'COMPRESSION_MALFORMED C4',
  ],
  ['X9 C7 bzip2', { blob: Buffer.from('425a6839314159265359', 'hex') }, 'COMPRESSION_UNSUPPORTED C7'],
  ['X9 D1 another size', { sizeBytes: TAR.length + 1 }, 'SIZE_MISMATCH D1'],
  ['X10 B3 a file beyond its budget', { budget: { maxFileBytes: 9 } }, 'BUDGET_EXCEEDED B3'],
];

for (const [title, options, refused] of BLOB) {
  test(`extraction ${title} is refused whole`, (t) => {
    const extraction = extract(t, TAR, options);
    assert.equal(verdict(extraction), refused);
    assert.deepEqual(readdirSync(extraction.staging), []);
  });
}

test('extraction X1 X3 X5 X6 X7 X8 T2 T10 T12 every refusal names layer, entry, its bytes, offset and rule', (t) => {
  const name = Buffer.from('ff0a78', 'hex');
  const cases: readonly (readonly [string, string, Buffer])[] = [
    ['file hex:ff0a782f2e77682e ""', 'X5', Buffer.concat([name, Buffer.from('/.wh.')])],
    ['dir d\nlink hex:ff0a78 -> d', 'H8', name],
    ['sym a -> a\nfile a/hex "x"', 'X4', Buffer.from('a/hex')],
    ['file hex:ff0a78 0644 -1:0 "x"', 'M7', name],
    ['file hex:ff0a78 "x" type=N', 'T15c', name],
    ['sym hex:ff0a78 -> ""', 'X3', name],
    ['file .. ""', 'X1', Buffer.from('..')],
    ['file hex:ff0a78 "x" pax:size="-1"', 'T2', name],
    ['file hex:ff0a78 "x" pax:SUN.holesdata=" 0 1"', 'T10', name],
    ['file hex:ff0a78 "x" size=5000\nend 2', 'T12', name],
  ];
  for (const [text, rule, entry] of cases) {
    const { outcome } = extract(t, parseLayer(`file before "1"\n${text}`));
    assert.ok(outcome.kind === 'failed');
    const { detail } = outcome.error;
    assert.equal(detail.rule, rule);
    assert.equal(detail.entryBase64, entry.toString('base64'), text);
    assert.ok(detail.entry && !/[^\x20-\x7e]/.test(detail.entry), 'a form to print');
    assert.ok(detail.offset! >= 1024 && detail.offset! % 512 === 0, text);
    assert.match(detail.layer ?? '', /^sha256:[0-9a-f]{64}$/);
  }
});
