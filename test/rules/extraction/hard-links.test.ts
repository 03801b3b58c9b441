import assert from 'node:assert/strict';
import { linkSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseLayer } from '../../../src/testing/index.js';
import { extract, listTree, overrideOf, verdict, warned } from '../../helpers/extract.js';
import { testLayers, type LayerCase } from '../../helpers/matrix.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

const VERSIONS: readonly LayerCase[] = [
  {
    title: 'H2 the version that the entry named, not a later one',
    layer: 'file a "1"\nlink b -> a\nfile a "2"',
    tree: 'file a "2"\nfile b "1"',
  },
  {
    title: 'H5 a forward link shows the end of the layer',
    layer: 'link b -> a\nfile a "1"\nfile a "2"',
    tree: 'file a "2"\nlink b -> a',
  },
  {
    title: 'H2 H5 both at once',
    layer: 'link b -> a\nfile a "1"\nlink c -> a\nfile a "2"\nlink d -> a',
    tree: 'file a "2"\nlink b -> a\nfile c "1"\nlink d -> a',
  },
  {
    title: 'H2 the target’s parent is removed between',
    layer: 'file d/a "1"\nlink b -> d/a\nfile d "2"',
    tree: 'file b "1"\nfile d "2"',
  },
  {
    title: 'H2 the target’s parent is replaced and made again',
    layer: 'file d/a "1"\nlink b -> d/a\nsym d -> e\ndir d\nfile d/a "2"\nlink c -> d/a',
    tree: 'file b "1"\nfile c "2"\ndir d\nlink d/a -> c',
  },
  {
    title: 'H2 a symlink on the target’s way changes between',
    layer: 'file one/a "1"\nfile two/a "2"\nsym l -> one\nlink b -> l/a\nsym l -> two\nlink c -> l/a',
    tree: 'file b "1"\nlink one/a -> b\nfile c "2"\nlink two/a -> c\nsym l -> two\nimplied one\nimplied two',
  },
  {
    title: 'H2 the target becomes a directory on a later name’s way',
    layer: 'file a "1"\nlink b -> a\nfile a/x "2"',
    tree: 'implied a\nfile a/x "2"\nfile b "1"',
    warns: 'N6',
  },
  {
    title: 'H2 every version of a name can be linked',
    layer: 'file a "1"\nlink v1 -> a\nfile a "2"\nlink v2 -> a\nsym a -> x\nlink v3 -> a\nfifo a\nlink v4 -> a',
    tree: 'fifo a\nfile v1 "1"\nfile v2 "2"\nsym v3 0644 -> x\nlink v4 -> a',
  },
  {
    title: 'H5 a forward link’s target is replaced by another link’s inode',
    layer: 'link b -> a\nfile a "1"\nfile c "2"\nlink a -> c',
    tree: 'file a "2"\nlink b -> a\nlink c -> a',
  },
];

