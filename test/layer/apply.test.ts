import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  blockDevice,
  charDevice,
  dir,
  fifo,
  file,
  hardlink,
  layer,
  opaque,
  symlink,
  whiteout,
  type LayerPart,
} from '../../src/testing/index.js';
import { extract, listTree, verdict, warned } from '../helpers/extract.js';

const ROOT = '. dir 0755 0:0:040755';

/** Layers and the trees they become. */
const TREES: readonly {
  readonly title: string;
  readonly parts: readonly LayerPart[];
  readonly tree: readonly string[];
}[] = [
  {
    title: 'M1 M2 owners and modes are true in the xattr, host modes let the owner in',
    parts: [dir('etc', { mode: 0o555, uid: 1, gid: 2 }), file('etc/shadow', 'x', { mode: 0o4000, uid: 33, gid: 42 })],
    tree: [ROOT, 'etc dir 0755 1:2:040555', 'etc/shadow file "x" 0600 33:42:0104000'],
  },
  {
    title: 'M3 the root takes the metadata of its entry',
    parts: [dir('./', { mode: 0o700, uid: 5, gid: 6 })],
    tree: ['. dir 0700 5:6:040700'],
  },
  {
    title: 'M5 devices and FIFOs are placeholders with their type in the value',
    parts: [
      charDevice('null', 1, 3, { mode: 0o666 }),
      blockDevice('sda', 8, 0, { mode: 0o660 }),
      fifo('pipe', { mode: 0o644 }),
    ],
    tree: [
      ROOT,
      'null file "" 0600 0:0:020666:char-1-3',
      'pipe file "" 0600 0:0:010644:pipe',
      'sda file "" 0600 0:0:060660:block-8-0',
    ],
  },
  {
    title: 'N2 names are cleaned by text',
    parts: [file('/a', '1'), file('./b', '2'), file('../../c', '3'), file('d/../e', '4')],
    tree: [
      ROOT,
      ...['a "1"', 'b "2"', 'c "3"', 'e "4"'].map((line) => `${line.replace(' ', ' file ')} 0644 0:0:0100644`),
    ],
  },
  {
    title: 'N3 N4 a name through a symlink lands in the root, missing parts are implied',
    parts: [symlink('var/run', '/run'), file('var/run/x', '')],
    tree: [ROOT, 'run dir 0755 -', 'run/x file "" 0644 0:0:0100644', 'var dir 0755 -', 'var/run sym -> /run'],
  },
  {
    title: 'N6 a file on the way gives way to a directory',
    parts: [file('a', '1'), file('a/b', '2')],
    tree: [ROOT, 'a dir 0755 -', 'a/b file "2" 0644 0:0:0100644'],
  },
  {
    title: 'O1 a directory again keeps its children and takes the later metadata',
    parts: [dir('d'), file('d/f', '1'), dir('d', { mode: 0o700 })],
    tree: [ROOT, 'd dir 0700 0:0:040700', 'd/f file "1" 0644 0:0:0100644'],
  },
  {
    title: 'O3 a file takes the place of a whole directory',
    parts: [dir('d'), file('d/e/f', '1'), file('d', '2')],
    tree: [ROOT, 'd file "2" 0644 0:0:0100644'],
  },
  {
    title: 'E12 a file over a hard link leaves the other name alone',
    parts: [file('a', '1'), hardlink('b', 'a'), file('b', '2')],
    tree: [ROOT, 'a file "1" 0644 0:0:0100644', 'b file "2" 0644 0:0:0100644'],
  },
  {
    title: 'E13 a symlink replaced by a file is not followed',
    parts: [file('t', '1'), symlink('l', 't'), file('l', '2')],
    tree: [ROOT, 'l file "2" 0644 0:0:0100644', 't file "1" 0644 0:0:0100644'],
  },
  {
    title: 'E14 a directory over a symlink to a directory leaves the target alone',
    parts: [dir('t', { mode: 0o711 }), symlink('l', 't'), dir('l', { mode: 0o777 })],
    tree: [ROOT, 'l dir 0777 0:0:040777', 't dir 0711 0:0:040711'],
  },
  {
    title: 'H2 a link shows the version that its entry named',
    parts: [file('a', '1'), hardlink('b', 'a'), file('a', '2')],
    tree: [ROOT, 'a file "2" 0644 0:0:0100644', 'b file "1" 0644 0:0:0100644'],
  },
  {
    title: 'H5 a forward link shows the end of the layer',
    parts: [hardlink('b', 'a'), file('a', '1'), file('a', '2')],
    tree: [ROOT, 'a file "2" 0644 0:0:0100644', 'b file "2" 0644 0:0:0100644 = a'],
  },
  {
    title: 'H4 a chain of forward links works in any order',
    parts: [hardlink('c', 'b'), hardlink('b', 'a'), file('a', '1')],
    tree: [ROOT, 'a file "1" 0644 0:0:0100644', 'b file "1" 0644 0:0:0100644 = a', 'c file "1" 0644 0:0:0100644 = a'],
  },
  {
    title: 'H7 the link entry that comes last wins, type bits stay the inode’s',
    parts: [file('a', '1', { mode: 0o644 }), hardlink('b', 'a', { mode: 0o4755, uid: 7 })],
    tree: [ROOT, 'a file "1" 0755 7:0:0104755', 'b file "1" 0755 7:0:0104755 = a'],
  },
  {
    title: 'H1 a later link of one name takes the place of the earlier one',
    parts: [file('a', '1'), file('c', '2'), hardlink('b', 'a'), hardlink('b', 'c')],
    tree: [ROOT, 'a file "1" 0644 0:0:0100644', 'b file "2" 0644 0:0:0100644', 'c file "2" 0644 0:0:0100644 = b'],
  },
  {
    title: 'H1 a link may replace the directory that its target lies in',
    parts: [file('d/a', '1'), hardlink('d', 'd/a')],
    tree: [ROOT, 'd file "1" 0644 0:0:0100644'],
  },
  {
    title: 'H11 E11 a link to a symlink links the symlink',
    parts: [symlink('l', '/etc/passwd'), hardlink('m', 'l')],
    tree: [ROOT, 'l sym -> /etc/passwd', 'm sym -> /etc/passwd = l'],
  },
  {
    title: 'H12 S3 an absolute target starts at the root',
    parts: [file('usr/a', '1'), hardlink('b', '/usr/a')],
    tree: [ROOT, 'b file "1" 0644 0:0:0100644', 'usr dir 0755 -', 'usr/a file "1" 0644 0:0:0100644 = b'],
  },
  {
    title: 'W2 whiteouts are kept raw',
    parts: [whiteout('etc/old'), opaque('var')],
    tree: [
      ROOT,
      'etc dir 0755 -',
      'etc/.wh.old file "" 0600 0:0:0100644',
      'var dir 0755 -',
      'var/.wh..wh..opq file "" 0600 0:0:0100644',
    ],
  },
  {
    title: 'W4 a whiteout of a file of its own layer is folded away',
    parts: [whiteout('f'), file('f', '1')],
    tree: [ROOT, 'f file "1" 0644 0:0:0100644'],
  },
  {
    title: 'W4 a whiteout of a directory of its own layer becomes an opaque mark',
    parts: [file('d/f', '1'), whiteout('d')],
    tree: [ROOT, 'd dir 0755 -', 'd/.wh..wh..opq file "" 0600 0:0:0100644', 'd/f file "1" 0644 0:0:0100644'],
  },
];

