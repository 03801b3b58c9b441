import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XATTR } from '../../src/layer/commands.js';
import { CAPABILITY_COPY, decideXattr } from '../../src/layer/xattr-policy.js';

const KEPT = { flag: XATTR.KEPT, hasCopy: false, isPrivileged: false, warning: null };
const SET = { ...KEPT, flag: XATTR.SET };
const SET_PRIVILEGED = { ...SET, isPrivileged: true };
const FILE = { canHold: true, isPrivileged: false };
const PRIVILEGED = { canHold: true, isPrivileged: true };

const FORGEABLE = [
  'user.containers.override_stat',
  'user.containers.override_security.capability',
  'user.overlay.opaque',
  'user.fuseoverlayfs.opaque',
  'user.msb.x',
  'trusted.overlay.opaque',
  'security.fuseoverlayfs.x',
];

for (const name of FORGEABLE) {
  test(`extraction M12 S18 ${name} of an image is never set`, () => {
    for (const canHold of [true, false]) {
      for (const isPrivileged of [true, false]) {
        assert.deepEqual(decideXattr(name, { canHold, isPrivileged }), { ...KEPT, warning: 'M12' });
      }
    }
  });
}

test('extraction M11 to M15 what is done with an attribute of a file or directory', () => {
  assert.deepEqual(decideXattr('user.mime_type', FILE), SET);
  assert.deepEqual(decideXattr('user.', FILE), SET);
  assert.deepEqual(decideXattr('user.overlayx', FILE), SET, 'a name that only begins like a forgeable one');
  assert.deepEqual(decideXattr('user.containersx', FILE), SET);
  assert.deepEqual(decideXattr('security.capability', FILE), { ...KEPT, hasCopy: true });
  for (const name of ['security.selinux', 'security.ima', 'trusted.x', 'system.posix_acl_access', 'odd']) {
    assert.deepEqual(decideXattr(name, FILE), KEPT, name);
  }
});

test('extraction M13 M14 M15 what needs privileges is set for those who ask, but for a label', () => {
  assert.deepEqual(decideXattr('security.capability', PRIVILEGED), { ...SET_PRIVILEGED, hasCopy: true });
  for (const name of ['security.ima', 'security.selinuxx', 'trusted.x', 'system.posix_acl_access']) {
    assert.deepEqual(decideXattr(name, PRIVILEGED), SET_PRIVILEGED, name);
  }
  for (const name of ['security.selinux', 'odd', 'SCHILY.acl.access']) {
    assert.deepEqual(decideXattr(name, PRIVILEGED), KEPT, name);
  }
  assert.deepEqual(decideXattr('user.x', PRIVILEGED), SET);
});

test('extraction S6 what cannot hold an attribute keeps it in the sidecar, with a warning', () => {
  for (const name of ['user.x', 'security.capability', 'security.selinux']) {
    for (const isPrivileged of [true, false]) {
      assert.deepEqual(decideXattr(name, { canHold: false, isPrivileged }), { ...KEPT, warning: 'S6' }, name);
    }
  }
});

test('extraction M13 the copy of a capability has the name that fuse-overlayfs reads', () => {
  assert.equal(Buffer.from(CAPABILITY_COPY).toString(), 'user.containers.override_security.capability');
});
