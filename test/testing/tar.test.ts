import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHeader, encodePaxRecords, paxRecord } from '../../src/testing/tar.js';

const field = (block: Buffer, offset: number, length: number): string =>
  block.subarray(offset, offset + length).toString('latin1');

test('a header puts every field in its place', () => {
  const block = encodeHeader({
    name: 'etc/passwd',
    mode: 0o4755,
    uid: 1000,
    gid: 100,
    sizeBytes: 12,
    mtime: 1,
    linkName: 'to',
    userName: 'u',
    groupName: 'g',
    major: 1,
    minor: 3,
    prefix: 'pre',
  });
  assert.equal(block.length, 512);
  assert.equal(field(block, 0, 11), 'etc/passwd\0');
  assert.equal(field(block, 100, 8), '0004755\0');
  assert.equal(field(block, 108, 8), '0001750\0');
  assert.equal(field(block, 116, 8), '0000144\0');
  assert.equal(field(block, 124, 12), '00000000014\0');
  assert.equal(field(block, 136, 12), '00000000001\0');
  assert.equal(field(block, 156, 3), '0to');
  assert.equal(field(block, 257, 8), 'ustar\x0000');
  assert.equal(field(block, 329, 16), '0000001\x000000003\0');
  assert.equal(field(block, 345, 4), 'pre\0');
});

test('checksums are unsigned, signed or made up', () => {
  const sumOf = (block: Buffer, isSigned: boolean): number => {
    const blank = Buffer.from(block).fill(' ', 148, 156);
    return blank.reduce((sum, byte) => sum + (isSigned && byte > 127 ? byte - 256 : byte), 0);
  };
  const name = Buffer.from([0xff, 0xfe, 0x61]);
  const shown = (block: Buffer): number => parseInt(field(block, 148, 6), 8);
  const plain = encodeHeader({ name });
  assert.equal(shown(plain), sumOf(plain, false));
  const signed = encodeHeader({ name, checksum: 'signed' });
  assert.equal(shown(signed), sumOf(signed, true));
  assert.notEqual(shown(signed), shown(plain));
  assert.equal(shown(encodeHeader({ name, checksum: 7 })), 7);
});

test('base-256 holds large and negative numbers', () => {
  const uidOf = (uid: number | bigint): string =>
    encodeHeader({ name: 'x', uid, format: 'gnu' }).toString('hex', 108, 116);
  assert.equal(uidOf(2 ** 21 - 1), Buffer.from('7777777\0').toString('hex'));
  assert.equal(uidOf(2 ** 21), '8000000000200000');
  assert.equal(uidOf(2 ** 32 - 1), '80000000ffffffff');
  assert.equal(uidOf(-1), 'ffffffffffffffff');
  const forced = encodeHeader({ name: 'x', sizeBytes: 5, isBase256: true });
  assert.equal(forced.toString('hex', 124, 136), '800000000000000000000005');
});

test('what does not fit is refused, not cut', () => {
  assert.throws(() => encodeHeader({ name: 'x'.repeat(101) }), RangeError);
  assert.throws(() => encodeHeader({ name: 'x', uid: 2 ** 21 }), RangeError);
  assert.throws(() => encodeHeader({ name: 'x', mtime: -1 }), RangeError);
  assert.equal(field(encodeHeader({ name: 'x'.repeat(100) }), 0, 101), `${'x'.repeat(100)}0`);
});

test('the length of a PAX record counts its own digits', () => {
  for (let length = 0; length < 1100; length++) {
    const record = paxRecord('k', 'v'.repeat(length)).toString();
    assert.equal(Number(record.split(' ')[0]), record.length);
  }
  assert.equal(paxRecord('path', 'x', '99').toString(), '99 path=x\n');
  const repeated = encodePaxRecords([
    ['a', '1'],
    ['a', '2'],
  ]);
  assert.equal(repeated.toString(), '6 a=1\n6 a=2\n');
});

test('formats differ in magic and in what stands at the prefix', () => {
  const magic = (format: 'v7' | 'ustar' | 'gnu' | 'star'): string => field(encodeHeader({ name: 'x', format }), 257, 8);
  assert.equal(magic('v7'), '\0'.repeat(8));
  assert.equal(magic('ustar'), 'ustar\x0000');
  assert.equal(magic('gnu'), 'ustar  \0');
  assert.equal(field(encodeHeader({ name: 'x', format: 'star' }), 508, 4), 'tar\0');
});
