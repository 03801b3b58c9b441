import assert from 'node:assert/strict';
import { lstatSync, readFileSync, readlinkSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../../src/native.js';
import { openControl } from '../../../src/transfer/control.js';
import { listTree, overrideOf } from '../../helpers/extract.js';
import { compose, composeLayersOf, extractLayerOf, judged } from '../../rootfs/compose-layers.js';

interface Case {
  readonly title: string;
  /** Bottom to top. */
  readonly layers: readonly string[];
  readonly tree: readonly string[];
  readonly warnings?: string;
}

const ROOT = '. dir 0755 0:0:040755';
const file = (name: string, content: string): string => `${name} file ${JSON.stringify(content)} 0644 0:0:0100644`;
const dir = (name: string): string => `${name} dir 0755 0:0:040755`;

const CASES: readonly Case[] = [
  {
    title: 'W8 upper entries are laid over lower ones, whatever they are',
    layers: [
      'file f "1"\ndir d 0700 1:1\nfile d/k "k"\nsym s -> x\nfile g "g"\ndir h\nfile h/i "i"',
      'file f "2" 0600 5:5\ndir d 0711 2:2\nfile d/l "l"\nfile s "s"\ndir g\nsym h -> f',
    ],
    tree: [
      ROOT,
      'd dir 0711 2:2:040711',
      file('d/k', 'k'),
      file('d/l', 'l'),
      'f file "2" 0600 5:5:0100600',
      dir('g'),
      'h sym -> f',
      file('s', 's'),
    ],
  },
  {
    title: 'W8 a whiteout hides what is below and nothing of its own layer',
    layers: ['file a "1"\ndir b\nfile b/c "2"\nfile keep "k"', 'wh a\nwh b\nfile b/new "n"'],
    tree: [ROOT, dir('b'), file('b/new', 'n'), file('keep', 'k')],
  },
  {
    title: 'W8 an opaque mark hides what is in the directory and keeps the directory',
    layers: ['dir d 0711 3:3\nfile d/a "1"\ndir d/e\nfile d/e/f "2"', 'file d/new "n"\nopq d'],
    tree: [ROOT, 'd dir 0711 3:3:040711', file('d/new', 'n')],
  },
  {
    title: 'W8 an opaque root hides everything below',
    layers: ['file a "1"\ndir d\nfile d/e "2"', 'opq ./\nfile b "3"'],
    tree: [ROOT, file('b', '3')],
  },
  {
    title: 'W8 whiteouts of a middle layer do not reach the layers above',
    layers: ['file a "1"', 'wh a', 'file a "3"'],
    tree: [ROOT, file('a', '3')],
  },
  {
    title: 'W5 W8 a whiteout beside an opaque mark, and one of nothing',
    layers: ['dir d\nfile d/a "1"\nfile d/b "2"', 'opq d\nwh d/a\nwh none\nwh no/such/way\nfile d/c "3"'],
    tree: [ROOT, dir('d'), file('d/c', '3')],
  },
  {
    title: 'W4 W8 a directory whose whiteout was folded into it hides the lower one whole',
    layers: ['dir d 0700 7:7\nfile d/a "1"', 'wh d\nfile d/b "2"'],
    tree: [ROOT, dir('d'), file('d/b', '2')],
  },
  {
    title: 'W8 all whiteouts are looked up in the tree below before one of them takes anything away',
    layers: ['dir t\nfile t/a "1"\nsym l -> t\nsym m -> l', 'wh l\nwh l2\nwh m/a', ''],
    tree: [ROOT, 'm sym -> l', dir('t')],
  },
  {
    title: 'W4 E21 a directory whose whiteout was folded into it leads nowhere below',
    layers: ['dir t\nfile t/a "1"\nsym l -> t', 'wh l\nwh l/a'],
    tree: [ROOT, dir('t'), file('t/a', '1')],
  },
  {
    title: 'W6 W8 a directory that is named like a marker is an ordinary one',
    layers: ['file etc/f "1"', 'file .wh.etc/f "2"'],
    tree: [ROOT, dir('.wh.etc'), file('.wh.etc/f', '2'), dir('etc'), file('etc/f', '1')],
  },
  {
    title: 'W9 an implied directory with nothing but markers is not made',
    layers: ['file a "1"', 'wh x/y/z\nopq v\nwh a'],
    tree: [ROOT],
  },
  {
    title: 'W9 an implied directory with markers over a directory of a lower layer stays what it is',
    layers: ['dir x 0700 4:4\nfile x/y "1"', 'wh x/y'],
    tree: [ROOT, 'x dir 0700 4:4:040700'],
  },
  {
    title: 'E21 an opaque directory replaces a symlink, whose target is never cleared',
    layers: ['dir t\nfile t/keep "k"\nsym d -> t', 'dir d 0700 1:1\nopq d\nfile d/new "n"'],
    tree: [ROOT, 'd dir 0700 1:1:040700', file('d/new', 'n'), dir('t'), file('t/keep', 'k')],
  },
  {
    title: 'E21 an implied directory that is opaque replaces a symlink as well',
    layers: ['dir t\nfile t/keep "k"\nsym d -> /t', 'opq d'],
    tree: [ROOT, dir('d'), dir('t'), file('t/keep', 'k')],
  },
  {
    title: 'E21 markers in a directory over a symlink do not reach through it',
    layers: ['dir t\nfile t/keep "k"\ndir t/u\nfile t/u/v "v"\nsym d -> t', 'dir d\nwh d/keep\nopq d/u'],
    tree: [ROOT, dir('d'), dir('t'), file('t/keep', 'k'), dir('t/u'), file('t/u/v', 'v')],
  },
  {
    title: 'E21 whiteouts beside and below an opaque mark over a symlink do not reach through it',
    layers: [
      'dir t\nfile t/keep "k"\ndir t/u\nfile t/u/v "v"\nsym d -> /t',
      'opq d\nwh d/keep\nopq d/u\nwh d/u/v\nwh t/u/none',
    ],
    tree: [ROOT, dir('d'), dir('t'), file('t/keep', 'k'), dir('t/u'), file('t/u/v', 'v')],
  },
  {
    title: 'E26 P5 what a layer writes through a symlink of a lower one lands at its target in the root',
    layers: [
      'dir run 0711 1:1\ndir var\nsym var/run -> /run',
      'file var/run/x "x"',
      'file var/run/y "y"\nwh var/run/x',
    ],
    tree: [ROOT, 'run dir 0711 1:1:040711', file('run/y', 'y'), dir('var'), 'var/run sym -> /run'],
  },
  {
    title: 'E26 symlinks that lead up and out stay in the root',
    layers: ['sym up -> ../../../../..\nsym abs -> /etc', 'file up/etc/passwd "p"\nfile abs/shadow "s"'],
    tree: [
      ROOT,
      'abs sym -> /etc',
      dir('etc'),
      file('etc/passwd', 'p'),
      file('etc/shadow', 's'),
      'up sym -> ../../../../..',
    ],
  },
  {
    title: 'P5 S2 a symlink without a target gets one, when a layer writes through it',
    layers: ['dir var\nsym var/run -> /run/deep', 'file var/run/x "x"'],
    tree: [ROOT, dir('run'), dir('run/deep'), file('run/deep/x', 'x'), dir('var'), 'var/run sym -> /run/deep'],
  },
  {
    title: 'P6 E14 an explicit directory replaces a symlink',
    layers: ['dir t 0711 1:1\nfile t/k "k"\nsym d -> t', 'dir d 0700 2:2\nfile d/n "n"'],
    tree: [ROOT, 'd dir 0700 2:2:040700', file('d/n', 'n'), 't dir 0711 1:1:040711', file('t/k', 'k')],
  },
  {
    title: 'P4 an implied directory has what the own chain says',
    layers: ['dir d 01777 9:9', 'file d/a "a"', 'file d/b "b"'],
    tree: [ROOT, 'd dir 0777 9:9:041777', file('d/a', 'a'), file('d/b', 'b')],
  },
  {
    title: 'N6 an implied directory takes the place of a file of a lower layer',
    layers: ['file x "1"', 'file x/y "2"'],
    tree: [ROOT, dir('x'), file('x/y', '2')],
    warnings: ' N6',
  },
  {
    title: 'M3 a root that no entry gave anything leaves the lower one as it is',
    layers: ['dir ./ 0711 3:4', 'file a "1"', 'dir ./ 0700 5:6', 'file b "2"'],
    tree: ['. dir 0700 5:6:040700', file('a', '1'), file('b', '2')],
  },
  {
    title: 'M3 a root that an entry gave a mode alone replaces the lower one',
    layers: ['dir ./ 0711 3:4', 'dir ./ 0700'],
    tree: ['. dir 0700 0:0:040700'],
  },
  {
    title: 'H6 a hard link into a lower layer is a file of its own with the link’s metadata, one inode a group',
    layers: ['file a "1" 0600 1:1', 'link b -> a 0640 2:2\nlink c -> /a 0640 2:2'],
    tree: [ROOT, 'a file "1" 0600 1:1:0100600', 'b file "1" 0640 2:2:0100640', 'c file "1" 0640 2:2:0100640 = b'],
  },
  {
    title: 'H6 the target is looked up before the layer’s whiteouts, an opaque root among them',
    layers: ['dir d\nfile d/a "1"\nfile z "z"', 'link d/b -> d/a\nwh d/a\nlink y -> z\nopq ./'],
    tree: [ROOT, dir('d'), file('d/b', '1'), file('y', 'z')],
  },
  {
    title: 'H6 the target is found through symlinks, in the nearest layer, and may itself be a deferred link',
    layers: ['dir t\nfile t/a "old"\nsym l -> /t', 'file t/a "new"', 'link b -> l/a', 'link c -> b\nwh b'],
    tree: [ROOT, file('c', 'new'), 'l sym -> /t', dir('t'), file('t/a', 'new')],
  },
  {
    title: 'H6 W4 a whiteout and a deferred link of one name: the lower one goes, the link comes',
    layers: ['file x "old"\nfile a "1"', 'wh x\nlink x -> a'],
    tree: [ROOT, file('a', '1'), file('x', '1')],
  },
  {
    title: 'H6 E11 a hard link to a symlink of a lower layer is that symlink',
    layers: ['sym s -> /etc/passwd', 'link l -> s'],
    tree: [ROOT, 'l sym -> /etc/passwd', 's sym -> /etc/passwd'],
  },
  {
    title: 'H6 H7 the metadata of the last link count, whatever the order of the names',
    layers: ['file t "1"', 'link z -> t 0600 1:1\nlink a -> t 0640 2:2'],
    tree: [ROOT, 'a file "1" 0640 2:2:0100640', file('t', '1'), 'z file "1" 0640 2:2:0100640 = a'],
  },
  {
    title: 'W8 hard links of a marker are files, and no marker comes with them',
    layers: [
      'file x "1"\ndir d\nfile d/e "2"',
      'wh x\nlink y -> .wh.x\nlink z -> .wh.x\nopq d\nlink a -> d/.wh..wh..opq',
    ],
    tree: [ROOT, file('a', ''), dir('d'), file('y', ''), `${file('z', '')} = y`],
  },
  {
    title: 'W8 E26 a hard link keeps its content when its first name is replaced through a lower symlink',
    layers: ['sym l -> /', 'file f "1"\nlink y -> f\nlink z -> f\nfile l/f "2"'],
    tree: [ROOT, file('f', '2'), 'l sym -> /', file('y', '1'), `${file('z', '1')} = y`],
  },
  {
    title: 'W8 E26 two names of an inode that are one through a lower symlink are that',
    layers: ['sym l -> /', 'file f "1"\nlink l/f -> f'],
    tree: [ROOT, file('f', '1'), 'l sym -> /'],
  },
  {
    title: 'W8 O3 a hard link replaces the directory that its first name landed in',
    layers: ['dir z\nfile z/old "0"\nsym s -> z', 'file s/f "1"\nlink z -> s/f'],
    tree: [ROOT, 's sym -> z', file('z', '1')],
  },
  {
    title: 'W8 O4 a hard link replaces the symlink that its own way leads through',
    layers: ['sym a -> .', 'file 0 "1"\nlink a/a -> 0'],
    tree: [ROOT, file('0', '1'), `${file('a', '1')} = 0`],
  },
];

for (const walk of [false, true]) {
  for (const { title, layers, tree, warnings = '' } of CASES) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const composition = compose(t, layers, { walk });
      assert.equal(judged(composition), `done${warnings}`, JSON.stringify(composition.outcome));
      assert.deepEqual(listTree(composition.tree), tree);
    });
  }
}

