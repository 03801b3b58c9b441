import { encodeHeader, encodePaxRecords, paxRecord, raw, layer, file, end } from '../../../src/testing/index.js';
import { testLayers, type LayerCase } from '../../helpers/matrix.js';
import { contentText, sparseText } from '../../helpers/tree-text.js';

/** A header of which one numeric field holds this text, followed by its body. */
function withField(offset: number, text: string, body = 'x'): Buffer {
  const header = encodeHeader({
    name: 'f',
    mode: 0o644,
    sizeBytes: body.length,
    patches: [{ offset, bytes: Buffer.from(text, 'latin1') }],
  });
  return layer(raw(header), raw(body), raw(Buffer.alloc((512 - (body.length % 512)) % 512)), file('after', 'a'));
}

const MODE = 100;
const SIZE = 124;
const MTIME = 136;

/** A PAX header whose body is these bytes, before a file. */
const paxBody = (body: string): Buffer => {
  const bytes = Buffer.from(body, 'latin1');
  const header = encodeHeader({ name: 'pax', typeFlag: 'x', sizeBytes: bytes.length });
  return layer(raw(header), raw(bytes), raw(Buffer.alloc((512 - (bytes.length % 512)) % 512)), file('f', 'x'));
};

const longName = (bytes: number): string =>
  `${'p'.repeat(120)}/`.repeat(Math.ceil(bytes / 121)).slice(0, bytes - 1) + 'x';

/** The implied directories of a path. */
const parentsOf = (path: string): string =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, at, parts) => `implied ${parts.slice(0, at + 1).join('/')}`)
    .join('\n');

const refused = (title: string, bytes: string | Uint8Array, code: string): LayerCase => ({
  title: `${title} is refused`,
  layer: bytes,
  refused: code,
});
const malformed = (title: string, bytes: string | Uint8Array, rule: string): LayerCase =>
  refused(title, bytes, `TAR_MALFORMED ${rule}`);

/** An entry and more, as the body of another. */
const SMUGGLED = Buffer.concat([layer(file('smuggled', 'x')).subarray(0, 1024), Buffer.alloc(512, 'z')]);

const NUMBERS: readonly LayerCase[] = [
  { title: 'T1 a signed checksum', layer: 'file hex:e9ff "x" fmt=gnu sum=signed', tree: 'file "\\xe9\\xff" "x"' },
  { title: 'T1 spaces around octal digits', layer: withField(MODE, '  644 \0 '), tree: 'file f "x"\nfile after "a"' },
  { title: 'T1 a field of NULs is 0', layer: withField(MTIME, '\0'.repeat(12)), tree: 'file f "x"\nfile after "a"' },
  malformed('T1 a wrong checksum', 'file f "x" sum=0', 'T1'),
  malformed('T1 a mode that is not octal', withField(MODE, '0000689\0'), 'T1'),
  malformed('T1 a size that is no number', withField(SIZE, '0000000000z\0'), 'T1'),
  malformed('T1 something that is no tar', Buffer.alloc(1024, 'x'), 'T1'),
  malformed('T2 a negative base-256 size', 'file f "x" size=-1 fmt=gnu', 'T2'),
  malformed('T2 a negative PAX size', 'file f "x" pax:size="-1"', 'T2'),
  malformed('T2 a PAX size of 2^63', 'file f "x" pax:size="9223372036854775808"', 'T2'),
  malformed('T2 T12 a size beyond the stream', 'file f "x" size=5000\nend 2', 'T12'),
  {
    title: 'T3 a PAX size hides what the ustar size would show',
    layer: layer(
      raw(paxHeader({ size: '1536' })),
      raw(encodeHeader({ name: 'f', mode: 0o644, sizeBytes: 0 })),
      raw(SMUGGLED),
      file('after', 'a'),
    ),
    tree: `file f ${contentText(SMUGGLED)}\nfile after "a"`,
  },
  {
    title: 'T3 a PAX size shows what the ustar size would hide',
    layer: layer(
      raw(paxHeader({ size: '0' })),
      raw(encodeHeader({ name: 'f', mode: 0o644, sizeBytes: 1024 })),
      file('shown', 'x'),
      file('after', 'a'),
    ),
    tree: 'file f ""\nfile shown "x"\nfile after "a"',
  },
  {
    title: 'T3 M7 M17 a PAX record of 0 counts as any other',
    layer: 'file f 0644 1000:2000 "x" mtime=7 pax:uid="0" pax:gid="0" pax:mtime="0"\nlink l 0644 5:6 -> f pax:uid="0"',
    tree: 'file f 0:6 "x"\nlink l -> f',
  },
  ...['g', 'L', 'K'].map((flag) => ({
    title: `T4 pending PAX records do not reach a "${flag}" header`,
    layer: layer(
      raw(paxHeader({ size: '3', uid: '7' })),
      raw(
        encodeHeader({
          name: 'meta',
          typeFlag: flag,
          sizeBytes: flag === 'g' ? 12 : 5,
          format: flag === 'g' ? 'ustar' : 'gnu',
        }),
      ),
      raw(Buffer.concat([Buffer.from(flag === 'g' ? '12 comment=\n' : 'long\0'), Buffer.alloc(512)]).subarray(0, 512)),
      raw(encodeHeader({ name: 'f', mode: 0o644, sizeBytes: 1, typeFlag: '0' })),
      raw(Buffer.concat([Buffer.from('abc'), Buffer.alloc(509)])),
      file('after', 'a'),
    ),
    tree: flag === 'L' ? 'file long 7:0 "abc"\nfile after "a"' : 'file f 7:0 "abc"\nfile after "a"',
  })),
];

