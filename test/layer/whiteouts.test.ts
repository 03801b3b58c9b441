import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { file, layer, parseLayer, whiteout } from '../../src/testing/index.js';
import { extract, listTree, verdict, warned } from '../helpers/extract.js';

const ROOT = '. dir 0755 0:0:040755';
const MARKER = 'file "" 0600 0:0:0100644';
const F = '0644 0:0:0100644';

interface Case {
  readonly title: string;
  readonly layer: string;
  readonly tree: readonly string[];
  readonly warnings?: readonly string[];
  /** Comment lines of the sidecar. */
  readonly folded?: readonly string[];
}

const WHITEOUTS: readonly Case[] = [
  ...(['file', 'dir', 'sym', 'link', 'char', 'block', 'fifo'] as const).map((form) => ({
    title: `W1 W2 a whiteout as ${form} is an empty file`,
    layer: `wh x as=${form}\nopq d as=${form}`,
    tree: [ROOT, `.wh.x ${MARKER}`, 'd dir 0755 -', `d/.wh..wh..opq ${MARKER}`],
  })),
  {
    title: 'W2 a body is dropped, owner and mode are kept',
    layer: 'file .wh.x "body" 04755 5:6\nfile after "1"',
    tree: [ROOT, '.wh.x file "" 0600 5:6:0104755', `after file "1" ${F}`],
  },
  {
    title: 'W3 W4 a whiteout before its file',
    layer: 'wh f\nfile f "1"',
    tree: [ROOT, `f file "1" ${F}`],
    folded: ['#sluice.folded .wh.f'],
  },
  {
    title: 'W3 W4 S11 a whiteout after its file',
    layer: 'file f "1"\nwh f',
    tree: [ROOT, `f file "1" ${F}`],
    folded: ['#sluice.folded .wh.f'],
  },
  {
    title: 'W4 a whiteout of a symlink of its layer',
    layer: 'sym l -> nowhere\nwh l',
    tree: [ROOT, 'l sym -> nowhere'],
    folded: ['#sluice.folded .wh.l'],
  },
  {
    title: 'W4 a whiteout of a directory becomes an opaque mark',
    layer: 'wh d\ndir d 0700\nfile d/f "1"',
    tree: [ROOT, 'd dir 0700 0:0:040700', `d/.wh..wh..opq ${MARKER}`, `d/f file "1" ${F}`],
    folded: ['#sluice.folded .wh.d'],
  },
  {
    title: 'W4 S11 whiteout, opaque mark and implied directory, in odd order',
    layer: 'opq d\nfile d/f "1"\nwh d',
    tree: [ROOT, 'd dir 0755 -', `d/.wh..wh..opq ${MARKER}`, `d/f file "1" ${F}`],
    folded: ['#sluice.folded .wh.d'],
  },
  {
    title: 'W4 a name that comes through a hard link',
    layer: 'file a "1"\nwh b\nlink b -> a',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`],
    folded: ['#sluice.folded .wh.b'],
  },
  {
    title: 'W4 a forward hard link',
    layer: 'wh b\nlink b -> a\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`],
    folded: ['#sluice.folded .wh.b'],
  },
  {
    title: 'W4 a link into a lower layer is not folded',
    layer: 'wh b\nlink b -> lower',
    tree: [ROOT, `.wh.b ${MARKER}`],
    warnings: ['H6'],
  },
  {
    title: 'W4 E20 a marker behind a symlink is folded where it lands',
    layer: 'dir t\nsym l -> t\nwh l/x\nfile t/x "1"',
    tree: [ROOT, 'l sym -> t', 't dir 0755 0:0:040755', `t/x file "1" ${F}`],
    folded: ['#sluice.folded .wh.x'],
  },
  {
    title: 'W4 odd names are written in vis form',
    layer: 'file ".wh.a b*" ""\nfile "a b*" "1"',
    tree: [ROOT, `a b* file "1" ${F}`],
    folded: ['#sluice.folded .wh.a\\040b\\052'],
  },
  {
    title: 'W4 a marker twice is folded once',
    layer: 'wh f\nfile f "1"\nwh f',
    tree: [ROOT, `f file "1" ${F}`],
    folded: ['#sluice.folded .wh.f'],
  },
  {
    title: 'W4 a marker whose directory went away',
    layer: 'wh d/f\nfile d/f "1"\nfile d "2"',
    tree: [ROOT, `d file "2" ${F}`],
  },
  {
    title: 'W5 S12 a whiteout beside an opaque mark is kept',
    layer: 'opq d\nwh d/y',
    tree: [ROOT, 'd dir 0755 -', `d/.wh..wh..opq ${MARKER}`, `d/.wh.y ${MARKER}`],
  },
  {
    title: 'W6 E20 a directory named like a whiteout is literal',
    layer: 'file .wh.etc/somefile "1"',
    tree: [ROOT, '.wh.etc dir 0755 -', `.wh.etc/somefile file "1" ${F}`],
    warnings: ['W6'],
  },
  {
    title: 'W7 AUFS bookkeeping binds hard links and is gone at the end',
    layer:
      'dir .wh..wh.plnk 0700\nfile .wh..wh.plnk/1.2 "1"\nlink a -> .wh..wh.plnk/1.2\nfile .wh..wh.aufs ""\ndir .wh..wh.orph',
    tree: [ROOT, `a file "1" ${F}`],
    warnings: ['W7'],
  },
  {
    title: 'W7 a hard link among AUFS bookkeeping',
    layer: 'file a "1"\nlink .wh..wh.plnk/9 -> a',
    tree: [ROOT, `a file "1" ${F}`],
    warnings: ['W7'],
  },
  {
    title: 'W10 a device 0:0 is a device',
    layer: 'char x 0600 0,0',
    tree: [ROOT, 'x file "" 0600 0:0:020600:char-0-0'],
  },
  {
    title: 'E20 a) a whiteout of a symlink’s name alone · c) behind a dangling link · d) cleaned first',
    layer: 'wh l\nsym dangling -> gone\nwh dangling/x\nfile dne/../.wh.etc ""',
    tree: [
      ROOT,
      `.wh.etc ${MARKER}`,
      `.wh.l ${MARKER}`,
      'dangling sym -> gone',
      'gone dir 0755 -',
      `gone/.wh.x ${MARKER}`,
    ],
  },
];