test('extraction H6 a target that no layer below has fails the composing, and names the entry', (t) => {
  const composition = compose(t, ['file a "1"', 'wh a', 'link d/b -> a']);
  assert.equal(judged(composition), 'ENTRY_REFUSED H6');
  const { outcome, layers } = composition;
  assert.ok(outcome.kind === 'failed');
  assert.deepEqual([outcome.error.detail.entry, outcome.error.detail.layer], ['d/b', layers[2]!.digest]);
});

test('extraction H8 a hard link to a directory of a lower layer is refused', (t) => {
  assert.equal(judged(compose(t, ['dir d', 'link b -> d'])), 'ENTRY_REFUSED H8');
});

test('extraction W8 hard links within a layer stay one inode, over whatever a lower layer has there', (t) => {
  const { tree, entries } = compose(t, [
    'file b "old"\ndir c',
    'file a "1" 04755 3:3\nlink b -> a 04755 3:3\nlink c -> a 04755 3:3',
  ]);
  const inodes = ['a', 'b', 'c'].map((name) => statSync(join(tree, name)).ino);
  assert.equal(new Set(inodes).size, 1);
  assert.deepEqual(entries().get('b')?.hardLink?.toString(), 'a');
  assert.equal(overrideOf(join(tree, 'c')), '3:3:0104755');
});