function paxHeader(records: Readonly<Record<string, string>>): Buffer {
  const body = encodePaxRecords(records);
  const padded = Buffer.alloc(Math.ceil(body.length / 512) * 512);
  body.copy(padded);
  return Buffer.concat([encodeHeader({ name: 'pax', typeFlag: 'x', sizeBytes: body.length }), padded]);
}

const RECORDS: readonly LayerCase[] = [
  malformed('T5 a record whose length is too large', paxBody('99 path=a\n'), 'T5'),
  malformed('T5 a record whose length is too small', paxBody('5 path=a\n'), 'T5'),
  malformed('T5 a record with a signed length', paxBody('+10 path=a\n'), 'T5'),
  malformed('T5 a record without "="', paxBody('8 patha\n'), 'T5'),
  malformed('T5 a record with an empty key', paxBody('5 =a\n'), 'T5'),
  malformed('T5 a record without a newline', paxBody('9 path=ab'), 'T5'),
  malformed('T5 bytes left over', paxBody('10 path=a\nxx'.replace('10', '9')), 'T5'),
  malformed('T5 X2 NUL in a path', 'pax path="a\\0b"\nfile f "x"', 'T5'),
  malformed('T5 X2 NUL in a link path', 'pax linkpath="a\\0b"\nlink f -> x', 'T5'),
  malformed(
    'T5 X2 NUL in an attribute’s name',
    paxBody(paxRecord('SCHILY.xattr.user.a\0b', '1').toString('latin1')),
    'T5',
  ),
  {
    title: 'T5 an empty value deletes the record, and the last of a key wins',
    layer:
      'file f 0644 3:4 "x" mtime=5 pax:uid="7" pax:uid="" pax:gid="8" pax:gid="9" pax:path="other" pax:path="" pax:mtime=""',
    tree: 'file f 3:9 "x" mtime=5',
  },
  {
    title: 'T5 a value may hold newlines, "=" and NUL',
    layer: 'file f "x" xattr:user.a=hex:0a3d0a00 xattr:user.b="9 path=evil\\n"',
    tree: 'file f "x" xattr:user.a=hex:0a3d0a00 xattr:user.b=hex:3920706174683d6576696c0a',
  },
  refused('T6 B5 a PAX header over 1 MiB', `file f "x" xattr:user.a=zero*1048576`, 'BUDGET_EXCEEDED B5'),
  refused('T6 B5 a long name over 1 MiB', 'gnuname "n"*1048577\nfile f "x"', 'BUDGET_EXCEEDED B5'),
  malformed('T7 a GNU name and another PAX path', 'gnuname a\npax path=b\nfile f "x"', 'T7'),
  malformed('T7 a PAX path and another GNU name', 'pax path=b\ngnuname a\nfile f "x"', 'T7'),
  malformed('T7 a GNU link and another PAX link path', 'gnulink a\npax linkpath=b\nsym f -> x', 'T7'),
  {
    title: 'T7 equal ones are accepted',
    layer: 'gnuname a\npax path=a\nfile f "x"\ngnulink b\npax linkpath=b\nsym s -> x',
    tree: 'file a "x"\nsym s -> b',
  },
  malformed('T7 a PAX header before the end mark', 'file f "x"\npax path=a\nend 2', 'T7'),
  malformed('T7 a GNU name at the end of the stream', 'file f "x"\ngnuname a\nend 0', 'T7'),
  {
    title: 'T8 a global header is ignored, with a warning, and makes no entry',
    layer:
      'global uid=99 path=evil/x mtime=5 SCHILY.xattr.security.capability="x"\nfile f "x"\nglobal comment="fine"\nfile g "y"',
    tree: 'file f "x"\nfile g "y"',
    warns: 'T8',
  },
  malformed('T8 T5 a global header with a malformed record', 'meta g "99 comment=x\\n"\nfile f "x"', 'T5'),
  {
    title: 'T19 the last of two PAX headers, GNU names or GNU links replaces the earlier one whole',
    layer:
      'pax uid=5 path=no\npax gid=6\nfile f "x"\ngnuname no\ngnuname g\nfile x "y"\ngnulink no\ngnulink t\nsym s -> x',
    tree: 'file f 0:6 "x"\nfile g "y"\nsym s -> t',
    warns: 'T19*3',
  },
  {
    title: 'T20 unknown records are read past, hdrcharset changes nothing',
    layer:
      'file hex:ff "x" pax:comment="hi" pax:hdrcharset="BINARY" pax:atime="5.5" pax:ctime="6" pax:VENDOR.key="1" pax:charset="UTF-16"',
    tree: 'file "\\xff" "x"',
  },
];

