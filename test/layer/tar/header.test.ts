import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isZeroBlock, readSize, verifyChecksum } from '../../../src/layer/tar/header.js';
import { encodeHeader, file, layer, type TarHeader } from '../../../src/testing/index.js';
import { readTar, verdictOf } from './read-tar.js';

const LATIN_1 = Buffer.from('caf\xe9-\xff', 'latin1');

/** Bytes put into the checksum field after the sum was taken. */
function withChecksumField(header: TarHeader, text: (sum: number) => string | Buffer): Buffer {
  const block = encodeHeader(header);
  const sum = parseInt(block.toString('latin1', 148, 154), 8);
  block.fill(0, 148, 156);
  const field = text(sum);
  if (typeof field === 'string') block.write(field, 148, 'latin1');
  else field.copy(block, 148);
  return block;
}

const octal = (sum: number, width: number): string => sum.toString(8).padStart(width, '0');

const CHECKSUMS: readonly { readonly title: string; readonly block: Buffer; readonly verdict: string }[] = [
  { title: 'unsigned, bytes above 127', block: encodeHeader({ name: LATIN_1 }), verdict: 'done' },
  { title: 'signed, bytes above 127', block: encodeHeader({ name: LATIN_1, checksum: 'signed' }), verdict: 'done' },
  {
    title: 'digits, NUL and space',
    block: withChecksumField({ name: 'x' }, (sum) => `${octal(sum, 6)}\0 `),
    verdict: 'done',
  },
  {
    title: 'digits, space and NUL',
    block: withChecksumField({ name: 'x' }, (sum) => `${octal(sum, 6)} \0`),
    verdict: 'done',
  },
  {
    title: 'seven digits and NUL',
    block: withChecksumField({ name: 'x' }, (sum) => `${octal(sum, 7)}\0`),
    verdict: 'done',
  },
  { title: 'eight digits', block: withChecksumField({ name: 'x' }, (sum) => octal(sum, 8)), verdict: 'done' },
  { title: 'spaces first', block: withChecksumField({ name: 'x' }, (sum) => ` ${octal(sum, 5)}\0 `), verdict: 'done' },
  {
    title: 'one more',
    block: withChecksumField({ name: 'x' }, (sum) => octal(sum + 1, 6)),
    verdict: 'TAR_MALFORMED T1',
  },
  {
    title: 'one less',
    block: withChecksumField({ name: 'x' }, (sum) => octal(sum - 1, 6)),
    verdict: 'TAR_MALFORMED T1',
  },
  { title: 'all NUL', block: withChecksumField({ name: 'x' }, () => ''), verdict: 'TAR_MALFORMED T1' },
  {
    title: 'decimal',
    block: withChecksumField({ name: 'x' }, (sum) => String(sum).padEnd(8)),
    verdict: 'TAR_MALFORMED T1',
  },
  {
    title: 'in base-256, which Go does not read there',
    block: withChecksumField({ name: 'x' }, (sum) => {
      const field = Buffer.alloc(8);
      field.writeUInt32BE(sum, 4);
      field[0] = 0x80;
      return field;
    }),
    verdict: 'TAR_MALFORMED T1',
  },
];

for (const { title, block, verdict } of CHECKSUMS) {
  test(`extraction T1 a checksum ${title}: ${verdict}`, () => {
    assert.equal(
      verdictOf(() => verifyChecksum(block, 0)),
      verdict,
    );
    const shifted = Buffer.concat([Buffer.alloc(7, 0xff), block, Buffer.alloc(9, 0xff)]);
    assert.equal(
      verdictOf(() => verifyChecksum(shifted, 7)),
      verdict,
      'elsewhere in a buffer',
    );
  });
}

test('extraction T1 a flipped bit anywhere in a header is refused', () => {
  const header = encodeHeader({ name: 'etc/passwd', sizeBytes: 0, mtime: 12345, uid: 7 });
  for (let at = 0; at < 512; at++) {
    const damaged = Buffer.from(header);
    damaged[at]! ^= 1;
    const { verdict, members } = readTar(damaged);
    // Blanks and NULs around the checksum's digits are alike.
    const isBlank = at >= 154 && at < 156;
    if (!isBlank) assert.deepEqual([verdict, members.length], ['TAR_MALFORMED T1 @0', 0], `byte ${at}`);
  }
});

