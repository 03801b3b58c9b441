import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XATTR } from '../../src/layer/commands.js';
import { CAPABILITY_COPY } from '../../src/layer/xattr-policy.js';
import { mostPackedBytes, NO_PACKED_XATTRS, packXattrs, type PackedXattrs } from '../../src/layer/xattrs.js';
import { file, layer } from '../../src/testing/index.js';
import { extract, verdict, warned } from '../helpers/extract.js';

const xattr = (name: string, value = 'v'): { name: Uint8Array; value: Uint8Array } => ({
  name: Buffer.from(name),
  value: Buffer.from(value),
});

function unpack({ bytes, count }: PackedXattrs): readonly (readonly [flag: number, name: string, value: string])[] {
  const buffer = Buffer.from(bytes);
  let at = 0;
  const list = Array.from({ length: count }, () => {
    const [name, value] = [buffer.readUInt32LE(at + 1), buffer.readUInt32LE(at + 5)];
    const start = at + 9;
    const one = [buffer[at]!, buffer.toString('latin1', start, start + name)] as const;
    at = start + name + value;
    return [...one, buffer.toString('latin1', at - value, at)] as const;
  });
  assert.equal(at, buffer.length);
  return list;
}

const ALL = [
  xattr('trusted.t'),
  xattr('security.capability', 'cap'),
  xattr('security.selinux'),
  xattr('user.a', 'v\0\n'),
  xattr('user.overlay.opaque'),
];

test('extraction M11 to M15 attributes are packed with what becomes of them', () => {
  const packed = packXattrs(ALL, { canHold: true, isPrivileged: false });
  assert.deepEqual(unpack(packed), [
    [XATTR.KEPT, 'trusted.t', 'v'],
    [XATTR.SET_UNLISTED, Buffer.from(CAPABILITY_COPY).toString(), 'cap'],
    [XATTR.KEPT, 'security.capability', 'cap'],
    [XATTR.KEPT, 'security.selinux', 'v'],
    [XATTR.SET, 'user.a', 'v\0\n'],
    [XATTR.KEPT, 'user.overlay.opaque', 'v'],
  ]);
  assert.deepEqual(packed.warnings, ['M12']);
});

test('extraction M13 M15 what needs privileges is set after all others', () => {
  const packed = unpack(packXattrs(ALL, { canHold: true, isPrivileged: true }));
  assert.deepEqual(
    packed.map(([flag, name]) => [flag, name]),
    [
      [XATTR.SET_UNLISTED, Buffer.from(CAPABILITY_COPY).toString()],
      [XATTR.KEPT, 'security.selinux'],
      [XATTR.SET, 'user.a'],
      [XATTR.KEPT, 'user.overlay.opaque'],
      [XATTR.SET, 'trusted.t'],
      [XATTR.SET, 'security.capability'],
    ],
  );
});

test('what is packed fits what was reserved for it, and nothing is nothing', () => {
  for (const isPrivileged of [false, true]) {
    for (const xattrs of [ALL, [xattr('security.capability', 'x'.repeat(1000))]]) {
      assert.ok(packXattrs(xattrs, { canHold: true, isPrivileged }).bytes.length <= mostPackedBytes(xattrs));
    }
  }
  assert.equal(packXattrs([], { canHold: true, isPrivileged: false }), NO_PACKED_XATTRS);
  assert.equal(mostPackedBytes([]), 0);
});

test('extraction M11 M16 attributes that are too large for a file are all listed, each warning names its entry', (t) => {
  const value = Buffer.alloc(500_000, 'v');
  const parts = Array.from({ length: 20 }, (_, index) => file(`f${index}`, 'x', { xattrs: { 'user.large': value } }));
  const extraction = extract(t, layer(...parts));
  assert.deepEqual([verdict(extraction), warned(extraction)], ['done', ['M16']]);
  const kept = extraction.lines().filter((line) => line.startsWith('#sluice.xattr kept user.large dnZ2'));
  assert.equal(kept.length, 20);
  const [warning] = extraction.outcome.warnings;
  assert.deepEqual(
    [warning?.count, ...warning!.first.map(({ entry }) => entry)],
    [20, ...Array.from({ length: 20 }, (_, index) => `f${index}`)],
  );
});
