import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SluiceError } from '../../src/errors.js';
import { createApply } from '../../src/layer/apply.js';
import { RESULT, STATUS, STRIDE, SYSCALLS, WORD } from '../../src/layer/commands.js';
import { createMeter } from '../../src/layer/meter.js';
import { Tree } from '../../src/layer/tree.js';
import { createWarnings } from '../../src/layer/warnings.js';
import { native, type Native, type WriterHandle } from '../../src/native.js';
import { parseLayer } from '../../src/testing/index.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE, extract, listTree, verdict, warned } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const ROOT = '. dir 0755 0:0:040755';

interface Case {
  readonly title: string;
  readonly layer: string;
  readonly tree: readonly string[];
  readonly warnings?: readonly string[];
}

/** What may stand at `x` first, and what it leaves behind when it is replaced. */
const BEFORE: Readonly<Record<string, string>> = {
  file: 'file x "old"',
  placeholder: 'fifo x',
  symlink: 'sym x -> t',
  directory: 'dir x 0700 1:1\nfile x/child "c"',
};

/** What comes then, and what `x` is afterwards. */
const AFTER: Readonly<Record<string, readonly [string, string]>> = {
  file: ['file x "new" 0600', 'x file "new" 0600 0:0:0100600'],
  placeholder: ['char x 0666 1,3', 'x file "" 0600 0:0:020666:char-1-3'],
  symlink: ['sym x -> u', 'x sym -> u'],
  directory: ['dir x 0711 2:2', 'x dir 0711 2:2:040711'],
  link: ['link x -> t', 'x file "t" 0644 0:0:0100644 = t'],
};

const OVERWRITING = Object.entries(BEFORE).flatMap(([there, first]) =>
  Object.entries(AFTER).map(([comes, [second, line]]): Case => {
    const keepsChild = there === 'directory' && comes === 'directory';
    return {
      title: `O1 to O4 ${comes} over ${there}`,
      layer: `file t "t"\n${first}\n${second}`,
      tree: [ROOT, 't file "t" 0644 0:0:0100644', line, ...(keepsChild ? ['x/child file "c" 0644 0:0:0100644'] : [])],
    };
  }),
);

const PARENTS: readonly Case[] = [
  {
    title: 'N4 P1 missing parents are made, in the order of need',
    layer: 'file a/b/c/d "x"\ndir a/b 0700 3:3',
    tree: [ROOT, 'a dir 0755 -', 'a/b dir 0700 3:3:040700', 'a/b/c dir 0755 -', 'a/b/c/d file "x" 0644 0:0:0100644'],
  },
  {
    title: 'N4 behind a dangling symlink, several parts deep',
    layer: 'sym l -> /x/y/z\nfile l/f "x"',
    tree: [
      ROOT,
      'l sym -> /x/y/z',
      'x dir 0755 -',
      'x/y dir 0755 -',
      'x/y/z dir 0755 -',
      'x/y/z/f file "x" 0644 0:0:0100644',
    ],
  },
  {
    title: 'N3 ".." in a target stops at the root',
    layer: 'sym d/l -> ../../../../t\nfile d/l/f "x"',
    tree: [ROOT, 'd dir 0755 -', 'd/l sym -> ../../../../t', 't dir 0755 -', 't/f file "x" 0644 0:0:0100644'],
  },
  {
    title: 'N6 whatever is on the way gives way, with a warning',
    layer: 'fifo a\nfile a/b "x"\nfile c "y"\ndir c/d/e\nsym s -> c2\nfile c2 "z"\nfile s/f "w"',
    tree: [
      ROOT,
      'a dir 0755 -',
      'a/b file "x" 0644 0:0:0100644',
      'c dir 0755 -',
      'c/d dir 0755 -',
      'c/d/e dir 0755 0:0:040755',
      'c2 dir 0755 -',
      'c2/f file "w" 0644 0:0:0100644',
      's sym -> c2',
    ],
    warnings: ['N6'],
  },
  {
    title: 'N9 a name through a symlink that was replaced lands in the new place',
    layer: 'dir one\ndir two\nsym l -> one\nfile l/a "1"\nsym l -> two\nfile l/b "2"',
    tree: [
      ROOT,
      'l sym -> two',
      'one dir 0755 0:0:040755',
      'one/a file "1" 0644 0:0:0100644',
      'two dir 0755 0:0:040755',
      'two/b file "2" 0644 0:0:0100644',
    ],
  },
  {
    title: 'N9 a directory that was replaced twice is a new one',
    layer: 'file d/a "1"\nfile d "x"\nfile d/b "2"',
    tree: [ROOT, 'd dir 0755 -', 'd/b file "2" 0644 0:0:0100644'],
    warnings: ['N6'],
  },
  {
    title: 'E4 a slash behind a symlink’s name is dropped',
    layer: 'dir t\nsym s/ -> t',
    tree: [ROOT, 's sym -> t', 't dir 0755 0:0:040755'],
  },
  {
    title: 'E7 a file through a link that points up, then a link in the directory’s place',
    layer: 'sym escape -> ..\nfile escape/absolute/f "x"\nsym absolute -> /target',
    tree: [ROOT, 'absolute sym -> /target', 'escape sym -> ..'],
  },
  {
    title: 'S13 S21 the root twice, and names with dots',
    layer: 'dir ./ 0700 1:1\ndir . 0711 2:2\nfile ./x "1"\nfile ././x "2"',
    tree: ['. dir 0711 2:2:040711', 'x file "2" 0644 0:0:0100644'],
  },
  {
    title: 'S14 directories that their owner cannot enter take children all the same',
    layer: 'dir d 0000\nfile d/f "x"\ndir d/e 0555\nfile d/e/g "y"',
    tree: [
      ROOT,
      'd dir 0700 0:0:040000',
      'd/e dir 0755 0:0:040555',
      'd/e/g file "y" 0644 0:0:0100644',
      'd/f file "x" 0644 0:0:0100644',
    ],
  },
];