const MAKING: readonly LayerCase[] = [
  {
    title: 'H1 S7 the parents of a link are implied',
    layer: 'file a "1"\nlink x/y/b -> a',
    tree: 'file a "1"\nimplied x\nimplied x/y\nlink x/y/b -> a',
  },
  {
    title: 'H1 S8 whatever stands at the link’s name is replaced',
    layer:
      'file a "1"\nfile f "f"\nsym s -> f\ndir d\nfile d/x "x"\nfifo p\nlink f -> a\nlink s -> a\nlink d -> a\nlink p -> a',
    tree: 'file a "1"\nlink d -> a\nlink f -> a\nlink p -> a\nlink s -> a',
  },
  {
    title: 'H1 a later link of one name takes the place of the earlier one',
    layer: 'file a "1"\nfile c "2"\nlink b -> a\nlink b -> c',
    tree: 'file a "1"\nfile b "2"\nlink c -> b',
  },
  {
    title: 'H1 the directory that a link replaces holds its target',
    layer: 'file d/a "1"\nlink d -> d/a',
    tree: 'file d "1"',
  },
  {
    title: 'H1 N6 the way to a link takes the name of its target, which it is made of all the same',
    layer: 'file a 0600 1:1 "1"\nlink z -> a\nlink a/x/b 0640 2:2 -> a',
    tree: 'implied a\nimplied a/x\nfile a/x/b 0640 2:2 "1"\nlink z -> a/x/b',
    warns: 'N6',
  },
  {
    title: 'H1 H2 the directory that a link replaces holds its target and another’s',
    layer: 'file d/a "1"\nfile d/b "2"\nlink z -> d/b\nlink d -> d/a',
    tree: 'file d "1"\nfile z "2"',
  },
  {
    title: 'H1 the name of a link may be another’s target at once',
    layer: 'file a "1"\nlink b -> a\nlink c -> b\nlink d/e -> c',
    tree: 'file a "1"\nlink b -> a\nlink c -> a\nimplied d\nlink d/e -> a',
  },
  {
    title: 'H1 a link through a symlink lands in its target',
    layer: 'file a "1"\nsym l -> /x/y\nlink l/b -> a\nlink l/c -> x/y/b',
    tree: 'file a "1"\nsym l -> /x/y\nimplied x\nimplied x/y\nlink x/y/b -> a\nlink x/y/c -> a',
  },
  {
    title: 'H3 a later file at the link’s name wins',
    layer: 'file a "1"\nlink b -> a\nfile b "2"\nlink c -> a\nsym c -> d',
    tree: 'file a "1"\nfile b "2"\nsym c -> d',
  },
  {
    title: 'H3 a later directory at the link’s name wins',
    layer: 'file a "1"\nlink b -> a\ndir b 0711\nfile b/c "2"',
    tree: 'file a "1"\ndir b 0711\nfile b/c "2"',
  },
  {
    title: 'H3 N6 a later name below the link’s replaces it',
    layer: 'file a "1"\nlink b -> a\nfile b/c "2"',
    tree: 'file a "1"\nimplied b\nfile b/c "2"',
    warns: 'N6',
  },
  {
    title: 'H4 a chain of forward links in any order',
    layer: 'link d -> c\nlink b -> a\nlink e -> d\nlink c -> b\nfile a "1"',
    tree: 'file a "1"\nlink b -> a\nlink c -> a\nlink d -> a\nlink e -> a',
  },
  {
    title: 'H4 a chain of a thousand in reverse order',
    layer: [...Array.from({ length: 1000 }, (_, i) => `link ${1000 - i} -> ${999 - i}`), 'file 0 "x"'].join('\n'),
    tree: ['file 0 "x"', ...Array.from({ length: 1000 }, (_, i) => `link ${i + 1} -> 0`)].join('\n'),
  },
  {
    title: 'H4 a forward link through a symlink that comes later',
    layer: 'link b -> l/a\nsym l -> d\nfile d/a "1"',
    tree: 'file b "1"\nimplied d\nlink d/a -> b\nsym l -> d',
  },
  {
    title: 'H5 a later entry at a forward link’s name wins',
    layer: 'link b -> a\nfile b "2"\nfile a "1"',
    tree: 'file a "1"\nfile b "2"',
  },
  {
    title: 'H12 S3 an absolute target starts at the root',
    layer: 'file usr/a "1"\nlink b -> /usr/a\nlink c -> //usr/./a/',
    tree: 'file b "1"\nlink c -> b\nimplied usr\nlink usr/a -> b',
  },
  {
    title: 'H13 S10 T9 a link with a size is followed by the next header at once',
    layer: 'file a "1"\nlink b -> a size=700\nfile c "2"',
    tree: 'file a "1"\nlink b -> a\nfile c "2"',
  },
];

const ABSENT: readonly LayerCase[] = [
  {
    title: 'H6 S9 a link into a lower layer is recorded with all that its entry says',
    layer: 'link opt/a 04755 5:6 -> /usr/lib/a mtime=1577836800.5',
    tree: 'implied opt\ndeferred opt/a 04755 5:6 -> usr/lib/a mtime=1577836800.5',
    warns: 'H6',
  },
  {
    title: 'H6 links to one absent target are one group, through chains too',
    layer: 'link a -> usr/x\nlink b -> /usr/x\nlink c -> b\nlink d/e -> other',
    tree: 'deferred a -> usr/x\ndeferred b -> usr/x\ndeferred c -> usr/x\nimplied d\ndeferred d/e -> other',
    warns: 'H6*4',
  },
  {
    title: 'H6 a later entry wins over such a link',
    layer: 'link b -> nowhere\nfile b "2"\nlink c -> nowhere\ndir c',
    tree: 'file b "2"\ndir c',
  },
  {
    title: 'H6 H5 a path anywhere in this layer wins over a lower layer',
    layer: 'link b -> usr/x\nlink c -> usr/y\nfile usr/x "1"',
    tree: 'file b "1"\ndeferred c -> usr/y\nimplied usr\nlink usr/x -> b',
    warns: 'H6',
  },
  {
    title: 'H6 a target that was removed again is not in this layer',
    layer: 'file d/a "1"\nsym d -> e\nlink b -> d/a',
    tree: 'deferred b -> d/a\nsym d -> e',
    warns: 'H6',
  },
];