for (const walk of [false, true]) {
  for (const { title, layer, tree, warnings = [], folded = [] } of WHITEOUTS) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const extraction = extract(t, parseLayer(layer), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree), tree);
      assert.deepEqual(warned(extraction), warnings);
      assert.deepEqual(
        extraction.lines().filter((line) => line.startsWith('#sluice.folded')),
        folded,
      );
    });
  }
}

test('extraction W4 a layer that holds the marker file alone has it in the sidecar, a folded one has not', (t) => {
  const raw = extract(t, parseLayer('wh f')).lines();
  const folded = extract(t, parseLayer('wh f\nfile f "1"')).lines();
  const names = (lines: readonly string[]): readonly string[] =>
    lines.filter((line) => line.startsWith('.')).map((line) => line.split(' ')[0]!);
  assert.deepEqual(names(raw), ['.', './.wh.f']);
  assert.deepEqual(names(folded), ['.', './f']);
});

test('extraction W4 T18 thousands of markers are remembered in order, and folded', (t) => {
  const count = 5000;
  const names = Array.from({ length: count }, (_, index) => `d${index % 7}/${'n'.repeat(index % 90)}${index}`);
  const parts = names.map((name, index) => (index % 10 === 0 ? file(name, 'x', { format: 'gnu' }) : null));
  const markers = names.map((name) => whiteout(name, { format: 'gnu' }));
  const extraction = extract(t, layer(...markers, ...parts.filter((part) => part !== null)));
  assert.equal(verdict(extraction), 'done');
  const folded = extraction.lines().filter((line) => line.startsWith('#sluice.folded'));
  assert.equal(folded.length, count / 10);
  assert.equal(readdirSync(join(extraction.tree, 'd3')).length, names.filter((name) => name.startsWith('d3/')).length);
});