for (const walk of [false, true]) {
  for (const { title, parts, tree } of TREES) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const extraction = extract(t, layer(...parts), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree), tree);
    });
  }
}

const REFUSALS: readonly { readonly title: string; readonly parts: readonly LayerPart[]; readonly verdict: string }[] =
  [
    { title: 'X1 E5 a file named "."', parts: [file('.', '')], verdict: 'ENTRY_REFUSED X1' },
    { title: 'X1 E4 a symlink named ".."', parts: [symlink('..', '/etc')], verdict: 'ENTRY_REFUSED X1' },
    { title: 'X3 a part of 256 bytes', parts: [file('x'.repeat(256), '')], verdict: 'NAME_REFUSED X3' },
    {
      title: 'X4 a loop of symlinks on the way',
      parts: [symlink('a', 'b'), symlink('b', 'a'), file('a/x', '')],
      verdict: 'NAME_REFUSED X4',
    },
    { title: 'X5 E19 the marker of nothing', parts: [file('etc/.wh.', '')], verdict: 'ENTRY_REFUSED X5' },
    { title: 'X5 E19 the marker of ".."', parts: [file('etc/.wh...', '')], verdict: 'ENTRY_REFUSED X5' },
    { title: 'X6 H8 a hard link to a directory', parts: [dir('d'), hardlink('l', 'd')], verdict: 'ENTRY_REFUSED H8' },
    { title: 'X6 H9 a link to itself', parts: [hardlink('l', 'l')], verdict: 'ENTRY_REFUSED H9' },
    { title: 'X6 H9 a ring of links', parts: [hardlink('a', 'b'), hardlink('b', 'a')], verdict: 'ENTRY_REFUSED H9' },
    {
      title: 'X7 M7 an owner of 2^32-1',
      parts: [file('f', '', { uid: 4294967295 })],
      verdict: 'NUMBER_OUT_OF_RANGE M7',
    },
    { title: 'X7 T16 a device of 2^32', parts: [charDevice('c', 2 ** 32, 0)], verdict: 'NUMBER_OUT_OF_RANGE T16' },
    {
      title: 'X8 T15c a type nobody knows',
      parts: [file('f', '', { typeFlag: 'N' })],
      verdict: 'ENTRY_TYPE_UNSUPPORTED T15c',
    },
  ];