const METADATA: readonly LayerCase[] = [
  {
    title: 'H7 the link entry that comes last gives owner, mode and time, never a type',
    layer: 'file a 0600 1:1 "1" mtime=100\nlink b 04640 2:2 -> a mtime=200\nlink c 04755 3:3 -> a mtime=300',
    tree: 'file a 04755 3:3 "1" mtime=300\nlink b -> a\nlink c -> a',
  },
  {
    title: 'H7 a forward link comes before its file, and does not win',
    layer: 'link b 0640 2:2 -> a mtime=9\nfile a 0600 1:1 "1" mtime=8',
    tree: 'file a 0600 1:1 "1" mtime=8\nlink b -> a',
  },
  {
    title: 'H7 type and fourth field stay the inode’s',
    layer: 'char c 0600 1,3\nlink d 0666 7:7 -> c\nblock e 0600 8,1\nlink f 0660 -> e\nfifo p 0600\nlink q -> p',
    tree: 'char c 0666 7:7 1,3\nlink d -> c\nblock e 0660 8,1\nlink f -> e\nfifo p\nlink q -> p',
  },
  {
    title: 'H7 attributes of a link entry are added to the inode',
    layer: 'file a "1" xattr:user.a="1" xattr:user.b="2"\nlink c -> a xattr:user.b="3" xattr:user.c="4"',
    tree: 'file a "1" xattr:user.a="1" xattr:user.b="3" xattr:user.c="4"\nlink c -> a',
  },
  {
    title: 'H7 H9 a link to itself that exists changes the metadata alone',
    layer: 'file a 0600 1:1 "1"\nlink b 0620 -> a\nlink a 0640 2:2 -> ./a',
    tree: 'file a 0640 2:2 "1"\nlink b -> a',
  },
  {
    title: 'H7 a link made twice changes the metadata alone',
    layer: 'file a 0600 "1"\nlink b 0620 -> a\nlink b 0640 2:2 -> a\nlink a 0660 -> b',
    tree: 'file a 0660 "1"\nlink b -> a',
  },
  {
    title: 'H3 H7 a link whose name a later entry takes gives its metadata all the same',
    layer: 'file a 0600 "1"\nlink b 0640 2:2 -> a xattr:user.a="1" mtime=7\nfile b "2"',
    tree: 'file a 0640 2:2 "1" mtime=7 xattr:user.a="1"\nfile b "2"',
  },
  {
    title: 'H3 H7 so does one whose name a later link takes, to whatever file',
    layer: 'file a 0600 "1"\nfile c "2"\nlink b 0640 2:2 -> a xattr:user.a="1"\nlink b 0620 -> c\nlink b 0660 -> c',
    tree: 'file a 0640 2:2 "1" xattr:user.a="1"\nfile b 0660 "2"\nlink c -> b',
  },
  {
    title: 'H3 H11 and one to a symlink',
    layer: 'sym a -> x\nlink b 0700 2:2 -> a mtime=7\ndir b',
    tree: 'sym a 0700 2:2 -> x mtime=7\ndir b',
  },
  {
    title: 'H11 E11 a link to a symlink is that symlink, the last entry gives its owner',
    layer: 'sym s 0777 1:1 -> /nowhere mtime=1\nlink l 0700 2:2 -> s mtime=2',
    tree: 'sym l 0700 2:2 -> /nowhere mtime=2\nlink s -> l',
  },
  {
    title: 'H11 forward too',
    layer: 'link l -> s\nsym s 0777 1:1 -> /nowhere',
    tree: 'sym l 1:1 -> /nowhere\nlink s -> l',
  },
];

