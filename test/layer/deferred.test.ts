import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SluiceError } from '../../src/errors.js';
import { createApply } from '../../src/layer/apply.js';
import { createMeter } from '../../src/layer/meter.js';
import { Tree } from '../../src/layer/tree.js';
import { createWarnings } from '../../src/layer/warnings.js';
import { native } from '../../src/native.js';
import { hardlink, file, layer, parseLayer } from '../../src/testing/index.js';
import type { Budget } from '../../src/transfer/protocol.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE, extract, listTree, verdict, warned } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const ROOT = '. dir 0755 0:0:040755';
const F = '0644 0:0:0100644';

interface Case {
  readonly title: string;
  readonly layer: string;
  readonly tree: readonly string[];
  readonly warnings?: readonly string[];
  /** Names and values of the attributes that the first inode with any has in the sidecar. */
  readonly xattrs?: readonly string[];
}

const LINKS: readonly Case[] = [
  {
    title: 'H2 a link made, its target replaced: two versions',
    layer: 'file a "1"\nlink b -> a\nfile a "2"',
    tree: [ROOT, `a file "2" ${F}`, `b file "1" ${F}`],
  },
  {
    title: 'H2 H5 a forward link, then two versions: the last',
    layer: 'link b -> a\nfile a "1"\nfile a "2"',
    tree: [ROOT, `a file "2" ${F}`, `b file "2" ${F} = a`],
  },
  {
    title: 'H3 a forward link whose name a later entry takes is dropped, whatever its target becomes',
    layer: 'link c -> a\nfile c "1"\nfile a/a "2"',
    tree: [ROOT, 'a dir 0755 -', `a/a file "2" ${F}`, `c file "1" ${F}`],
  },
  {
    title: 'H2 a link whose target’s directory is replaced keeps what it named',
    layer: 'file d/a "1"\nlink b -> d/a\nfile d "x"',
    tree: [ROOT, `b file "1" ${F}`, `d file "x" ${F}`],
  },
  {
    title: 'H2 every version of a name can be linked',
    layer: 'file a "1"\nlink v1 -> a\nfile a "2"\nlink v2 -> a\nfile a "3"\nlink v3 -> a',
    tree: [ROOT, `a file "3" ${F}`, `v1 file "1" ${F}`, `v2 file "2" ${F}`, `v3 file "3" ${F} = a`],
  },
  {
    title: 'H3 a later entry at the link’s name wins',
    layer: 'file a "1"\nlink b -> a\nfile b "2"',
    tree: [ROOT, `a file "1" ${F}`, `b file "2" ${F}`],
  },
  {
    title: 'H3 a later directory at the link’s name wins',
    layer: 'file a "1"\nlink b -> a\ndir b 0711\nfile b/c "2"',
    tree: [ROOT, `a file "1" ${F}`, 'b dir 0711 0:0:040711', `b/c file "2" ${F}`],
  },
  {
    title: 'H3 N6 a later name below the link replaces it',
    layer: 'file a "1"\nlink b -> a\nfile b/c "2"',
    tree: [ROOT, `a file "1" ${F}`, 'b dir 0755 -', `b/c file "2" ${F}`],
    warnings: ['N6'],
  },
  {
    title: 'H4 a chain in any order',
    layer: 'link d -> c\nlink b -> a\nlink c -> b\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`, `c file "1" ${F} = a`, `d file "1" ${F} = a`],
  },
  {
    title: 'H1 a chain of links that wait',
    layer: 'file a "1"\nlink b -> a\nlink c -> b\nlink d -> c',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`, `c file "1" ${F} = a`, `d file "1" ${F} = a`],
  },
  {
    title: 'H5 a later entry wins over a forward link at its name',
    layer: 'link b -> a\nfile b "2"\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, `b file "2" ${F}`],
  },
  {
    title: 'H6 a later entry wins over a link into a lower layer',
    layer: 'link b -> nowhere\nfile b "2"',
    tree: [ROOT, `b file "2" ${F}`],
  },
  {
    title: 'H7 the later link entry’s metadata wins, the earlier one’s does not',
    layer: 'file a "1" 0600 1:1 mtime=100\nlink b -> a 0640 2:2 mtime=200\nlink c -> a 0660 3:3 mtime=300',
    tree: [ROOT, 'a file "1" 0660 3:3:0100660', 'b file "1" 0660 3:3:0100660 = a', 'c file "1" 0660 3:3:0100660 = a'],
  },
  {
    title: 'H7 a forward link does not win: the file comes later',
    layer: 'link b -> a 0640 2:2\nfile a "1" 0600 1:1',
    tree: [ROOT, 'a file "1" 0600 1:1:0100600', 'b file "1" 0600 1:1:0100600 = a'],
  },
  {
    title: 'H7 H9 a link to itself changes the metadata alone',
    layer: 'file a "1" 0600 1:1\nlink a -> a 0640 2:2',
    tree: [ROOT, 'a file "1" 0640 2:2:0100640'],
  },
  {
    title: 'H7 H9 a link to itself comes after a link that waits',
    layer: 'file a "1" 0600\nlink b -> a 0640\nlink a -> a 0660',
    tree: [ROOT, 'a file "1" 0660 0:0:0100660', 'b file "1" 0660 0:0:0100660 = a'],
  },
  {
    title: 'H7 type and fourth field are the inode’s',
    layer: 'char c 0600 1,3\nlink d -> c 0666 7:7\nfifo p 0600\nlink q -> p 0644',
    tree: [
      ROOT,
      'c file "" 0600 7:7:020666:char-1-3',
      'd file "" 0600 7:7:020666:char-1-3 = c',
      'p file "" 0600 0:0:010644:pipe',
      'q file "" 0600 0:0:010644:pipe = p',
    ],
  },
  {
    title: 'H11 a link to a symlink is the symlink',
    layer: 'sym s -> /nowhere\nlink l -> s',
    tree: [ROOT, 'l sym -> /nowhere', 's sym -> /nowhere = l'],
  },
  {
    title: 'E9 H12 targets through symlinks, absolute and up and out',
    layer:
      'file r/f "1"\nsym l -> /r\nsym r/up -> ../../..\nlink a -> l/f\nlink b -> /l/f\nlink c -> r/up/r/f\nlink d -> ../../r/f',
    tree: [
      ROOT,
      ...['a', 'b', 'c', 'd'].map((name, index) => `${name} file "1" ${F}${index ? ' = a' : ''}`),
      'l sym -> /r',
      'r dir 0755 -',
      `r/f file "1" ${F} = a`,
      'r/up sym -> ../../..',
    ],
  },
  {
    title: 'S7 the parents of a link are implied',
    layer: 'file a "1"\nlink x/y/b -> a',
    tree: [ROOT, `a file "1" ${F}`, 'x dir 0755 -', 'x/y dir 0755 -', `x/y/b file "1" ${F} = a`],
  },
  {
    title: 'S8 a link over a directory and a file',
    layer: 'file a "1"\nfile d/x "x"\nfile f "f"\nlink d -> a\nlink f -> a',
    tree: [ROOT, `a file "1" ${F}`, `d file "1" ${F} = a`, `f file "1" ${F} = a`],
  },
  {
    title: 'S10 H13 a link with a size has no body',
    layer: 'file a "1"\nlink b -> a size=700\nfile c "2"',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`, `c file "2" ${F}`],
  },
  {
    title: 'E12 a file over a link leaves the other name alone',
    layer: 'file a "1"\nlink b -> a\nlink c -> b\nfile b "2"',
    tree: [ROOT, `a file "1" ${F}`, `b file "2" ${F}`, `c file "1" ${F} = a`],
  },
  {
    title: 'H7 attributes of a link entry are added to the inode, also when it is the same name',
    layer: 'file a "1" xattr:user.a="1"\nlink b -> a xattr:user.b="2"\nlink a -> a xattr:user.a="3"',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`],
    xattrs: ['user.a Mw==', 'user.b Mg=='],
  },
  {
    title: 'H7 attributes of a link that comes before its file are left out, with a warning',
    layer: 'link b -> a xattr:user.b="2"\nfile a "1" xattr:user.a="1"',
    tree: [ROOT, `a file "1" ${F}`, `b file "1" ${F} = a`],
    warnings: ['H7'],
    xattrs: ['user.a MQ=='],
  },
  {
    title: 'O3 a forward link goes with the directory that it stood in',
    layer: 'link d/e/b -> a\nlink d2/b -> a\nfile d "x"\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, `d file "x" ${F}`, 'd2 dir 0755 -', `d2/b file "1" ${F} = a`],
  },
  {
    title: 'O3 a forward link does not come back with another directory of that name',
    layer: 'link d/b -> a\nfile d "x"\ndir d 0711\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, 'd dir 0711 0:0:040711'],
  },
  {
    title: 'O3 a forward link does not follow a symlink that took the place of its directory',
    layer: 'link d/b -> a\ndir t\nsym d -> t\nfile a "1"',
    tree: [ROOT, `a file "1" ${F}`, 'd sym -> t', 't dir 0755 0:0:040755'],
  },
  {
    title: 'O3 H6 nor does a link into a lower layer',
    layer: 'link d/b -> lower\nfile d "x"',
    tree: [ROOT, `d file "x" ${F}`],
  },
  {
    title: 'H5 a forward link that is read after the removal stays',
    layer: 'link z -> q\nfile q ""\nfile d "x"\ndir d 0711\nlink d/b -> a\nfile a "1"',
    tree: [
      ROOT,
      `a file "1" ${F}`,
      'd dir 0711 0:0:040711',
      `d/b file "1" ${F} = a`,
      `q file "" ${F}`,
      `z file "" ${F} = q`,
    ],
  },
  {
    title: 'H1 a link over a directory that holds its target and another’s',
    layer: 'file d/a "1"\nfile d/b "2"\nlink z -> d/b\nlink d -> d/a',
    tree: [ROOT, `d file "1" ${F}`, `z file "2" ${F}`],
  },
];

for (const walk of [false, true]) {
  for (const { title, layer: text, tree, warnings = [], xattrs } of LINKS) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const extraction = extract(t, parseLayer(text), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree), tree);
      assert.deepEqual(warned(extraction), warnings);
      const set = extraction.lines().flatMap((line) => /^#sluice\.xattr set (.*)$/.exec(line)?.slice(1) ?? []);
      if (xattrs) assert.deepEqual([...new Set(set)], xattrs);
      assert.ok(extraction.outcome.kind === 'done' && !extraction.outcome.facts.composeRequired);
    });
  }
}

const REFUSALS: readonly (readonly [string, string, string])[] = [
  ['H8 a directory that is there', 'dir d\nlink l -> d', 'H8'],
  ['H8 a directory that comes later', 'link l -> d\ndir d', 'H8'],
  ['H8 an implied directory', 'file d/f "x"\nlink l -> d', 'H8'],
  ['H8 the root', 'link l -> /', 'H8'],
  ['H8 a directory through a chain', 'link l -> m\nlink m -> d\ndir d', 'H8'],
  ['H9 itself', 'link l -> l', 'H9'],
  ['H9 itself by another name', 'link l -> ./x/../l', 'H9'],
  ['H9 a ring of two', 'link a -> b\nlink b -> a', 'H9'],
  ['H9 a ring of three with a tail', 'link t -> a\nlink a -> b\nlink b -> c\nlink c -> a', 'H9'],
];

for (const [title, text, rule] of REFUSALS) {
  test(`extraction X6 a link to ${title} is refused and leaves nothing`, (t) => {
    const extraction = extract(t, parseLayer(`file before "x"\n${text}`));
    assert.equal(verdict(extraction), `ENTRY_REFUSED ${rule}`);
    assert.ok(extraction.outcome.kind === 'failed' && extraction.outcome.error.detail.offset !== undefined);
    assert.deepEqual(readdirSync(extraction.staging), []);
  });
}

test('extraction H4 long chains in reverse order are made', (t) => {
  const count = 12_000;
  const links = Array.from({ length: count }, (_, i) => hardlink(`l${i}`, `l${i + 1}`, { format: 'ustar' }));
  const { tree, outcome } = extract(t, layer(...links, file(`l${count}`, 'x')));
  assert.equal(outcome.kind, 'done');
  assert.equal(lstatSync(join(tree, 'l0')).nlink, count + 1);
});

test('extraction H6 links to one absent target are one group, through chains too', (t) => {
  const extraction = extract(
    t,
    parseLayer('link a -> usr/x 0640 1:2 mtime=3\nlink b -> /usr/x\nlink c -> b\nlink d/e -> other'),
  );
  assert.equal(verdict(extraction), 'done');
  assert.deepEqual(listTree(extraction.tree), [ROOT, 'd dir 0755 -']);
  assert.ok(extraction.outcome.kind === 'done' && extraction.outcome.facts.composeRequired);
  assert.deepEqual(warned(extraction), ['H6']);
  assert.equal(extraction.outcome.warnings[0]?.count, 4);
  const deferred = extraction.lines().filter((line) => line.startsWith('#sluice.deferred'));
  assert.deepEqual(
    deferred.map((line) => line.split(' ').slice(1, 3).join(' ')),
    ['./a ./usr/x', './b ./usr/x', './c ./usr/x', './d/e ./other'],
  );
  assert.match(deferred[0]!, / uid=1 gid=2 mode=0640 time=3\.000000000 index=0$/);
});

test('extraction H7 times follow the entry that comes last', (t) => {
  const { tree } = extract(
    t,
    parseLayer('file a "1" mtime=100\nlink b -> a mtime=200\nlink d -> c mtime=900\nfile c "2" mtime=300'),
  );
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((name) => lstatSync(join(tree, name)).mtimeMs / 1000),
    [200, 200, 300, 300],
  );
});

interface Full {
  readonly root: string;
  readonly tree: readonly string[];
  readonly copies: readonly string[];
}

/** Extracts over a writer that gives an inode three names at most. */
function extractFull(t: TestContext, text: string | Uint8Array, budget: Partial<Budget> = {}): Full {
  const base = temporaryDirectory(t);
  const root = join(base, 'tree');
  mkdirSync(root, { mode: 0o755 });
  const writer = native().writerOpen(Buffer.from(root), Buffer.from(base), false, process.umask(), false, 3);
  t.after(() => native().writerClose(writer));
  const warnings = createWarnings();
  const apply = createApply({
    tree: new Tree(native(), writer, warnings, 0),
    meter: createMeter({ ...AMPLE, ...budget }, openUsage()),
    maxMetaBytes: AMPLE.maxMetaBytes,
    isPrivileged: false,
    warnings,
  });
  apply.push(typeof text === 'string' ? parseLayer(text) : text);
  apply.end();
  const copies = warnings.list().flatMap(({ rule, first }) => (rule === 'H10' ? first.map(({ entry }) => entry) : []));
  return { root, tree: listTree(root), copies };
}

test('extraction H10 links beyond what an inode takes share copies, in entry order, chains and H7 included', (t) => {
  const links = ['b', 'c', 'd', 'e', 'f', 'g'].map((name, index) => `link ${name} 0600 ${index}:0 -> a`);
  const { tree, copies } = extractFull(t, `file a "1" 04755\n${links.join('\n')}\nlink h -> d`);
  assert.deepEqual(copies, ['d', 'g', 'h']);
  assert.deepEqual(tree, [
    ROOT,
    'a file "1" 0600 1:0:0100600',
    'b file "1" 0600 1:0:0100600 = a',
    'c file "1" 0600 1:0:0100600 = a',
    'd file "1" 0600 4:0:0100600',
    'e file "1" 0600 4:0:0100600 = d',
    'f file "1" 0600 4:0:0100600 = d',
    'g file "1" 0600 5:0:0100600',
    'h file "1" 0644 0:0:0100644',
  ]);
});

test('extraction H10 forward links and links out of a directory that they replace are copies too', (t) => {
  const forward = extractFull(t, 'link b -> a\nlink c -> a\nlink d -> a\nsym a -> x');
  assert.deepEqual(forward.tree, [ROOT, 'a sym -> x', 'b sym -> x = a', 'c sym -> x = a', 'd sym -> x']);
  assert.deepEqual(forward.copies, ['d']);
  const { tree } = extractFull(t, 'file d/a "1"\nlink b -> d/a\nlink c -> d/a\nlink d -> d/a');
  assert.deepEqual(tree, [ROOT, `b file "1" ${F}`, `c file "1" ${F}`, `d file "1" ${F} = b`]);
});

test('extraction H4 H10 a forward link that is read again comes at its last entry’s place', (t) => {
  const { copies } = extractFull(t, 'link b -> a\nlink c -> a\nlink d -> a\nlink b -> a\nfile a "1"');
  assert.deepEqual(copies, ['b']);
});

test('extraction H10 H2 a copy is of the version that the link named, and no later file gets it', (t) => {
  const links = ['b', 'c', 'd'].map((name) => `link ${name} -> a`).join('\n');
  const again = ['e', 'f', 'g'].map((name) => `link ${name} -> a`).join('\n');
  const { tree } = extractFull(t, `file a "1"\n${links}\nfile a "2"\n${again}`);
  assert.deepEqual(
    tree.map((line) => line.replace(` ${F}`, '')),
    [
      ROOT,
      'a file "2"',
      'b file "1"',
      'c file "1" = b',
      'd file "1"',
      'e file "2" = a',
      'f file "2" = a',
      'g file "2"',
    ],
  );
});

test('extraction H10 H7 a further copy has what link entries added to the one before', (t) => {
  const links = ['b', 'c', 'd', 'e', 'f', 'g'].map(
    (name) => `link ${name} -> a${name === 'e' ? ' xattr:user.k="1"' : ''}`,
  );
  const { root, copies } = extractFull(t, `file a "1" xattr:user.a="0"\n${links.join('\n')}`);
  assert.deepEqual(copies, ['d', 'g']);
  const valuesOf = (name: string): readonly (string | undefined)[] =>
    ['user.a', 'user.k'].map((xattr) =>
      native()
        .xattrGet(Buffer.from(join(root, name)), Buffer.from(xattr))
        ?.toString(),
    );
  assert.deepEqual(['a', 'd', 'g'].map(valuesOf), [
    ['0', undefined],
    ['0', '1'],
    ['0', '1'],
  ]);
});

test('extraction H10 E12 a copy whose name was replaced gets no more names', (t) => {
  const links = ['b', 'c', 'd'].map((name) => `link ${name} -> a`).join('\n');
  const { tree } = extractFull(t, `file a "1"\n${links}\nfile x ""\nfile x ""\nfile d "2"\nlink e -> a`);
  assert.deepEqual(
    tree.map((line) => line.replace(` ${F}`, '')),
    [ROOT, 'a file "1"', 'b file "1" = a', 'c file "1" = a', 'd file "2"', 'e file "1"', 'x file ""'],
  );
});

test('extraction H10 B2 a copy counts as a file, before it is made', (t) => {
  const text = 'file a "12345"\nlink b -> a\nlink c -> a\nlink d -> a';
  extractFull(t, text, { maxUnpackedBytes: 10 });
  assert.throws(
    () => extractFull(t, text, { maxUnpackedBytes: 9 }),
    (error: SluiceError) => {
      assert.deepEqual([error.code, error.detail.rule, error.detail.entry], ['BUDGET_EXCEEDED', 'B2', 'd']);
      return true;
    },
  );
});

/** Files, and as many links with attributes as hold 16 MiB: all that wait by then are made. */
const TOO_MUCH = layer(
  ...Array.from({ length: 19 }, (_, index) => file(`~${index}`)),
  ...Array.from({ length: 19 }, (_, index) =>
    hardlink(`~link${index}`, `~${index}`, { records: { 'SCHILY.xattr.kept.x': 'v'.repeat(900_000) } }),
  ),
).subarray(0, -1024);

test('extraction H10 H3 of links made early those that later entries replace count, and what each name shows is the same', (t) => {
  const links = parseLayer('file a "1" 0600\nlink b -> a 0640\nlink c -> a 0640\nlink d -> a 0640\nend 0');
  const later = parseLayer('file b "2"\ndir c\nlink e -> d 0640');
  const [early, late] = [TOO_MUCH, Buffer.alloc(0)].map((between) =>
    extractFull(t, Buffer.concat([links, between, later])),
  );
  assert.deepEqual([early!.copies, late!.copies], [['d'], []]);
  const shownIn = ({ tree }: Full): readonly string[] =>
    tree.filter((line) => !line.includes('~')).map((line) => line.replace(/ = .*/, ''));
  assert.deepEqual(shownIn(early!), shownIn(late!));
  assert.deepEqual(shownIn(late!), [
    ROOT,
    'a file "1" 0640 0:0:0100640',
    `b file "2" ${F}`,
    'c dir 0755 0:0:040755',
    'd file "1" 0640 0:0:0100640',
    'e file "1" 0640 0:0:0100640',
  ]);
});

test('extraction H1 H7 links with more attributes than may wait are made before the layer ends', (t) => {
  const records = { 'SCHILY.xattr.kept.x': 'v'.repeat(900_000) };
  const files = Array.from({ length: 30 }, (_, index) => file(`f${index}`));
  const links = files.map((_, index) => hardlink(`l${index}`, `f${index}`, { records }));
  const tar = layer(...files, ...links);
  const staging = temporaryDirectory(t, 'sluice-layer');
  let names = 0;
  const extraction = extract(t, tar, {
    staging,
    chunkBytes: tar.length - 2048,
    onChunk: () => void (names ||= readdirSync(join(staging, 'tree')).length),
  });
  assert.equal(verdict(extraction), 'done');
  assert.equal(names, 30 + 19, 'the files, and as many links as hold 16 MiB');
  assert.equal(readdirSync(extraction.tree).length, 60);
});