test('extraction W8 content, holes, times, attributes and devices come through to the last bit', (t) => {
  const big = 'rand*3M';
  const { tree, entries, layers } = compose(t, [
    [
      `file big ${big} 0600 1:2 mtime=1600000000.123456789`,
      'file cap "x" xattr:security.capability=hex:0100000200 xattr:user.note=hex:00ff0a',
      'sparse hole data@1M*512 hole*4M mtime=5',
      'char dev/null 0666 0:0 1,3',
      'fifo p 0640 7:8',
      'sym s 0777 5:6 -> t mtime=-1.5',
      'dir d mtime=9.000000001',
      'file d/x "x"',
      'file hex:ff0a5c "bytes"',
    ].join('\n'),
    'file d/y "y"',
  ]);
  const time = (name: string): bigint => lstatSync(join(tree, name), { bigint: true }).mtimeNs;
  assert.equal(time('big'), 1_600_000_000_123_456_789n);
  assert.deepEqual([time('s'), time('d')], [-1_500_000_000n, 9_000_000_001n]);
  assert.equal(statSync(join(tree, 'big')).size, 3 * 1024 * 1024);
  const hole = statSync(join(tree, 'hole'));
  assert.ok(hole.size > 4 * 1024 * 1024 && hole.blocks * 512 < 1024 * 1024, 'holes stay holes');
  const xattr = (name: string): string | undefined =>
    native()
      .xattrGet(Buffer.from(join(tree, 'cap')), Buffer.from(name))
      ?.toString('hex');
  assert.equal(xattr('user.note'), '00ff0a');
  assert.equal(xattr('user.containers.override_security.capability'), '0100000200');
  assert.equal(overrideOf(join(tree, 'dev/null')), '0:0:020666:char-1-3');
  assert.equal(overrideOf(join(tree, 'p')), '7:8:010640:pipe');
  const symlink = entries().get('s')!;
  assert.deepEqual([symlink.uid, symlink.gid, readlinkSync(join(tree, 's'))], [5, 6, 't']);
  assert.deepEqual(
    entries()
      .get('cap')!
      .xattrs.map(({ name }) => name.toString()),
    ['security.capability', 'user.note'],
  );
  assert.equal(
    readFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x0a, 0x5c])]), 'utf8'),
    'bytes',
  );
  const from = layers[0]!.directory;
  for (const name of ['big', 'hole', 'cap'])
    assert.ok(readFileSync(join(tree, name)).equals(readFileSync(join(from, name))), name);
});