const SIZES: readonly (readonly [string, Partial<TarHeader>, string])[] = [
  ['-1 in base-256', { sizeBytes: -1, isBase256: true }, 'TAR_MALFORMED T2'],
  ['-2^63 in base-256', { sizeBytes: -(2n ** 63n), isBase256: true }, 'TAR_MALFORMED T2'],
  ['2^63 in base-256', { sizeBytes: 2n ** 63n, isBase256: true }, 'TAR_MALFORMED T2'],
  ['2^90 in base-256', { sizeBytes: 2n ** 90n, isBase256: true }, 'TAR_MALFORMED T2'],
  ['2^53 in base-256', { sizeBytes: 2n ** 53n, isBase256: true }, 'TAR_MALFORMED T2'],
  ['-1 in octal', { patches: [{ offset: 124, bytes: '-0000000001\0' }] }, 'TAR_MALFORMED T1'],
  ['not a number', { patches: [{ offset: 124, bytes: '00000000009\0' }] }, 'TAR_MALFORMED T1'],
  ['all NUL', { patches: [{ offset: 124, bytes: Buffer.alloc(12) }] }, 'done'],
  ['twelve digits', { patches: [{ offset: 124, bytes: '777777777777' }] }, 'done'],
];

for (const [title, header, verdict] of SIZES) {
  test(`extraction T2 a size of ${title}: ${verdict}`, () => {
    assert.equal(
      verdictOf(() => readSize(encodeHeader({ name: 'x', format: 'gnu', ...header }), 0)),
      verdict,
    );
  });
}

test('extraction T2 an impossible size is refused for an entry that has no body, too', () => {
  for (const typeFlag of ['1', '2', '3', '4', '5', '6', 'L', 'x', 'g']) {
    const reading = readTar(encodeHeader({ name: 'x', typeFlag, sizeBytes: -1, isBase256: true }));
    assert.equal(reading.verdict, 'TAR_MALFORMED T2 @0', typeFlag);
  }
});

test('extraction T1 T2 numbers are read in octal and base-256, negative ones too', () => {
  const [plain, wide] = readTar(
    Buffer.concat([
      encodeHeader({ name: 'a', mode: 0o7777, uid: 1000, gid: 2000, mtime: 5 }),
      encodeHeader({
        name: 'b',
        mode: 0o100644,
        uid: 2n ** 32n,
        gid: -1,
        mtime: -86400,
        isBase256: true,
        format: 'gnu',
      }),
    ]),
  ).members;
  assert.deepEqual([plain!.mode, plain!.uid, plain!.gid, plain!.mtime], [0o7777, 1000, 2000, 5]);
  assert.deepEqual([wide!.mode, wide!.uid, wide!.gid, wide!.mtime], [0o644, 2 ** 32, -1, -86400]);
});

test('extraction T1 a number that is none is refused in every field of every header, as in Go', () => {
  for (const typeFlag of ['0', '2', '3', '5', '7', 'x', 'X', 'g', 'L', 'K']) {
    for (const [offset, width] of [
      [100, 8],
      [108, 8],
      [116, 8],
      [124, 12],
      [136, 12],
      [329, 8],
      [337, 8],
    ] as const) {
      for (const format of ['ustar', 'gnu', 'star'] as const) {
        const patches = [{ offset, bytes: '9'.padEnd(width, '\0') }];
        const block = encodeHeader({ name: 'x', typeFlag, format, patches });
        assert.equal(readTar(block).verdict, 'TAR_MALFORMED T1 @0', `${format} ${typeFlag}: field at ${offset}`);
      }
    }
  }
});

const PREFIX = 'p/'.repeat(60) + 'q';

