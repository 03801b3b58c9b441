import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KIND } from '../../src/layer/commands.js';
import { createMeter } from '../../src/layer/meter.js';
import { Tree } from '../../src/layer/tree.js';
import { createWarnings } from '../../src/layer/warnings.js';
import { native } from '../../src/native.js';
import { HeldLinks } from '../../src/rootfs/held-links.js';
import { InodeNames } from '../../src/rootfs/inode-names.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const METER = createMeter(AMPLE, openUsage());
const METADATA = { mode: 0o644, uid: 0, gid: 0, mtime: 0, mtimeNs: 0 };

/** A root with a file `a`, on a file system that gives an inode three names at most. */
function openFull(t: TestContext): { readonly tree: Tree; inodesOf(names: readonly string[]): readonly number[] } {
  const base = temporaryDirectory(t);
  const root = join(base, 'tree');
  mkdirSync(root, { mode: 0o755 });
  const writer = native().writerOpen(Buffer.from(root), Buffer.from(base), false, process.umask(), false, 3);
  t.after(() => native().writerClose(writer));
  const tree = new Tree(native(), writer, createWarnings(), 0);
  tree.makeMarker(Buffer.from('a'));
  return { tree, inodesOf: (names) => names.map((name) => statSync(join(root, name)).ino) };
}

test('extraction H10 links of a layer beyond what an inode takes share copies in the composed root', (t) => {
  const { tree, inodesOf } = openFull(t);
  const names = new InodeNames(tree, METER);
  tree.listener = names;
  const first = Buffer.from('a');
  names.laid(first, first);
  const links = ['b', 'c', 'd', 'e', 'f', 'g'];
  for (const name of links) assert.ok(names.link(first, Buffer.from(name)));
  const [a, b, c, d, e, f, g] = inodesOf(['a', ...links]);
  assert.deepEqual([a, a, d, d, g], [b, c, e, f, g]);
  assert.equal(new Set([a, d, g]).size, 3);
});

test('extraction H6 H10 links into lower layers do as well', (t) => {
  const { tree, inodesOf } = openFull(t);
  const held = new HeldLinks(tree, METER);
  const links = ['b', 'c', 'd', 'e', 'f'].map((name, entry) => ({
    kind: 'deferred' as const,
    path: Buffer.from(name),
    target: Buffer.from('a'),
    entry,
    ...METADATA,
  }));
  held.hold(links);
  for (const link of links) held.make(link);
  held.release();
  const [b, c, d, e, f] = inodesOf(['b', 'c', 'd', 'e', 'f']);
  assert.deepEqual([b, d, f], [c, e, f]);
  assert.equal(new Set([b, d, f]).size, 3);
  assert.equal(tree.stat(Buffer.from('a')).kind, KIND.FILE);
});