test('extraction W8 composing leaves the layers as they are, and gives the same sidecar again', (t) => {
  const texts = ['dir d 0700 1:1 mtime=3\nfile d/f "1"\nfile z rand*200K', 'wh d/f\nlink d/g -> d/f\nfile n/m "2"'];
  const first = compose(t, texts);
  const layer = first.layers[0]!.directory;
  assert.deepEqual(listTree(layer), [ROOT, 'd dir 0700 1:1:040700', file('d/f', '1'), listTree(layer).at(-1)!]);
  assert.equal(statSync(join(layer, 'd/f')).nlink, 1);
  const second = compose(t, texts, { walk: true });
  const text = ({ tree }: { tree: string }): string => readFileSync(join(tree, '../mtree'), 'latin1');
  assert.equal(text(first), text(second));
  assert.ok(!text(first).includes('.sluice-held'));
});

test('extraction M10 layers whose owners stand in the sidecar alone give such a root', (t) => {
  const { tree, entries } = compose(t, ['file a "1" 04755 3:3', 'file n/b "2"'], { stat: 'sidecar' });
  assert.deepEqual([overrideOf(join(tree, 'a')), overrideOf(join(tree, 'n'))], [null, null]);
  assert.deepEqual([entries().get('a')?.mode, entries().get('a')?.uid], [0o4755, 3]);
});