const BODIES: readonly LayerCase[] = [
  {
    title: 'T9 H13 directories, links, devices and FIFOs have no body, whatever their size',
    layer:
      'file a "1"\ndir d size=600\nsym s -> x size=600\nlink l -> a size=600\nchar c 1,3 size=600\nfifo p size=600\nfile b "2"',
    tree: 'file a "1"\ndir d\nsym s -> x\nlink l -> a\nchar c 1,3\nfifo p\nfile b "2"',
  },
  ...(['gnu', '0.0', '0.1', '1.0'] as const).flatMap((fmt): LayerCase[] => [
    {
      title: `T10 sparse ${fmt}: data, holes, data and a hole at the end`,
      layer: `sparse s 0600 1:2 data@512*700 hole*1K data@4096*100 hole*3K mtime=9 fmt=${fmt}\nfile after "a"`,
      tree: `file s 0600 1:2 ${sparseText(4096 + 100 + 3072, [512, 700], [4096, 100])} mtime=9\nfile after "a"`,
    },
    {
      title: `T10 sparse ${fmt}: a hole alone, and nothing at all`,
      layer: `sparse h hole*5000 fmt=${fmt}\nsparse e fmt=${fmt}\nfile after "a"`,
      tree: 'file h zero*5000\nfile e ""\nfile after "a"',
    },
    {
      title: `T10 sparse ${fmt}: more segments than a header holds`,
      layer: `sparse s ${Array.from({ length: 60 }, (_, i) => `data@${i * 1024}*${10 + i}`).join(' ')} fmt=${fmt}\nfile after "a"`,
      tree: `file s ${sparseText(59 * 1024 + 69, ...Array.from({ length: 60 }, (_, i) => [i * 1024, 10 + i] as const))}\nfile after "a"`,
    },
    malformed(`T10 sparse ${fmt}: a map out of order`, `sparse s data@4096*10 data@0*10 fmt=${fmt}`, 'T10'),
    malformed(`T10 sparse ${fmt}: segments that overlap`, `sparse s data@0*100 data@50*100 fmt=${fmt}`, 'T10'),
    malformed(`T10 sparse ${fmt}: a segment beyond the file`, `sparse s data@0*100 real=50 fmt=${fmt}`, 'T10'),
  ]),
  malformed('T10 an unknown sparse version', 'file f "x" pax:GNU.sparse.major="2" pax:GNU.sparse.minor="0"', 'T10'),
  malformed('T10 Solaris’ holes', 'file f "x" pax:SUN.holesdata=" 0 1"', 'T10'),
  malformed('T10 star’s sparse files', 'file f "x" type=S fmt=star', 'T10'),
];

