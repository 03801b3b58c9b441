import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLayer } from '../../src/testing/index.js';
import { extract, listTree, verdict, warned } from '../helpers/extract.js';

interface Case {
  readonly title: string;
  readonly layer: string;
  readonly tree: readonly string[];
  readonly warnings?: readonly string[];
}

/** Layers that random entries led to; each line of a tree leaves the root out. */
const CASES: readonly Case[] = [
  {
    title: 'N3 O4 an entry replaces the symlink that its own way leads through, where that way led',
    layer: 'sym a -> .\nfile a/a "new"',
    tree: ['a file "new" 0644 0:0:0100644'],
  },
  {
    title: 'N3 O2 a directory likewise',
    layer: 'dir d\nsym d/l -> /d\ndir d/l/l 0711',
    tree: ['d dir 0755 0:0:040755', 'd/l dir 0711 0:0:040711'],
  },
  {
    title: 'N6 H1 H2 a hard link below its own target keeps the file that the name had when it was read',
    layer: 'file p "x"\nlink p/a -> p 0600',
    tree: ['p dir 0755 -', 'p/a file "x" 0600 0:0:0100600'],
    warnings: ['N6'],
  },
  {
    title: 'N6 H1 H2 the same with more names of the file',
    layer: 'file p "x"\nlink q -> p 0600\nlink p/deep/a -> p 0640',
    tree: [
      'p dir 0755 -',
      'p/deep dir 0755 -',
      'p/deep/a file "x" 0640 0:0:0100640',
      'q file "x" 0640 0:0:0100640 = p/deep/a',
    ],
    warnings: ['N6'],
  },
  {
    title: 'W4 a whiteout is gone with its directory, and a loop in that place refuses nothing',
    layer: 'wh b/x\nsym b -> b',
    tree: ['b sym -> b'],
  },
  {
    title: 'N3 W4 a whiteout is folded where its way led when it was read',
    layer: 'sym l -> d\nwh l/x\ndir l\nfile d/x "new"',
    tree: ['d dir 0755 -', 'd/x file "new" 0644 0:0:0100644', 'l dir 0755 0:0:040755'],
  },
  {
    title: 'N6 W6 a directory that takes the place of a whiteout is none, and stays',
    layer: 'wh etc\nfile .wh.etc/f "literal"\nfile etc/g "g"',
    tree: [
      '.wh.etc dir 0755 -',
      '.wh.etc/f file "literal" 0644 0:0:0100644',
      'etc dir 0755 -',
      'etc/g file "g" 0644 0:0:0100644',
    ],
    warnings: ['N6', 'W6'],
  },
];

for (const { title, layer, tree, warnings = [] } of CASES) {
  for (const walk of [false, true]) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const extraction = extract(t, parseLayer(layer), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree).slice(1), tree);
      assert.deepEqual(warned(extraction), warnings);
    });
  }
}