for (const { title, parts, verdict: expected } of REFUSALS) {
  test(`extraction ${title} is refused and leaves nothing`, (t) => {
    const extraction = extract(t, layer(file('before', 'x'), ...parts, file('after', 'y')));
    assert.equal(verdict(extraction), expected);
    assert.ok(extraction.outcome.kind === 'failed' && extraction.outcome.error.detail.layer);
    assert.deepEqual(readdirSync(extraction.staging), []);
  });
}

test('extraction E1 E3 E6 E8 nothing outside the root is touched', (t) => {
  const hostile = layer(
    file('../victim/x', '1'),
    symlink('inner/go_up', '..'),
    symlink('inner/go_up/escape', '../victim'),
    file('escape/y', '2'),
    symlink('localetc', '/etc'),
    file('localetc/unbroken', '3'),
    hardlink('stolen', '../../victim/canary'),
  );
  const extraction = extract(t, hostile);
  const victim = join(extraction.staging, 'victim');
  mkdirSync(victim);
  writeFileSync(join(victim, 'canary'), 'HOST PATH WAS CHANGED?');
  assert.equal(verdict(extraction), 'done');
  assert.deepEqual(readdirSync(victim), ['canary']);
  assert.deepEqual(readdirSync(join(extraction.tree, 'victim')).toSorted(), ['x', 'y']);
  assert.equal(readFileSync(join(extraction.tree, 'etc/unbroken'), 'utf8'), '3');
  assert.equal(existsSync('/etc/unbroken'), false);
});

test('extraction H6 a link into a lower layer is recorded, not made', (t) => {
  const extraction = extract(t, layer(hardlink('opt/a', '/usr/lib/a', { mtime: 1577836800 })));
  assert.ok(extraction.outcome.kind === 'done' && extraction.outcome.facts.composeRequired);
  assert.deepEqual(warned(extraction), ['H6']);
  assert.equal(existsSync(join(extraction.tree, 'opt/a')), false);
  const deferred = extraction.lines().filter((line) => line.startsWith('#sluice.deferred'));
  assert.deepEqual(deferred, [
    '#sluice.deferred ./opt/a ./usr/lib/a uid=0 gid=0 mode=0644 time=1577836800.000000000 index=0',
  ]);
});

test('extraction M17 M18 times are kept to the nanosecond, of files, links and directories', (t) => {
  const extraction = extract(
    t,
    layer(
      dir('d', { mtime: 100 }),
      file('d/f', 'x', { mtime: '1577836800.123456789' }),
      symlink('d/s', 'f', { mtime: -1.5 }),
    ),
  );
  const time = (name: string): bigint => lstatSync(join(extraction.tree, name), { bigint: true }).mtimeNs;
  assert.equal(time('d'), 100_000_000_000n);
  assert.equal(time('d/f'), 1_577_836_800_123_456_789n);
  assert.equal(time('d/s'), -1_500_000_000n);
  assert.match(extraction.sidecar(), /^\.\/d\/s .* time=-2\.500000000 link=f$/m);
});

test('extraction T17 any size of chunk gives the same tree and sidecar', (t) => {
  const parts = [
    dir('a'),
    file('a/' + 'long'.repeat(40), 'x'.repeat(1500)),
    file('b', 'y'.repeat(70_000), { format: 'gnu' }),
    hardlink('c', 'b'),
    symlink('d', 'a'),
    whiteout('e'),
  ];
  const trees = (['none', 'gzip'] as const).map((compression) => {
    const extraction = extract(t, layer(...parts), { compression });
    assert.equal(verdict(extraction), 'done');
    return [listTree(extraction.tree), extraction.lines()];
  });
  assert.deepEqual(trees[0], trees[1]);
});
