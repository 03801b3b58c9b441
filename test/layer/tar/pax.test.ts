import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeXattrs, parsePax } from '../../../src/layer/tar/pax.js';
import { encodePaxRecords, paxRecord, type Bytes, type PaxRecords } from '../../../src/testing/index.js';
import { verdictOf } from './read-tar.js';

const parse = (records: PaxRecords): ReturnType<typeof parsePax> => parsePax(encodePaxRecords(records));

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('latin1');

const MALFORMED: readonly (readonly [string, Bytes])[] = [
  ['a length that is too short', paxRecord('path', 'abc', '11')],
  ['a length that is too long', paxRecord('path', 'abc', '13')],
  ['a length of 0', paxRecord('path', 'abc', '0')],
  ['a length of itself alone', paxRecord('path', 'abc', '3')],
  ['a signed length', paxRecord('path', 'abc', '+13')],
  ['a negative length', paxRecord('path', 'abc', '-12')],
  ['an octal-looking length', paxRecord('path', 'abc', '0x0c')],
  ['a huge length', paxRecord('path', 'abc', '99999999999999999999')],
  ['no length', ' path=abc\n'],
  ['no space', '12path=abc\n'],
  ['a tab for the space', '12\tpath=abc\n'],
  ['a space before the length', ' 12 path=abc\n'],
  ['no "="', '9 pathab\n'],
  ['an empty key', '6 =ab\n'],
  ['no final newline', '12 path=abcd'],
  ['a newline too early', '13 path=ab\n\n'.slice(0, 12)],
  ['bytes left over', Buffer.concat([paxRecord('path', 'abc'), Buffer.from('1')])],
  ['zeros left over', Buffer.concat([paxRecord('path', 'abc'), Buffer.alloc(8)])],
  ['a blank line between records', Buffer.concat([paxRecord('a', 'b'), Buffer.from('\n'), paxRecord('c', 'd')])],
  ['NUL in a path', paxRecord('path', 'a\0b')],
  ['NUL in a link path', paxRecord('linkpath', 'a\0b')],
  ['NUL at the end of an attribute key', paxRecord('SCHILY.xattr.user.\0', 'v')],
  ['NUL in an attribute key', paxRecord('SCHILY.xattr.user.a\0b', 'v')],
  ['NUL in an encoded attribute key', paxRecord('LIBARCHIVE.xattr.user.a%00b', 'dg==')],
  ['an attribute without a name', paxRecord('SCHILY.xattr.', 'v')],
];

for (const [title, body] of MALFORMED) {
  test(`extraction T5 ${title} is refused`, () => {
    assert.equal(
      verdictOf(() => parsePax(Buffer.from(body))),
      'TAR_MALFORMED T5',
    );
  });
}

test('extraction T5 a record cut at any byte is refused', () => {
  const body = encodePaxRecords({ path: 'a/b', 'SCHILY.xattr.user.x': 'y' });
  const whole = [0, paxRecord('path', 'a/b').length, body.length];
  for (let length = 0; length <= body.length; length++) {
    const verdict = verdictOf(() => parsePax(body.subarray(0, length)));
    assert.equal(verdict, whole.includes(length) ? 'done' : 'TAR_MALFORMED T5', `${length} bytes`);
  }
});

test('extraction T5 lengths count themselves, at every number of digits', () => {
  for (const size of [1, 2, 3, 4, 5, 90, 91, 92, 93, 989, 990, 991, 992]) {
    const records = parse({ path: 'p'.repeat(size) });
    assert.equal(text(records.path), 'p'.repeat(size));
  }
  assert.equal(text(parsePax(Buffer.from('012 path=ab\n')).path), 'ab', 'leading zeros, as Go reads them');
});

test('extraction T5 values hold any byte, newlines and "=" included', () => {
  const value = Buffer.from([0, 10, 61, 255, 13]);
  const records = parse({ 'SCHILY.xattr.user.a': value, comment: '12 path=evil\n', path: 'a=b\n9 path=c\n' });
  assert.equal(text(records.path), 'a=b\n9 path=c\n');
  assert.deepEqual(
    mergeXattrs(records).map((xattr) => [text(xattr.name), text(xattr.value)]),
    [['user.a', value.toString('latin1')]],
  );
});