for (const walk of [false, true]) {
  for (const { title, layer, tree, warnings = [] } of [...OVERWRITING, ...PARENTS]) {
    test(`extraction ${title} (${walk ? 'walk' : 'openat2'})`, (t) => {
      const extraction = extract(t, parseLayer(layer), { walk });
      assert.equal(verdict(extraction), 'done');
      assert.deepEqual(listTree(extraction.tree), tree);
      assert.deepEqual(warned(extraction), warnings);
    });
  }

  test(`extraction X4 40 symlinks are followed, one more is not (${walk ? 'walk' : 'openat2'})`, (t) => {
    const chain = (length: number): string =>
      [
        'dir d',
        ...Array.from({ length }, (_, i) => `sym s${i} -> ${i === 0 ? 'd' : `s${i - 1}`}`),
        `file s${length - 1}/f "x"`,
      ].join('\n');
    assert.equal(verdict(extract(t, parseLayer(chain(40)), { walk })), 'done');
    assert.equal(verdict(extract(t, parseLayer(chain(41)), { walk })), 'NAME_REFUSED X4');
  });

  test(`extraction X3 E17 a path that is too long once its symlinks are resolved (${walk ? 'walk' : 'openat2'})`, (t) => {
    const part = 'p'.repeat(250);
    const long = Array(15).fill(part).join('/');
    const through = (depth: number): string => `sym l -> ${long}\nfile l/${Array(depth).fill(part).join('/')} "x"`;
    assert.equal(verdict(extract(t, parseLayer(through(1)), { walk })), 'done');
    assert.equal(verdict(extract(t, parseLayer(through(3)), { walk })), 'NAME_REFUSED X3');
  });
}

test('extraction M17 directories have their own time at the end, implied ones 1970', (t) => {
  const { tree } = extract(t, parseLayer('dir d mtime=1000\nfile d/f "x" mtime=2000\nfile i/f "y" mtime=3000'));
  const seconds = (name: string): number => statSync(join(tree, name)).mtimeMs / 1000;
  assert.deepEqual(['', 'd', 'd/f', 'i', 'i/f'].map(seconds), [0, 1000, 2000, 0, 3000]);
});

test('extraction M6 a symlink keeps its owner in the sidecar alone', (t) => {
  const extraction = extract(t, parseLayer('sym s 0777 5:6 -> t mtime=7.5'));
  assert.match(extraction.lines().join('\n'), /^\.\/s type=link mode=0777 uid=5 gid=6 time=7\.500000000 link=t$/m);
  assert.equal(lstatSync(join(extraction.tree, 's')).mtimeMs, 7500);
});

test('extraction X3 X4 a refusal on the way names rule, entry and place', (t) => {
  const { outcome } = extract(t, parseLayer('file ok "x"\nsym a -> a\nfile a/x "y"'));
  assert.ok(outcome.kind === 'failed');
  const { code, detail } = outcome.error;
  assert.deepEqual([code, detail.rule, detail.entry, detail.offset], ['NAME_REFUSED', 'X4', 'a/x', 1536]);
});

