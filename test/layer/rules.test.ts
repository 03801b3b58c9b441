import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KIND } from '../../src/layer/commands.js';
import { decide, hasMarkerDirectory, isAufs } from '../../src/layer/rules.js';
import { TYPE, type Entry, type Span } from '../../src/layer/tar/entry.js';
import { verdictOf } from './tar/read-tar.js';

function span(text: string): Span {
  const bytes = Buffer.from(text, 'latin1');
  return { bytes, start: 0, end: bytes.length };
}

interface Case extends Partial<Omit<Entry, 'name' | 'link' | 'type'>> {
  /** Cleaned. */
  readonly path: string;
  readonly type?: number;
  readonly target?: string;
}

/** Decides with the path inside a larger buffer. */
function decideOn({ path, type = TYPE.FILE, target = '', ...rest }: Case): ReturnType<typeof decide> {
  const entry: Entry = {
    type,
    name: span(path),
    link: span(target),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 0,
    mtime: 0,
    mtimeNs: 0,
    devMajor: 0,
    devMinor: 0,
    xattrs: [],
    sparse: null,
    offset: 0,
    ...rest,
  };
  const bytes = Buffer.from(`.wh.${path}.wh.`, 'latin1');
  return decide(entry, bytes, 4, bytes.length - 4);
}

const KINDS: readonly (readonly [string, Case, string])[] = [
  ['T15 a regular file', { path: 'f' }, 'file'],
  ['T15 a contiguous file', { path: 'f', type: TYPE.CONTIGUOUS }, 'file'],
  ['T15 a directory', { path: 'd', type: TYPE.DIRECTORY }, 'directory'],
  ['T15a a dump directory', { path: 'd', type: TYPE.DUMP_DIRECTORY }, 'directory'],
  ['T15b a volume label', { path: 'label', type: TYPE.VOLUME }, 'skip'],
  ['T15b a volume label without a name', { path: '', type: TYPE.VOLUME }, 'skip'],
  ['N7 a symlink', { path: 's', type: TYPE.SYMLINK, target: '../../x' }, 'symlink'],
  ['H1 a hard link', { path: 'l', type: TYPE.LINK, target: 'x' }, 'link'],
  ['E5 the root', { path: '', type: TYPE.DIRECTORY }, 'root'],
  ['W1 a whiteout', { path: 'etc/.wh.x' }, 'whiteout'],
  ['W1 an opaque mark', { path: 'etc/.wh..wh..opq' }, 'whiteout'],
  ['W1 an opaque mark in the root', { path: '.wh..wh..opq' }, 'whiteout'],
  ['W1 a whiteout of a dotted name', { path: '.wh..x' }, 'whiteout'],
  ['W1 a whiteout of three dots', { path: '.wh....' }, 'whiteout'],
  ['W1 a whiteout as a directory', { path: '.wh.x', type: TYPE.DIRECTORY }, 'whiteout'],
  ['W1 a whiteout as a hard link without a target', { path: '.wh.x', type: TYPE.LINK }, 'whiteout'],
  ['W1 a whiteout as a symlink without a target', { path: '.wh.x', type: TYPE.SYMLINK }, 'whiteout'],
  ['W1 a whiteout as a device', { path: '.wh.x', type: TYPE.CHAR }, 'whiteout'],
  ['W1 not quite a whiteout', { path: '.whx' }, 'file'],
  ['W1 a whiteout’s name in the middle', { path: 'a.wh.x' }, 'file'],
  ['W6 a file in a directory named like a whiteout', { path: '.wh.etc/f' }, 'file'],
  ['W7 AUFS’s own bookkeeping', { path: '.wh..wh.plnk/1.2' }, 'file'],
  ['W7 AUFS’s own directory', { path: '.wh..wh.plnk', type: TYPE.DIRECTORY }, 'directory'],
  ['W7 deeper down it is a whiteout', { path: 'a/.wh..wh.plnk' }, 'whiteout'],
];

for (const [title, input, kind] of KINDS) {
  test(`extraction ${title}: ${kind}`, () => {
    assert.equal(decideOn(input).kind, kind);
  });
}

test('extraction M5 devices and FIFOs become placeholders of their kind', () => {
  const kinds = [TYPE.CHAR, TYPE.BLOCK, TYPE.FIFO].map((type) => decideOn({ path: 'p', type }));
  assert.deepEqual(
    kinds,
    [KIND.CHAR, KIND.BLOCK, KIND.FIFO].map((as) => ({ kind: 'placeholder', as })),
  );
});