test('extraction T5 the last of a repeated key wins, an empty value deletes', () => {
  const repeated = parse([
    ['path', 'a'],
    ['uid', '1'],
    ['path', 'b'],
    ['uid', '2'],
    ['mtime', '1'],
    ['mtime', '2.5'],
  ]);
  assert.deepEqual(
    [text(repeated.path), repeated.uid, repeated.mtime],
    ['b', 2, { seconds: 2, nanoseconds: 500_000_000 }],
  );
  const keys = [
    'path',
    'linkpath',
    'size',
    'uid',
    'gid',
    'mtime',
    'SCHILY.xattr.user.a',
    'LIBARCHIVE.xattr.user.b',
    'GNU.sparse.name',
  ];
  const deleted = parse([...keys.map((key) => [key, '1'] as const), ...keys.map((key) => [key, ''] as const)]);
  const { path, linkpath, size, uid, gid, mtime, sparse } = deleted;
  assert.deepEqual([path, linkpath, size, uid, gid, mtime], Array(6).fill(undefined));
  assert.deepEqual([mergeXattrs(deleted).length, sparse.size], [0, 0]);
});

test('extraction T2 M7 M18 numbers that are none are refused with their rule', () => {
  const verdicts = (['size', 'uid', 'gid', 'mtime'] as const).map((key) => verdictOf(() => parse({ [key]: '1x' })));
  assert.deepEqual(verdicts, ['TAR_MALFORMED T2', 'TAR_MALFORMED M7', 'TAR_MALFORMED M7', 'TAR_MALFORMED M18']);
});

test('extraction T20 unknown keys are read past', () => {
  const { path, size } = parse({
    comment: 'c',
    hdrcharset: 'BINARY',
    atime: '1',
    ctime: 'x',
    'VENDOR.key': '',
    size: '7',
  });
  assert.deepEqual([path, size], [undefined, 7]);
});

test('extraction T20 hdrcharset changes no name', () => {
  for (const charset of ['BINARY', 'ISO-IR 10646 2000 UTF-8']) {
    assert.equal(text(parse({ hdrcharset: charset, path: Buffer.from([0xe9, 0xff]) }).path), '\xe9\xff');
  }
});

test('extraction M11 both forms of an attribute are read, SCHILY wins', () => {
  const merged = mergeXattrs(
    parse([
      ['SCHILY.xattr.user.both', 'schily'],
      ['LIBARCHIVE.xattr.user.both', Buffer.from('libarchive').toString('base64')],
      ['LIBARCHIVE.xattr.user.%C3%A9%3D', Buffer.from([0, 255]).toString('base64').replaceAll('=', '')],
    ]),
  );
  const byName = Object.fromEntries(merged.map(({ name, value }) => [text(name), text(value)]));
  assert.deepEqual(byName, { 'user.both': 'schily', 'user.\xc3\xa9=': '\0\xff' });
});

test('extraction M15 ACLs as text are attributes under their own name', () => {
  const merged = mergeXattrs(
    parse([
      ['SCHILY.acl.access', 'user::rw-'],
      ['SCHILY.acl.default', 'x'],
      ['SCHILY.acl.default', ''],
    ]),
  );
  assert.deepEqual(
    merged.map(({ name, value }) => [text(name), text(value)]),
    [['SCHILY.acl.access', 'user::rw-']],
  );
});

test('extraction T8 only a comment says nothing', () => {
  assert.equal(parse({ comment: 'x' }).isMeaningful, false);
  assert.equal(parse({}).isMeaningful, false);
  assert.equal(parse({ comment: 'x', uid: '0' }).isMeaningful, true);
});

test('extraction T5 what is kept of a header outlives its buffer', () => {
  const body = Uint8Array.from(
    encodePaxRecords({ path: 'a', linkpath: 'b', 'SCHILY.xattr.user.a': 'c', 'LIBARCHIVE.xattr.user.b': 'ZA' }),
  );
  const records = parsePax(body);
  body.fill(0xee);
  assert.deepEqual([text(records.path), text(records.linkpath)], ['a', 'b']);
  assert.deepEqual(
    mergeXattrs(records)
      .map(({ value }) => text(value))
      .toSorted(),
    ['c', 'd'],
  );
});
