import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SidecarEntry } from '../../src/oci/sidecar.js';
import { encodeEntry } from '../../src/rootfs/tar-header.js';
import { extract, verdict } from '../helpers/extract.js';

const ENTRY: SidecarEntry = {
  kind: 'entry',
  path: Buffer.from('f'),
  type: 'file',
  names: 1,
  size: 0,
  link: Buffer.alloc(0),
  devMajor: 0,
  devMinor: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: 0,
  mtimeNs: 0,
  isImplied: false,
  hardLink: null,
  xattrs: [],
  crc32c: null,
  isFolded: false,
};

test('names, targets, numbers and times of any size are read back as they were', (t) => {
  const name = fc.uint8Array({ minLength: 1, maxLength: 120 }).map((bytes) => {
    const safe = bytes.map((byte) => (byte === 0 || byte === 0x2f || byte === 0x2e ? 0x61 : byte));
    return Buffer.from(safe);
  });
  const id = fc.oneof(fc.nat(4_294_967_294), fc.constantFrom(0, 2_097_151, 2_097_152, 4_294_967_294));
  const entry = fc.record({
    path: name,
    link: name,
    mode: fc.nat(0o7777),
    uid: id,
    gid: id,
    mtime: fc.oneof(fc.integer(), fc.constantFrom(-1, 0, 8 ** 11 - 1, 8 ** 11)),
    mtimeNs: fc.oneof(fc.nat(999_999_999), fc.constantFrom(0, 1, 500_000_000)),
  });
  fc.assert(
    fc.property(entry, (fields) => {
      const header = encodeEntry({ ...ENTRY, ...fields, type: 'link' });
      const extraction = extract(t, Buffer.concat([header, Buffer.alloc(1024)]));
      assert.equal(verdict(extraction), 'done');
      const line = extraction.lines().at(-1)!;
      const { mode, uid, gid, mtime, mtimeNs } = fields;
      const time = `${mtime}.${String(mtimeNs).padStart(9, '0')}`;
      const keywords = ` type=link mode=0${mode.toString(8).padStart(3, '0')} uid=${uid} gid=${gid} time=${time} link=`;
      assert.ok(
        line.includes(keywords),
        `${line}
${keywords}`,
      );
    }),
    { numRuns: 60 },
  );
});

test('extraction M11 attributes are bytes, and one with "=" in its name takes the other spelling', (t) => {
  const xattrs = ['user.plain', 'user.a=b', 'user.\u00e4%'].map((text) => ({
    name: Buffer.from(text),
    value: Buffer.from([0, 10, 255]),
    isSet: true,
  }));
  for (let length = 1; length < 120; length++) {
    const padded = { name: Buffer.from('user.len'), value: Buffer.alloc(length, 7), isSet: true };
    const header = encodeEntry({ ...ENTRY, xattrs: [...xattrs, padded] });
    const extraction = extract(t, Buffer.concat([header, Buffer.alloc(1024)]));
    assert.equal(verdict(extraction), 'done');
    const lines = extraction.lines().filter((line) => line.startsWith('#sluice.xattr'));
    assert.deepEqual(lines, [
      '#sluice.xattr set user.a\\075b AAr/',
      `#sluice.xattr set user.len ${padded.value.toString('base64')}`,
      '#sluice.xattr set user.plain AAr/',
      '#sluice.xattr set user.\\303\\244% AAr/',
    ]);
  }
});

test('a socket has no word in a tar', () => {
  assert.throws(() => encodeEntry({ ...ENTRY, type: 'socket' }), { code: 'ENTRY_TYPE_UNSUPPORTED' });
});