/** The addon over a file system that takes `A` for `a`: a name that is made first keeps its spelling. */
function folding(addon: Native): Native {
  const spelled = new Map<string, string>();
  return {
    ...addon,
    writerRun: (writer, slab, arena, words, first, end, result, name) => {
      for (let index = first; index < end; index++) {
        const at = index * STRIDE;
        const start = words[at + WORD.PATH]!;
        const path = Buffer.from(arena.subarray(start, start + words[at + WORD.PATH_LENGTH]!)).toString('latin1');
        const other = spelled.get(path.toLowerCase());
        if (other !== undefined && other !== path) {
          result.fill(0);
          result[RESULT.STATUS] = STATUS.FAILED;
          result[RESULT.ERRNO] = constants.errno.EEXIST;
          result[RESULT.SYSCALL] = SYSCALLS.indexOf('fstatat');
          return index;
        }
        spelled.set(path.toLowerCase(), path);
        const done = addon.writerRun(writer, slab, arena, words, index, index + 1, result, name);
        if (done === index) return index;
      }
      return end;
    },
  };
}

/** The addon where the first command fails so. */
function failing(addon: Native, errno: number, syscall: string): Native {
  return {
    ...addon,
    writerRun: (_writer, _slab, _arena, _words, first, _end, result) => {
      result.fill(0);
      result[RESULT.STATUS] = STATUS.FAILED;
      result[RESULT.ERRNO] = errno;
      result[RESULT.SYSCALL] = SYSCALLS.indexOf(syscall as (typeof SYSCALLS)[number]);
      return first;
    },
  };
}

const { EDQUOT, EIO, ELOOP, ENAMETOOLONG, ENOSPC, EOPNOTSUPP } = constants.errno;

const TROUBLE: readonly (readonly [errno: number, syscall: string, code: string, rule: string | undefined])[] = [
  [EOPNOTSUPP, 'fsetxattr', 'XATTR_UNSUPPORTED', 'M10'],
  [EOPNOTSUPP, 'utimensat', 'STORE_FAILED', undefined],
  [ENOSPC, 'write', 'DISK_FULL', undefined],
  [EDQUOT, 'mkdirat', 'DISK_FULL', undefined],
  [EIO, 'fsetxattr', 'STORE_FAILED', undefined],
  [ELOOP, 'openat', 'NAME_REFUSED', 'X4'],
  [ENAMETOOLONG, 'openat', 'NAME_REFUSED', 'X3'],
];

for (const [errno, syscall, code, rule] of TROUBLE) {
  test(`extraction X3 X4 M10 errno ${errno} of ${syscall} is ${code}, and refuses only what the rules refuse`, () => {
    const addon = failing(native(), errno, syscall);
    const tree = new Tree(addon, {} as WriterHandle, createWarnings(), 0);
    assert.throws(
      () => tree.stat(Buffer.from('d/f')),
      (error: SluiceError) => {
        const { detail } = error;
        assert.deepEqual([error.code, detail.rule, detail.entry, detail.syscall], [code, rule, 'd/f', syscall]);
        return true;
      },
    );
  });
}

test('extraction E15 compat K19 a name that the file system takes for another one fails the layer, and nothing is merged', (t) => {
  const run = (text: string): void => {
    const base = temporaryDirectory(t);
    const root = join(base, 'tree');
    mkdirSync(root);
    const writer = native().writerOpen(Buffer.from(root), Buffer.from(base), false, 0o22, true, 0);
    t.after(() => native().writerClose(writer));
    const warnings = createWarnings();
    const apply = createApply({
      tree: new Tree(folding(native()), writer, warnings, 0),
      meter: createMeter(AMPLE, openUsage()),
      maxMetaBytes: 1024,
      isPrivileged: false,
      warnings,
    });
    apply.push(parseLayer(text));
    apply.end();
  };
  run('file a "1"\nfile b "2"\nfile a "3"');
  for (const second of ['file A "2"', 'dir A', 'sym A -> x', 'link A -> b', 'fifo A']) {
    assert.throws(
      () => run(`file b ""\nfile a "1"\n${second}`),
      (error: SluiceError) => {
        assert.deepEqual(
          [error.code, error.detail.rule, error.detail.entry, error.detail.errno],
          ['NAME_COLLISION', 'E15', 'A', 'EEXIST'],
        );
        return true;
      },
    );
  }
});

test('extraction E15 the comparing of names changes nothing where names are bytes', (t) => {
  const text = 'file A/f "1"\nfile a/F "2"\nsym l -> A\nfile l/f "3"\nlink h -> a/F\nfile é "4"\nfile é "5"\nwh A';
  const [plain, folds] = [false, true].map((isFolding) => extract(t, parseLayer(text), { folds: isFolding }));
  assert.deepEqual([verdict(plain!), verdict(folds!)], ['done', 'done']);
  assert.deepEqual([listTree(folds!.tree), folds!.lines()], [listTree(plain!.tree), plain!.lines()]);
});
