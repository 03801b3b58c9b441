import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { FLAG, KIND, OP, script, STATUS, Tree, WAYS } from './script.js';

for (const { name: way, walk } of WAYS) {
  test(`extraction N1 names are bytes (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    const odd = Buffer.from([0xff, 0xfe, 0x0a, 0x5c]);
    tree.run(
      script()
        .dir(odd)
        .file(Buffer.concat([odd, Buffer.from('/..gitme')]), 'x')
        .dir('a..b'),
    );
    assert.deepEqual(readdirSync(tree.root, { encoding: 'buffer' }).sort(Buffer.compare), [Buffer.from('a..b'), odd]);
    assert.ok(
      tree.finish().includes('./\\377\\376\\012\\134/..gitme type=file mode=0644 uid=0 gid=0 size=1 time=0.000000000'),
    );
  });

  test(`extraction N2 unclean paths never reach the file system (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('a'));
    for (const path of ['..', '.', 'a/..', 'a/../b', '../x', 'a//b', '/a/b', '/a', 'a/', 'a/./b', 'a\0b', 'a\0/b'])
      for (const op of [OP.FILE, OP.DIR, OP.SYMLINK, OP.LINK, OP.REMOVE, OP.STAT, OP.INODE_META]) {
        const outcome = tree.attempt(script().add(op, path, { kind: KIND.FILE, flags: FLAG.LAST, link: 'a' }));
        assert.deepEqual([outcome.status, outcome.errno], [STATUS.FAILED, 'EINVAL'], JSON.stringify(path));
      }
    assert.deepEqual(readdirSync(tree.root), ['a']);
    assert.deepEqual(readdirSync(tree.base).sort(), ['tree']);
  });

  test(`extraction N3 limits of names, paths and depth (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('d').file('n'.repeat(255)).symlink('short', 'd'));
    const failing = (path: string): void => {
      const outcome = tree.attempt(script().file(path));
      assert.deepEqual([outcome.status, outcome.errno], [STATUS.FAILED, 'ENAMETOOLONG'], `${path.length} bytes`);
    };
    failing('n'.repeat(256));
    failing(`${'n'.repeat(256)}/x`);
    failing(`d/${'x/'.repeat(1024)}x`);
    failing('12345678/'.repeat(456));
    const deep = Array.from({ length: 1023 }, () => 'x').join('/');
    tree.runWithRules(script().file(`${deep}/f`, 'deep'));
    failing(`${deep}/f/g`);
    const part = 'p'.repeat(203);
    const long = Array.from({ length: 20 }, () => part).join('/');
    tree.runWithRules(script().file(`${long}/${'q'.repeat(16)}`, 'long'));
    assert.equal(`${long}/${'q'.repeat(16)}`.length, 4096);
    failing(`${long}/${'q'.repeat(17)}`);
    tree.run(script().symlink('far', long));
    failing(`far/${'q'.repeat(17)}`);
    tree.run(script().remove('x').remove(part));
    assert.equal(tree.has('x'), false);
  });

  test(`extraction N4 a missing part is named, also behind a dangling symlink (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('var').symlink('var/run', '/run/deep'));
    const outcome = tree.attempt(script().file('var/run/x', 'x'));
    assert.deepEqual(
      [outcome.done, outcome.status, outcome.errno, outcome.atLeaf, outcome.name],
      [0, STATUS.SUSPENDED, 'ENOENT', false, 'run'],
    );
    tree.runWithRules(script().file('var/run/x', 'x').file('var/run/more/y', 'y'));
    assert.equal(tree.read('run/deep/x'), 'x');
    assert.equal(tree.read('run/deep/more/y'), 'y');
    const lines = tree.finish();
    const at = lines.indexOf('./run/deep type=dir mode=0755 uid=0 gid=0 time=0.000000000');
    assert.equal(lines[at + 1], '#sluice.implied');
    assert.ok(lines.includes('./run/deep/x type=file mode=0644 uid=0 gid=0 size=1 time=0.000000000'));
    assert.equal(tree.override('run'), null);
  });

  test(`extraction N6 a blocking non-directory is named by its canonical path (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('a').file('a/f').symlink('l', 'a/f'));
    for (const path of ['a/f/x', 'l/x', 'l/y/z']) {
      const outcome = tree.attempt(script().file(path));
      assert.deepEqual(
        [outcome.status, outcome.errno, outcome.atLeaf, outcome.name, outcome.kind],
        [STATUS.SUSPENDED, 'ENOTDIR', false, 'a/f', KIND.FILE],
      );
    }
    tree.runWithRules(script().file('l/x', 'x'));
    assert.equal(tree.read('a/f/x'), 'x');
  });

  test(`extraction N9 the cache of parents outlives neither a removed directory nor a removed symlink (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('a').dir('b').symlink('l', 'a').file('l/1').remove('l').symlink('l', 'b').file('l/2'));
    assert.deepEqual(readdirSync(tree.path('b')), ['2']);
    tree.run(script().dir('a/c').file('a/c/1').remove('a').symlink('a', 'b').dir('b/c').file('a/c/3'));
    assert.deepEqual(readdirSync(tree.path('b/c')), ['3']);
    tree.run(script().remove('a'));
    assert.equal(tree.attempt(script().file('a/c/4')).errno, 'ENOENT');
  });

  test(`extraction N9 more parents than the cache holds (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    const commands = script().dir('top').symlink('way', 'top');
    for (let i = 0; i < 600; i++) commands.dir(`top/${i}`);
    for (let i = 0; i < 600; i++)
      commands.file(`way/${i}/f`, String(i)).link(`top/${(i * 7) % 600}/g${i}`, `way/${i}/f`);
    tree.run(commands);
    for (let i = 0; i < 600; i++) assert.equal(tree.read(`top/${(i * 7) % 600}/g${i}`), String(i));
    assert.ok(readdirSync('/proc/self/fd').length < 400);
  });

  test(`extraction N9 a way past every cached directory does not close the one in use (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    const names = Array.from({ length: 255 }, (_, i) => `d${i.toString(36)}`);
    const pass = (some: readonly string[]): string => some.map((name) => `${name}/s/../s/../../`).join('');
    tree.run(script().dir('use').dir('end').file('end/f', 'x'));
    for (const name of names) tree.run(script().dir(name).dir(`${name}/s`));
    tree.run(
      script()
        .symlink('way', `${pass(names.slice(0, 127))}next`)
        .symlink('next', `${pass(names.slice(127))}end`),
    );
    for (const name of [...names, 'use']) tree.stat(`${name}/none`);
    tree.run(script().link('use/linked', 'way/f'));
    assert.equal(tree.read('use/linked'), 'x');
  });

  test(`extraction E3 a file through an absolute symlink stays in the root (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('etc').symlink('localetc', '/etc').file('localetc/unbroken', 'x'));
    assert.equal(tree.read('etc/unbroken'), 'x');
    assert.equal(readlinkSync(tree.path('localetc')), '/etc');
  });

  test(`extraction E6 targets that go up stop at the root (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    mkdirSync(join(tree.base, 'victim'));
    tree.runWithRules(
      script()
        .dir('inner')
        .symlink('inner/go_up', '..')
        .symlink('inner/go_up/escape', '../victim')
        .file('inner/go_up/escape/f', 'in'),
    );
    assert.equal(readlinkSync(tree.path('escape')), '../victim');
    assert.equal(tree.read('victim/f'), 'in');
    assert.deepEqual(readdirSync(join(tree.base, 'victim')), [], 'HOST PATH WAS CHANGED');
  });

  test(`extraction E7 a relative escape, then an absolute symlink in its place (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.runWithRules(script().symlink('escape', '..').file('escape/absolute/f', 'x'));
    assert.equal(tree.read('absolute/f'), 'x');
    tree.runWithRules(script().symlink('absolute', '/target'));
    assert.equal(readlinkSync(tree.path('absolute')), '/target');
    assert.deepEqual(
      tree.finish().filter((line) => line.startsWith('./')),
      [
        './absolute type=link mode=0777 uid=0 gid=0 time=0.000000000 link=/target',
        './escape type=link mode=0777 uid=0 gid=0 time=0.000000000 link=..',
      ],
    );
  });

  test(`extraction E6 up and down again inside targets (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(
      script()
        .dir('a')
        .dir('a/b')
        .dir('a/b/c')
        .dir('z')
        .symlink('a/b/c/l', './/../../b/../../../../z/./')
        .file('a/b/c/l/f', '1')
        .symlink('z/back', '../a/b/c/l/../a/b/c')
        .file('z/back/g', '2')
        .symlink('rooted', '/../../a/b/')
        .file('rooted/h', '3'),
    );
    assert.equal(tree.read('z/f') + tree.read('a/b/c/g') + tree.read('a/b/h'), '123');
  });

  test(`extraction E11 a hard link to a symlink links the symlink (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('d').symlink('l', '/d', { uid: 7, mtime: 5 }).link('m', 'l'));
    assert.equal(readlinkSync(tree.path('m')), '/d');
    assert.equal(lstatSync(tree.path('m')).ino, lstatSync(tree.path('l')).ino);
    assert.deepEqual(tree.finish().slice(1), [
      './l type=link mode=0777 uid=7 gid=0 nlink=2 time=5.000000000 link=/d',
      './m type=link mode=0777 uid=7 gid=0 nlink=2 time=5.000000000 link=/d',
      '#sluice.hardlink ./l',
    ]);
  });

  test(`extraction E9 a hard link through symlinked directories (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('d').file('d/f', 'x').symlink('rel', 'd').symlink('abs', '/d').symlink('out', '../../d'));
    for (const via of ['rel', 'abs', 'out']) tree.run(script().link(`by-${via}`, `${via}/f`));
    assert.equal(tree.stat('d/f').links, 4);
    assert.equal(tree.finish().filter((line) => line === '#sluice.hardlink ./by-abs').length, 3);
  });

  test(`extraction E13 symlink, file and directory replace each other and follow nothing (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    writeFileSync(join(tree.base, 'canary'), 'canary');
    const kinds = ['symlink', 'file', 'dir'] as const;
    for (const before of kinds)
      for (const after of kinds) {
        const name = `${before}-${after}`;
        const commands = script();
        for (const kind of [before, after]) {
          if (kind === 'symlink') commands.symlink(name, '../canary');
          else if (kind === 'file') commands.file(name, 'new');
          else commands.dir(name).file(`${name}/child-${before}-${after}`);
        }
        if (before === 'dir' && after === 'dir') continue;
        tree.runWithRules(commands);
        const there = lstatSync(tree.path(name));
        assert.equal(there.isSymbolicLink(), after === 'symlink', name);
        assert.equal(there.isDirectory(), after === 'dir', name);
      }
    assert.equal(statSync(join(tree.base, 'canary')).size, 6, 'HOST PATH WAS CHANGED');
    const names = tree.finish().filter((line) => line.startsWith('./'));
    assert.equal(names.filter((line) => line.includes('child')).length, 2);
  });

  test(`extraction E13 what stands at a leaf is told with EEXIST (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('d').file('d/f').symlink('l', 'd').link('d/g', 'd/f'));
    for (const op of [OP.FILE, OP.DIR, OP.SYMLINK, OP.LINK])
      for (const [path, kind, canonical] of [
        ['d', KIND.DIR, 'd'],
        ['l/f', KIND.FILE, 'd/f'],
        ['l', KIND.SYMLINK, 'l'],
        ['', KIND.DIR, ''],
      ] as const) {
        const outcome = tree.attempt(script().add(op, path, { kind: KIND.FILE, flags: FLAG.LAST, link: 'd/f' }));
        assert.deepEqual(
          [outcome.status, outcome.errno, outcome.atLeaf, outcome.name, outcome.kind],
          [STATUS.SUSPENDED, 'EEXIST', true, canonical, kind],
        );
        assert.equal(outcome.inode, lstatSync(tree.path(canonical), { bigint: true }).ino);
        if (canonical === 'd/f') assert.equal(outcome.links, 2);
      }
  });

  test(`extraction E17 as many symlinks as the kernel follows, and not one more (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    const commands = script().dir('end').symlink('l1', 'end');
    for (let i = 2; i <= 41; i++) commands.symlink(`l${i}`, `l${i - 1}`);
    tree.run(commands.file('l40/f', 'x'));
    const outcome = tree.attempt(script().file('l41/f'));
    assert.deepEqual([outcome.status, outcome.errno], [STATUS.FAILED, 'ELOOP']);
    assert.ok(statSync(tree.path('l40/f')));
    assert.throws(() => statSync(tree.path('l41/f')), { code: 'ELOOP' });
    // The way on from a cached directory counts the symlinks that led there.
    tree.run(script().symlink('end/on', '.'));
    assert.equal(tree.attempt(script().file('l40/on/g')).errno, 'ELOOP');
    tree.run(script().symlink('self', 'self'));
    assert.equal(tree.attempt(script().file('self/f')).errno, 'ELOOP');
  });

  test(`extraction H1 stat gives the canonical path and what is there (${way})`, (t) => {
    const tree = new Tree(t, { walk });
    tree.run(script().dir('d').file('d/f').symlink('l', '/d').symlink('gone', 'no/where'));
    const look = (path: string): unknown[] => {
      const { errno, kind, name, atLeaf } = tree.stat(path);
      return [errno, kind, name, atLeaf];
    };
    assert.deepEqual(look('l/f'), ['', KIND.FILE, 'd/f', true]);
    assert.deepEqual(look('l'), ['', KIND.SYMLINK, 'l', true]);
    assert.deepEqual(look(''), ['', KIND.DIR, '', true]);
    assert.deepEqual(look('l/none'), ['ENOENT', 0, 'd/none', true]);
    assert.deepEqual(look('gone/x'), ['ENOENT', 0, 'no', false]);
    assert.deepEqual(look('d/f/x'), ['ENOTDIR', 0, 'd/f', false]);
    const outcome = tree.attempt(script().add(OP.STAT, 'gone/x', { flags: FLAG.PARENTS }));
    assert.deepEqual([outcome.status, outcome.errno, outcome.name], [STATUS.SUSPENDED, 'ENOENT', 'no']);
  });
}

test('extraction E10 a root that is not empty is an error', (t) => {
  const base = temporaryDirectory(t);
  mkdirSync(join(base, 'tree'));
  symlinkSync('/etc', join(base, 'tree', 'x'));
  const open = (root: string): unknown =>
    native().writerOpen(Buffer.from(root), Buffer.from(base), false, 0o22, false, 0);
  assert.throws(() => open(join(base, 'tree')), { code: 'ENOTEMPTY', syscall: 'openat' });
  assert.throws(() => open(join(base, 'none')), { code: 'ENOENT', syscall: 'openat' });
  assert.throws(() => open(join(base, 'tree', 'x', 'hostname')), { code: 'ENOTDIR' });
});

test('extraction E15 where names fold, those that are spelled as asked are found as ever', (t) => {
  const tree = new Tree(t, { folds: true });
  tree.run(script().dir('d').file('d/f', 'x').symlink('l', 'd').file('l/g', 'y').link('h', 'l/f').dir('d/D'));
  assert.deepEqual([tree.stat('l/g').kind, tree.stat('D').kind, tree.stat('d/D').kind], [KIND.FILE, 0, KIND.DIR]);
  const taken = tree.attempt(script().file('l/f', 'z'));
  assert.deepEqual([taken.status, taken.errno, taken.name], [STATUS.SUSPENDED, 'EEXIST', 'd/f']);
  assert.equal(tree.attempt(script().file('h/x', '')).errno, 'ENOTDIR');
});