const REFUSED: readonly LayerCase[] = (
  [
    ['H8 X6 a directory', 'dir d\nlink l -> d', 'H8'],
    ['H8 X6 a directory behind a symlink', 'dir d/e\nsym s -> d\nlink l -> s/e', 'H8'],
    ['H8 X6 a directory that comes later', 'link l -> d\nfile d/f "x"', 'H8'],
    ['H9 X6 itself, which does not exist', 'link l -> l', 'H9'],
    ['H9 X6 itself, which a later entry makes', 'link l -> l\nfile l "1"', 'H9'],
    ['H9 X6 a link to itself behind a symlink', 'dir d\nsym s -> d\nlink d/l -> s/l', 'H9'],
    ['H9 X6 a ring of two', 'link a -> b\nlink b -> a', 'H9'],
    ['H9 X6 a ring that a chain leads into', 'link a -> b\nlink b -> c\nlink c -> b', 'H9'],
  ] as const
).map(([title, text, rule]) => ({ title: `${title} is refused`, layer: text, refused: `ENTRY_REFUSED ${rule}` }));

testLayers([...VERSIONS, ...MAKING, ...ABSENT, ...METADATA, ...REFUSED], 'compat K10 extraction');

test('extraction H6 W7 the layer’s record says that it must be composed', (t) => {
  const composed = (text: string): boolean => {
    const { outcome } = extract(t, parseLayer(text));
    return outcome.kind === 'done' && outcome.facts.composeRequired;
  };
  const isComposed = {
    'link b -> a': true,
    'link b -> a\nfile a "1"': false,
    'link b -> a\nfile b "1"': false,
    'file a "1"': false,
    'link .wh..wh.plnk/1 -> a': false,
  };
  assert.deepEqual(Object.keys(isComposed).map(composed), Object.values(isComposed));
});

test('extraction H6 the warning says link.deferred, and which link', (t) => {
  const { outcome } = extract(t, parseLayer('file a "1"\nlink d/b -> usr/x'));
  const warning = outcome.warnings.find(({ rule }) => rule === 'H6');
  assert.match(warning?.message ?? '', /^link\.deferred: /);
  assert.deepEqual(warning?.first, [{ entry: 'd/b', entryBase64: btoa('d/b'), offset: 1024 }]);
});

test('extraction H10 one link more than an inode takes is a copy', (t) => {
  const staging = temporaryDirectory(t);
  const beside = temporaryDirectory(t);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => join(staging, 'tree', name)) as [string, string, string];
  let isFull = false;
  const extraction = extract(
    t,
    parseLayer('file a 04755 7:8 "content" mtime=9\nlink b 04711 7:8 -> a mtime=9\nlink c 04711 7:8 -> a mtime=9'),
    {
      staging,
      chunkBytes: 512,
      onChunk: (bytes) => void (bytes === 1024 && (isFull = linkUntilFull(a, beside))),
    },
  );
  assert.equal(verdict(extraction), 'done');
  // A file system without such a limit keeps one inode.
  assert.deepEqual(warned(extraction), isFull ? ['H10'] : []);
  assert.equal(lstatSync(a).ino === lstatSync(b).ino, !isFull);
  assert.equal(lstatSync(b).ino, lstatSync(c).ino, 'both names of the copy are one inode');
  for (const path of [b, c]) {
    assert.equal(readFileSync(path, 'utf8'), 'content');
    assert.equal(overrideOf(path), '7:8:0104711');
    assert.deepEqual([lstatSync(path).mtimeMs, lstatSync(path).mode & 0o7777], [9000, 0o711]);
  }
});

/** @returns whether the file system refused one more, within 70 000 */
function linkUntilFull(path: string, directory: string): boolean {
  try {
    for (let i = 0; i < 70_000; i++) linkSync(path, join(directory, String(i)));
    return false;
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EMLINK');
    return true;
  }
}

test('extraction H2 H7 no link is lost or doubled when all goes through one slab', (t) => {
  const text = Array.from({ length: 50 }, (_, i) => `file f${i} "${i}"\nlink g${i} -> f${i}\nfile f${i} "new"`).join(
    '\n',
  );
  const { tree } = extract(t, parseLayer(text));
  const lines = listTree(tree).filter((line) => line.startsWith('g'));
  assert.deepEqual(
    lines.toSorted(),
    Array.from({ length: 50 }, (_, i) => `g${i} file "${i}" 0644 0:0:0100644`).toSorted(),
  );
});
