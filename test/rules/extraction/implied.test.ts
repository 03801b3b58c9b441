import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseLayer } from '../../../src/testing/index.js';
import { extract } from '../../helpers/extract.js';
import { testLayers } from '../../helpers/matrix.js';

testLayers(
  [
    {
      title: 'P1 S1 a parent without an entry is made, and marked',
      layer: 'dir etc/dnf/\nfile usr/share/doc/x "1" mtime=9',
      tree: 'implied etc\ndir etc/dnf\nimplied usr\nimplied usr/share\nimplied usr/share/doc\nfile usr/share/doc/x "1" mtime=9',
    },
    {
      title: 'P1 parents of whatever comes',
      layer: 'file a "1"\nlink b/l -> a\nsym c/s -> x\nfifo d/p\nchar e/c 1,3\nwh f/w\nopq g\ndir h/i',
      tree: `
        file a "1"
        implied b
        link b/l -> a
        implied c
        sym c/s -> x
        implied d
        fifo d/p
        implied e
        char e/c 1,3
        implied f
        wh f/w
        implied g
        opq g
        implied h
        dir h/i
      `,
    },
    {
      title: 'P1 a name that ".." takes away needs no parent',
      layer: 'file a/../b "1"\nfile x/y/../../c "2"',
      tree: 'file b "1"\nfile c "2"',
    },
    {
      title: 'P2 an entry that comes later gives its metadata',
      layer: 'file a/b/c "1"\ndir a/b 0700 3:3 mtime=5 xattr:user.x="1"\ndir a 0711 mtime=6',
      tree: 'dir a 0711 mtime=6\ndir a/b 0700 3:3 mtime=5 xattr:user.x="1"\nfile a/b/c "1"',
    },
    {
      title: 'P2 a directory that was removed is implied anew',
      layer: 'dir a 0700 3:3\nfile a "1"\nfile a/b "2"',
      tree: 'implied a\nfile a/b "2"',
      warns: 'N6',
    },
    {
      title: 'P6 E14 an explicit directory takes a symlink’s place, an implied one goes through it',
      layer: 'dir t\nsym s -> t\nsym u -> t\nfile s/1 "1"\ndir u 0711\nfile u/2 "2"',
      tree: 'dir t\nsym s -> t\nfile t/1 "1"\ndir u 0711\nfile u/2 "2"',
    },
  ],
  'compat K11 extraction',
);

test('extraction P1 the umask has no say, and the time is 1970', (t) => {
  const before = process.umask(0o077);
  try {
    const { tree } = extract(t, parseLayer('file a/b/c "1" mtime=5'));
    for (const name of ['a', 'a/b']) {
      const { mode, mtimeMs } = lstatSync(join(tree, name));
      assert.deepEqual([mode & 0o7777, mtimeMs], [0o755, 0]);
    }
  } finally {
    process.umask(before);
  }
});
