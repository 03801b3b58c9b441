import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cleanName, endsInSlash, leafStart, printable } from '../../src/layer/path.js';
import { verdictOf } from './tar/read-tar.js';

const GUARD = 0xaa;

/** Cleans into the middle of a buffer, and sees that nothing is written around it. */
function clean(name: string): string {
  const bytes = Buffer.from(`<<${name}>>`, 'latin1');
  const target = new Uint8Array(bytes.length + 4).fill(GUARD);
  const length = cleanName({ bytes, start: 2, end: bytes.length - 2 }, target, 3);
  assert.deepEqual(
    [...target.subarray(0, 3), ...target.subarray(3 + name.length)].filter((byte) => byte !== GUARD),
    [],
  );
  return Buffer.from(target.subarray(3, 3 + length)).toString('latin1');
}

const NAMES: readonly (readonly [string, string])[] = [
  ['x', 'x'],
  ['/x', 'x'],
  ['./x', 'x'],
  ['//x//y//', 'x/y'],
  ['../../x', 'x'],
  ['/../victim/x', 'victim/x'],
  ['a/../x', 'x'],
  ['a/b/../../x', 'x'],
  ['a/../../x', 'x'],
  ['a/./b/.', 'a/b'],
  ['dne/../.wh.etc', '.wh.etc'],
  ['d/', 'd'],
  ['', ''],
  ['.', ''],
  ['/', ''],
  ['..', ''],
  ['a/..', ''],
  ['sub/../', ''],
  ['..gitme', '..gitme'],
  ['a..b', 'a..b'],
  ['...../x', '...../x'],
  ['.../..', ''],
  ['.a/..b/c.', '.a/..b/c.'],
  ['a\nb\\c\x1b', 'a\nb\\c\x1b'],
  ['\xff\xfe/\xe9', '\xff\xfe/\xe9'],
  [' / ', ' / '],
];

for (const [name, cleaned] of NAMES) {
  test(`extraction N2 E1 E2 ${JSON.stringify(name)} is ${JSON.stringify(cleaned)}`, () => {
    assert.equal(clean(name), cleaned);
  });
}

const DEEP = (parts: number): string => Array(parts).fill('d').join('/');
const WIDE = (bytes: number): string =>
  'p'
    .repeat(250)
    .concat('/')
    .repeat(20)
    .slice(0, bytes - 1) + 'e';

const LIMITS: readonly (readonly [string, string, string])[] = [
  ['a part of 255 bytes', 'x'.repeat(255), 'done'],
  ['a part of 256 bytes', 'x'.repeat(256), 'NAME_REFUSED X3'],
  ['a part of 256 bytes, last', `a/${'x'.repeat(256)}`, 'NAME_REFUSED X3'],
  ['a part of 256 bytes, first', `${'x'.repeat(256)}/a`, 'NAME_REFUSED X3'],
  ['a part of 256 bytes that ".." takes away', `${'x'.repeat(256)}/../a`, 'done'],
  ['4096 bytes', WIDE(4096), 'done'],
  ['4097 bytes', WIDE(4097), 'NAME_REFUSED X3'],
  ['4097 bytes before cleaning', `./${WIDE(4095)}`, 'done'],
  ['1024 parts', DEEP(1024), 'done'],
  ['1025 parts', DEEP(1025), 'NAME_REFUSED X3'],
  ['1025 parts before cleaning', `${DEEP(1024)}/..`, 'done'],
  ['2000 parts that come to one', 'a/../'.repeat(2000) + 'b', 'done'],
  ['NUL', 'a\0b', 'NAME_REFUSED X2'],
  ['NUL at the end', 'a\0', 'NAME_REFUSED X2'],
  ['NUL in a part that ".." takes away', 'a\0/../b', 'NAME_REFUSED X2'],
];

for (const [title, name, verdict] of LIMITS) {
  test(`extraction X2 X3 T14 a name with ${title}: ${verdict}`, () => {
    assert.equal(
      verdictOf(() => clean(name)),
      verdict,
    );
  });
}

/** The same, by lists. */
function cleanedByParts(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const part = fc.constantFrom('a', 'bc', '.', '..', '', '...', '..d', '.wh.x', '\xff');

test('extraction N2 property: cleaning is splitting, dropping and joining, and doing it again changes nothing', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const name = parts.join('/');
      const cleaned = clean(name);
      assert.equal(cleaned, cleanedByParts(name));
      assert.equal(clean(cleaned), cleaned);
    }),
  );
});

test('the leaf starts behind the last slash', () => {
  const path = Buffer.from('a/bc/def');
  assert.equal(leafStart(path, 0, path.length), 5);
  assert.equal(leafStart(path, 0, 4), 2);
  assert.equal(leafStart(path, 2, 4), 2);
  assert.equal(leafStart(path, 0, 1), 0);
  assert.equal(leafStart(path, 0, 0), 0);
});

test('extraction T13 a slash at the end makes an old directory', () => {
  const bytes = Buffer.from('a/b/');
  assert.deepEqual(
    [4, 3, 2, 0].map((end) => endsInSlash({ bytes, start: 0, end })),
    [true, false, true, false],
  );
});

test('names in messages: UTF-8 as it is, the rest escaped', () => {
  const cases: readonly (readonly [Buffer, string])[] = [
    [Buffer.from('plain/name'), 'plain/name'],
    [Buffer.from('caf\u00e9 \u{1f600}'), 'caf\u00e9 \u{1f600}'],
    [Buffer.from('a\nb'), 'a\\012b'],
    [Buffer.from('a\\b'), 'a\\134b'],
    [Buffer.from([0x61, 0x1b, 0x5b, 0x32, 0x4a]), 'a\\033[2J'],
    [Buffer.from([0xff, 0xfe, 0x0a]), '\\377\\376\\012'],
    [Buffer.from('\u0085'), '\\302\\205'],
    [Buffer.alloc(0), ''],
  ];
  for (const [bytes, text] of cases) assert.equal(printable(bytes), text);
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set(Buffer.from('abc'));
  assert.equal(printable(shared), 'abc');
});