const FORMATS: readonly (readonly [string, TarHeader, string])[] = [
  ['ustar joins its prefix', { name: 'n', prefix: PREFIX }, `${PREFIX}/n`],
  ['ustar without a prefix', { name: 'n' }, 'n'],
  [
    'ustar with a full prefix and name',
    { name: 'n'.repeat(100), prefix: 'p'.repeat(155) },
    `${'p'.repeat(155)}/${'n'.repeat(100)}`,
  ],
  ['ustar of another version', { name: 'n', prefix: 'p', patches: [{ offset: 263, bytes: '  ' }] }, 'p/n'],
  ['GNU has other things there', { name: 'n', format: 'gnu', patches: [{ offset: 345, bytes: '00000000012\0' }] }, 'n'],
  ['GNU with text there', { name: 'n', format: 'gnu', patches: [{ offset: 345, bytes: 'prefix' }] }, 'n'],
  ['v7 has nothing there', { name: 'n', format: 'v7', patches: [{ offset: 345, bytes: 'prefix' }] }, 'n'],
  ['star has 131 bytes of it', { name: 'n', format: 'star', prefix: 'p'.repeat(131) }, `${'p'.repeat(131)}/n`],
  [
    'half a GNU magic is v7',
    {
      name: 'n',
      patches: [
        { offset: 257, bytes: 'ustar 00' },
        { offset: 345, bytes: 'p' },
      ],
    },
    'n',
  ],
  [
    'another magic is v7',
    {
      name: 'n',
      patches: [
        { offset: 257, bytes: 'USTAR\0' },
        { offset: 345, bytes: 'p' },
      ],
    },
    'n',
  ],
];

for (const [title, header, name] of FORMATS) {
  test(`extraction T13 ${title}`, () => {
    const { members, verdict } = readTar(encodeHeader(header));
    assert.deepEqual([verdict, members.map((member) => member.name)], ['done', [name]]);
  });
}

test('extraction T13 v7 has no device numbers, whatever stands there', () => {
  const block = encodeHeader({ name: 'c', typeFlag: '3', format: 'v7', patches: [{ offset: 329, bytes: '99999999' }] });
  assert.deepEqual(readTar(block).members[0]?.device, [0, 0]);
});

test('extraction T14 names fill their field, and end at the first NUL', () => {
  const full = 'x'.repeat(100);
  const members = readTar(
    Buffer.concat([
      encodeHeader({ name: full, linkName: full, typeFlag: '2' }),
      encodeHeader({ name: 'short\0garbage', linkName: 'there\0rest', typeFlag: '2' }),
      encodeHeader({ name: Buffer.from([0xff, 0xfe, 0x0a, 0x5c, 0x1b]) }),
    ]),
  ).members;
  assert.deepEqual(
    members.map(({ name, link }) => [name, link]),
    [
      [full, full],
      ['short', 'there'],
      ['\xff\xfe\n\\\x1b', ''],
    ],
  );
});

test('extraction T11 a block is zero only when all of it is', () => {
  const block = Buffer.alloc(514);
  assert.ok(isZeroBlock(block, 1));
  for (const at of [1, 256, 512]) {
    block[at] = 1;
    assert.equal(isZeroBlock(block, 1), false);
    block[at] = 0;
  }
  block[0] = block[513] = 1;
  assert.ok(isZeroBlock(block, 1));
});

test('extraction M4 type bits of the mode field are dropped', () => {
  const [member] = readTar(layer(file('x', '', { mode: 0o120755 }))).members;
  assert.equal(member?.mode, 0o755);
});

test('extraction M4 T1 of a mode in base-256 the low 12 bits count, however large it is', () => {
  for (const mode of ['80000000000081a4', 'bfffffffffffe1a4', 'ffffffffffffe1a4', 'c0000000000001a4']) {
    const block = encodeHeader({ name: 'x', patches: [{ offset: 100, bytes: Buffer.from(mode, 'hex') }] });
    assert.deepEqual([readTar(block).verdict, readTar(block).members[0]?.mode], ['done', 0o644], mode);
  }
});