const REFUSALS: readonly (readonly [string, Case, string])[] = [
  ...[TYPE.FILE, TYPE.SYMLINK, TYPE.LINK, TYPE.CHAR, TYPE.BLOCK, TYPE.FIFO, TYPE.CONTIGUOUS].map(
    (type) =>
      [
        `X1 type ${String.fromCharCode(type)} in the root's place`,
        { path: '', type, target: 'x' },
        'ENTRY_REFUSED X1',
      ] as const,
  ),
  ['X5 E19 a whiteout of nothing', { path: 'a/.wh.' }, 'ENTRY_REFUSED X5'],
  ['X5 E19 a whiteout of "."', { path: '.wh..' }, 'ENTRY_REFUSED X5'],
  ['X5 E19 a whiteout of ".."', { path: 'a/.wh...' }, 'ENTRY_REFUSED X5'],
  ['X5 E19 a whiteout of nothing, as a directory', { path: '.wh.', type: TYPE.DIRECTORY }, 'ENTRY_REFUSED X5'],
  ['X3 a symlink to nothing', { path: 's', type: TYPE.SYMLINK }, 'NAME_REFUSED X3'],
  ['X3 a hard link to nothing', { path: 'l', type: TYPE.LINK }, 'NAME_REFUSED X3'],
  ['X3 a symlink target of 4096 bytes', { path: 's', type: TYPE.SYMLINK, target: 'x'.repeat(4096) }, 'NAME_REFUSED X3'],
  ['X2 NUL in a symlink target', { path: 's', type: TYPE.SYMLINK, target: 'a\0b' }, 'NAME_REFUSED X2'],
  ['X2 NUL in a hard link target', { path: 'l', type: TYPE.LINK, target: 'a\0b' }, 'NAME_REFUSED X2'],
  ['X7 M7 a negative owner', { path: 'f', uid: -1 }, 'NUMBER_OUT_OF_RANGE M7'],
  ['X7 M7 an owner of 2^32-1', { path: 'f', uid: 4294967295 }, 'NUMBER_OUT_OF_RANGE M7'],
  ['X7 M7 an owner beyond all', { path: 'f', uid: Infinity }, 'NUMBER_OUT_OF_RANGE M7'],
  ['X7 M7 a negative group', { path: 'f', gid: -1 }, 'NUMBER_OUT_OF_RANGE M7'],
  ['X7 M7 a group of 2^32-1 on a whiteout', { path: '.wh.f', gid: 4294967295 }, 'NUMBER_OUT_OF_RANGE M7'],
  ['X7 T16 a major of 4096', { path: 'c', type: TYPE.CHAR, devMajor: 4096 }, 'NUMBER_OUT_OF_RANGE T16'],
  ['X7 T16 a minor of 2^20', { path: 'c', type: TYPE.BLOCK, devMinor: 1048576 }, 'NUMBER_OUT_OF_RANGE T16'],
  ['X7 T16 a major of -1', { path: 'c', type: TYPE.CHAR, devMajor: -1 }, 'NUMBER_OUT_OF_RANGE T16'],
  ['X7 T16 a minor of -1', { path: 'c', type: TYPE.CHAR, devMinor: -1 }, 'NUMBER_OUT_OF_RANGE T16'],
  ...['M', 'N', 'A', 'Z', 's', '8', '9', ' ', '\xff'].map(
    (type) =>
      [
        `T15c type ${JSON.stringify(type)}`,
        { path: 'f', type: type.charCodeAt(0) },
        'ENTRY_TYPE_UNSUPPORTED T15c',
      ] as const,
  ),
];

for (const [title, input, verdict] of REFUSALS) {
  test(`extraction ${title} is refused`, () => {
    assert.equal(
      verdictOf(() => decideOn(input)),
      verdict,
    );
  });
}

test('extraction X3 X7 S19 the largest that Linux knows is accepted', () => {
  assert.equal(decideOn({ path: 'f', uid: 4294967294, gid: 4294967294 }).kind, 'file');
  assert.equal(decideOn({ path: 'c', type: TYPE.CHAR, devMajor: 4095, devMinor: 1048575 }).kind, 'placeholder');
  assert.equal(decideOn({ path: 's', type: TYPE.SYMLINK, target: 'x'.repeat(4095) }).kind, 'symlink');
});

test('extraction W6 W7 directory parts that look like markers', () => {
  const ask = (path: string): readonly [boolean, boolean] => {
    const bytes = Buffer.from(`##${path}/.wh.`);
    return [isAufs(bytes, 2, 2 + path.length), hasMarkerDirectory(bytes, 2, 2 + path.length)];
  };
  assert.deepEqual(ask('.wh..wh.plnk/x'), [true, true]);
  assert.deepEqual(ask('.wh..wh.aufs'), [true, false]);
  assert.deepEqual(ask('.wh..wh..opq'), [false, false]);
  assert.deepEqual(ask('.wh..wh..opq/x'), [false, true]);
  assert.deepEqual(ask('.wh..wh..opqx'), [true, false]);
  assert.deepEqual(ask('a/.wh..wh.plnk'), [false, false]);
  assert.deepEqual(ask('a/.wh.b/c'), [false, true]);
  assert.deepEqual(ask('a/b'), [false, false]);
});