test('extraction W8 a layer that was changed on disk fails the composing', (t) => {
  const layer = extractLayerOf(t, 'file a "12345"');
  truncateSync(join(layer.directory, 'a'), 2);
  assert.equal(judged(composeLayersOf(t, [layer])), 'STORE_FAILED extraction §13');
  writeFileSync(layer.sidecar, '#mtree\nnonsense\n');
  assert.equal(judged(composeLayersOf(t, [layer])), 'SIDECAR_CORRUPT extraction §13');
});

test('extraction W8 composing ends when it is aborted', (t) => {
  const control = openControl();
  control.abort();
  assert.equal(judged(compose(t, ['file a "1"'], { control: control.buffer })), 'ABORTED');
});

test('extraction W8 composing ends in the middle of a large file when it is aborted, with holes or without', (t) => {
  const addon = native();
  const { writerRun } = addon;
  for (const text of ['file big rand*5000000', 'sparse big data@4M*65536 hole*6M data@7M*65536']) {
    const layers = [extractLayerOf(t, text)];
    const control = openControl();
    const written = t.mock.method(addon, 'writerRun', (...args: Parameters<typeof writerRun>) => {
      const end = writerRun(...args);
      // The root, the file's beginning, its first piece
      if (written.mock.callCount() === 2) control.abort();
      return end;
    });
    const composed = composeLayersOf(t, layers, { control: control.buffer });
    written.mock.restore();
    assert.equal(judged(composed), 'ABORTED');
    assert.ok(statSync(join(composed.tree, 'big')).size < 5_000_000);
  }
});