const ENDS: readonly LayerCase[] = [
  { title: 'T11 two zero blocks', layer: 'file f "x"\nend 2', tree: 'file f "x"' },
  { title: 'T11 one zero block', layer: 'file f "x"\nend 1', tree: 'file f "x"' },
  { title: 'T11 no end mark', layer: 'file f "x"\nend 0', tree: 'file f "x"' },
  {
    title: 'T11 what follows the end mark is hashed, never extracted, and warns',
    layer: Buffer.concat([layer(file('f', 'x')), layer(file('hidden', 'y'))]),
    tree: 'file f "x"',
    warns: 'T11',
  },
  {
    title: 'T11 zeros after the end mark are no reason to warn',
    layer: Buffer.concat([layer(file('f', 'x')), Buffer.alloc(10_000)]),
    tree: 'file f "x"',
  },
  malformed(
    'T11 one zero block, then data',
    layer(file('f', 'x'), end(0), raw(Buffer.alloc(512)), file('g', 'y')),
    'T11',
  ),
  ...[100, 512 + 1, 1024 + 100].map((length) =>
    malformed(
      `T12 a stream that ends at byte ${length}`,
      layer(file('f', 'x'), file('g', 'y')).subarray(0, length),
      'T12',
    ),
  ),
];

const FORMATS: readonly LayerCase[] = [
  ...(['v7', 'ustar', 'gnu', 'star', 'pax'] as const).map((fmt) => ({
    title: `T13 ${fmt}`,
    layer: `dir d/ 0750 fmt=${fmt}\nfile d/f 0600 5:6 "x" mtime=7 fmt=${fmt}\nsym d/s -> f fmt=${fmt}\nlink d/l 0600 5:6 -> d/f mtime=7 fmt=${fmt}`,
    tree: 'dir d 0750\nfile d/f 0600 5:6 "x" mtime=7\nsym d/s -> f\nlink d/l -> d/f',
  })),
  {
    title: 'T13 a prefix of ustar and star, and GNU’s bytes in its place',
    layer: 'file f "1" fmt=ustar prefix=a/b\nfile f "2" fmt=star prefix=c',
    tree: 'implied a\nimplied a/b\nfile a/b/f "1"\nimplied c\nfile c/f "2"',
  },
  { title: 'T13 Solaris’ "X"', layer: 'meta X "10 uid=42\\n"\nfile f "x"', tree: 'file f 42:0 "x"' },
  {
    title: 'T13 7-zip gives long names without NUL',
    layer: `meta L "${'n'.repeat(150)}"\nfile x "1"`,
    tree: `file ${'n'.repeat(150)} "1"`,
  },
  ...[99, 100, 101, 155, 255, 256, 1000].flatMap((bytes) =>
    (['gnu', 'pax'] as const).map((fmt) => ({
      title: `T14 a path of ${bytes} bytes in ${fmt}`,
      layer: `file ${longName(bytes)} "x" fmt=${fmt}`,
      tree: `${parentsOf(longName(bytes))}\nfile ${longName(bytes)} "x"`,
    })),
  ),
  {
    title: 'T14 N1 a link target of 150 bytes, of every byte but NUL',
    layer: `sym a -> hex:${Array.from({ length: 150 }, (_, i) => (i + 1).toString(16).padStart(2, '0')).join('')} fmt=gnu`,
    tree: `sym a -> ${quoted(Array.from({ length: 150 }, (_, i) => i + 1))}`,
  },
  { title: 'T14 a GNU name ends at its first NUL', layer: 'meta L "name\\0junk"\nfile x "1"', tree: 'file name "1"' },
  { title: 'T15 a contiguous file is a file', layer: 'file f "x" type=7', tree: 'file f "x"' },
  {
    title: 'T15a a dump directory is a directory, its body skipped',
    layer: 'file d "Yf\\0" type=D\nfile d/f "x"',
    tree: 'dir d 0644\nfile d/f "x"',
  },
  {
    title: 'T15b a volume label is skipped, with a warning',
    layer: 'file label "body" type=V\nfile f "x"',
    tree: 'file f "x"',
    warns: 'T15b',
  },
  ...['M', 'N', 'A', '8', 'Z'].map((type) =>
    refused(`T15c type ${type}`, `file f "x" type=${type}`, 'ENTRY_TYPE_UNSUPPORTED T15c'),
  ),
  refused('T16 a device number of -1', 'char c -1,0', 'NUMBER_OUT_OF_RANGE T16'),
  refused('T16 a device number of 2^32', 'block b 4294967296,0', 'NUMBER_OUT_OF_RANGE T16'),
  { title: 'T16 the largest device numbers', layer: 'char c 4095,1048575', tree: 'char c 4095,1048575' },
  { title: 'T17 an empty stream', layer: new Uint8Array(0), tree: '' },
  {
    title: 'T17 bodies at the edges of blocks and chunks',
    layer: [1, 511, 512, 513, 1023, 1024, 1025, 5000].map((size) => `file f${size} "y"*${size}`).join('\n'),
    tree:
      [511, 512, 513, 1023, 1024, 1025, 5000].map((size) => `file f${size} "y"*${size}`).join('\n') + '\nfile f1 "y"',
  },
  ...(
    [
      ['headers', Array.from({ length: 20 }, (_, i) => `file f${i} ""`).join('\n'), 20],
      ['one name again and again', Array.from({ length: 20 }, () => 'file f ""').join('\n'), 20],
      ['meta headers', `${'pax uid=1\n'.repeat(19)}file f ""`, 20],
      ['global headers', `${'global comment=x\n'.repeat(19)}file f ""`, 20],
      ['implied directories', `file ${'d/'.repeat(19)}f ""`, 20],
      ['implied directories behind a symlink', `sym l -> ${'d/'.repeat(17)}d\nfile l/f ""`, 20],
    ] as const
  ).map(([title, text, count]) => ({
    title: `T18 B4 ${title} count`,
    layer: text,
    refused: 'BUDGET_EXCEEDED B4',
    options: { budget: { maxEntries: count - 1 } },
    ...(title === 'meta headers' && { warns: 'T19*18' }),
  })),
];

function quoted(bytes: readonly number[]): string {
  const text = bytes.map((byte) => {
    const char = String.fromCharCode(byte);
    if (char === '\n') return '\\n';
    if (char === '"' || char === '\\') return `\\${char}`;
    return byte >= 0x20 && byte < 0x7f ? char : `\\x${byte.toString(16).padStart(2, '0')}`;
  });
  return `"${text.join('')}"`;
}

testLayers([...NUMBERS, ...RECORDS, ...BODIES, ...ENDS, ...FORMATS]);
