import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XATTR } from '../../src/layer/commands.js';
import { CAPABILITY_COPY, decideXattr } from '../../src/layer/xattr-policy.js';

const SET = { flag: XATTR.SET, hasCopy: false, warning: null };
const KEPT = { flag: XATTR.KEPT, hasCopy: false, warning: null };

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
      assert.deepEqual(decideXattr(name, canHold), { flag: XATTR.KEPT, hasCopy: false, warning: 'M12' });
    }
  });
}

test('extraction M11 to M15 what is done with an attribute of a file or directory', () => {
  assert.deepEqual(decideXattr('user.mime_type', true), SET);
  assert.deepEqual(decideXattr('user.', true), SET);
  assert.deepEqual(decideXattr('user.overlayx', true), SET, 'a name that only begins like a forgeable one');
  assert.deepEqual(decideXattr('user.containersx', true), SET);
  assert.deepEqual(decideXattr('security.capability', true), { flag: XATTR.KEPT, hasCopy: true, warning: null });
  for (const name of ['security.selinux', 'security.ima', 'trusted.x', 'system.posix_acl_access', 'odd']) {
    assert.deepEqual(decideXattr(name, true), KEPT, name);
  }
});

test('extraction S6 what cannot hold an attribute keeps it in the sidecar, with a warning', () => {
  for (const name of ['user.x', 'security.capability', 'security.selinux']) {
    assert.deepEqual(decideXattr(name, false), { flag: XATTR.KEPT, hasCopy: false, warning: 'S6' }, name);
  }
});

test('extraction M13 the copy of a capability has the name that fuse-overlayfs reads', () => {
  assert.equal(Buffer.from(CAPABILITY_COPY).toString(), 'user.containers.override_security.capability');
});
