import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { test } from 'node:test';
import { crc32c, FLAG, KIND, OP, script, seededRandom, STATUS, Tree, WAYS, XATTR } from './script.js';

const crcOf = (text: string): string => `#sluice.crc32c ${crc32c(Buffer.from(text))}`;

test('extraction H2 a link keeps the version of its target that it was made of', (t) => {
  const tree = new Tree(t);
  tree.run(
    script()
      .file('a', 'one', { uid: 1 })
      .link('b', 'a')
      .link('c', 'b')
      .remove('a')
      .file('a', 'second', { uid: 2 })
      .link('d', 'a')
      .remove('a')
      .file('a', 'third!!', { uid: 3 }),
  );
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((name) => tree.read(name)),
    ['third!!', 'one', 'one', 'second'],
  );
  assert.deepEqual(tree.finish(), [
    './a type=file mode=0644 uid=3 gid=0 size=7 time=0.000000000',
    crcOf('third!!'),
    './b type=file mode=0644 uid=1 gid=0 size=3 nlink=2 time=0.000000000',
    crcOf('one'),
    './c type=file mode=0644 uid=1 gid=0 size=3 nlink=2 time=0.000000000',
    '#sluice.hardlink ./b',
    crcOf('one'),
    './d type=file mode=0644 uid=2 gid=0 size=6 time=0.000000000',
    crcOf('second'),
  ]);
});

test('extraction H7 what changes one name changes them all, before and after a name was replaced', (t) => {
  const tree = new Tree(t);
  const change = (path: string, uid: number, name: string): ReturnType<typeof script> =>
    script().add(OP.INODE_META, path, { mode: 0o600, uid, mtime: uid, xattrs: [[XATTR.SET, name, String(uid)]] });
  tree.run(script().file('m', 'x', { xattrs: [[XATTR.SET, 'user.a', '0']] }));
  tree.run(change('m', 1, 'user.b'));
  tree.run(script().link('z', 'm').link('a', 'm'));
  tree.run(change('z', 2, 'user.c'));
  tree.run(script().remove('m').file('m', 'other'));
  tree.run(change('a', 3, 'user.a'));
  tree.run(change('m', 4, 'user.d'));
  const xattrs = ['#sluice.xattr set user.a Mw==', '#sluice.xattr set user.b MQ==', '#sluice.xattr set user.c Mg=='];
  assert.deepEqual(tree.finish(), [
    './a type=file mode=0600 uid=3 gid=0 size=1 nlink=2 time=3.000000000',
    crcOf('x'),
    ...xattrs,
    './m type=file mode=0600 uid=4 gid=0 size=5 time=4.000000000',
    crcOf('other'),
    '#sluice.xattr set user.d NA==',
    './z type=file mode=0600 uid=3 gid=0 size=1 nlink=2 time=3.000000000',
    '#sluice.hardlink ./a',
    crcOf('x'),
    ...xattrs,
  ]);
});

test('extraction H7 an inode number that comes back is another inode', (t) => {
  const tree = new Tree(t);
  const seen = new Set<bigint>();
  let reused = 0;
  for (let i = 0; i < 50; i++) {
    tree.run(script().dir('d').file('d/a', `v${i}`, { uid: i }).link('d/b', 'd/a'));
    const { inode } = tree.stat('d/a');
    if (seen.has(inode)) reused++;
    seen.add(inode);
    if (i < 49) tree.run(i % 2 ? script().remove('d') : script().remove('d/a').remove('d/b').remove('d'));
  }
  t.diagnostic(`${reused} numbers came back`);
  assert.deepEqual(
    tree
      .finish()
      .filter((line) => line.startsWith('./d/'))
      .map((line) => line.replace(/ gid.*nlink/, ' nlink')),
    ['a', 'b'].map((name) => `./d/${name} type=file mode=0644 uid=49 nlink=2 time=0.000000000`),
  );
});

test('extraction H10 a hard link to any placeholder', (t) => {
  const tree = new Tree(t);
  tree.run(
    script()
      .file('dev', '', { kind: KIND.BLOCK, device: [8, 1], mode: 0o660 })
      .link('dev2', 'dev'),
  );
  assert.deepEqual(tree.finish(), [
    './dev type=block device=native,8,1 mode=0660 uid=0 gid=0 nlink=2 time=0.000000000',
    './dev2 type=block device=native,8,1 mode=0660 uid=0 gid=0 nlink=2 time=0.000000000',
    '#sluice.hardlink ./dev',
  ]);
});

/** Everything below a directory, by the kernel's word. */
function walkTree(tree: Tree): Map<string, BigIntStats> {
  const found = new Map<string, BigIntStats>();
  const visit = (path: string): void => {
    found.set(path, lstatSync(tree.path(path), { bigint: true }));
    if (!found.get(path)!.isDirectory()) return;
    for (const name of readdirSync(tree.path(path))) visit(path ? `${path}/${name}` : name);
  };
  visit('');
  return found;
}

/** What the sidecar must say about a path, from the tree alone. */
function expectedLines(tree: Tree, path: string, stats: BigIntStats, first: Map<bigint, string>): string[] {
  const nanoseconds = stats.mtimeNs;
  const time = `time=${nanoseconds / 10n ** 9n}.${String(nanoseconds % 10n ** 9n).padStart(9, '0')}`;
  const shown = path ? `./${path}` : '.';
  const nlink = !stats.isDirectory() && stats.nlink > 1n ? ` nlink=${stats.nlink}` : '';
  const comments: string[] = [];
  if (nlink && first.get(stats.ino) !== path) comments.push(`#sluice.hardlink ./${first.get(stats.ino)}`);
  if (stats.isSymbolicLink())
    return [`${shown} type=link OWNER${nlink} ${time} link=${readlinkSync(tree.path(path))}`, ...comments];
  const override = tree.override(path);
  if (stats.isDirectory() && override === null)
    return [`${shown} type=dir mode=0755 uid=0 gid=0 ${time}`, '#sluice.implied'];
  const [uid, gid, mode] = override!.split(':');
  const owner = `mode=0${(parseInt(mode!, 8) & 0o7777).toString(8).padStart(3, '0')} uid=${uid} gid=${gid}`;
  if (stats.isDirectory()) return [`${shown} type=dir ${owner} ${time}`];
  const content = readFileSync(tree.path(path));
  return [
    `${shown} type=file ${owner} size=${stats.size}${nlink} ${time}`,
    ...comments,
    `#sluice.crc32c ${crc32c(content)}`,
  ];
}

/** One random layer, with names few enough that they meet again and again. */
function randomLayer(tree: Tree, random: (limit: number) => number): void {
  const name = (): string => 'abc'[random(3)]! + (random(4) === 0 ? '-' : '');
  const path = (): string => Array.from({ length: 1 + random(3) }, name).join('/');
  for (let i = 0; i < 150; i++) {
    const words = { uid: random(1000), mode: random(0o10000), mtime: random(1e9), mtimeNs: random(1e9) };
    const at = path();
    const there = tree.attempt(script().stat(at));
    const target = tree.attempt(script().stat(path()));
    if (there.errno === 'ELOOP' || target.errno === 'ELOOP') continue;
    switch (random(9)) {
      case 0:
      case 1:
      case 2:
        tree.runWithRules(script().file(at, `content ${i}`, words));
        break;
      case 3:
        tree.runWithRules(script().dir(at, words));
        break;
      case 4:
        tree.runWithRules(script().symlink(at, random(2) ? `/${path()}` : path(), words));
        break;
      case 5:
        if (target.kind && !there.kind) tree.run(script().remove(target.name));
        break;
      case 6:
        if (there.kind && there.kind !== KIND.DIR) tree.run(script().add(OP.INODE_META, at, words));
        break;
      default: {
        if (!target.kind || target.kind === KIND.DIR || there.kind || there.errno === 'ENOTDIR') break;
        const link = script().link(at, Buffer.from(target.name, 'latin1'));
        for (let outcome = tree.attempt(link); outcome.done === 0; outcome = tree.attempt(link)) {
          assert.equal(outcome.errno, 'ENOENT');
          tree.run(script().dir(outcome.name, { flags: FLAG.IMPLIED }));
        }
      }
    }
  }
}

for (let seed = 1; seed <= 24; seed++)
  test(`extraction S23 the sidecar says what is there, after 150 random commands (seed ${seed})`, (t) => {
    const random = seededRandom(seed);
    const tree = new Tree(t, { walk: seed % 2 === 0 });
    randomLayer(tree, random);
    tree.run(script().root({ mtime: 77 }));
    const lines = tree.finish().map((line) => line.replace(/(type=link) mode=\d+ uid=\d+ gid=\d+/, '$1 OWNER'));
    const there = walkTree(tree);
    const paths = [...there.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const first = new Map<bigint, string>();
    for (const path of paths) {
      const { ino } = there.get(path)!;
      if (!first.has(ino)) first.set(ino, path);
    }
    assert.deepEqual(
      lines,
      paths.flatMap((path) => expectedLines(tree, path, there.get(path)!, first)),
    );
  });

const COPYABLE = script()
  .file('m/a', 'content', {
    mode: 0o4755,
    uid: 7,
    mtime: 9,
    mtimeNs: 5,
    xattrs: [[XATTR.SET, 'user.a', '1']],
    entry: 3,
  })
  .link('m/b', 'm/a')
  .symlink('s', 'target', { uid: 8, mtime: 4 });

for (const { name, walk } of WAYS) {
  test(`extraction H10 E18 where no more names fit, a copy has content, attributes and time, and its own line (${name})`, (t) => {
    const tree = new Tree(t, { walk, mostLinks: 2 });
    tree.run(script().dir('m'));
    tree.run(COPYABLE);
    const full = tree.attempt(script().link('z', 'm/a'));
    assert.deepEqual([full.status, full.errno, full.atLeaf, full.name], [STATUS.SUSPENDED, 'EMLINK', true, 'z']);
    const copy = (path: string, link: string): ReturnType<typeof script> => script().add(OP.COPY, path, { link });
    tree.run(copy('z', 'm/b'));
    tree.run(copy('s2', 's'));
    tree.run(script().link('y', 'z'));
    tree.run(script().add(OP.INODE_META, 'm/a', { mode: 0o600, uid: 1, kind: KIND.FILE }));
    assert.deepEqual([tree.read('z'), tree.read('y'), tree.override('z')], ['content', 'content', '7:0:0104755']);
    const [a, z, y] = ['m/a', 'z', 'y'].map((path) => lstatSync(tree.path(path), { bigint: true })) as BigIntStats[];
    assert.ok(z!.ino === y!.ino && a!.ino !== z!.ino);
    assert.deepEqual([z!.mtimeNs, z!.mode & 0o7777n], [9_000_000_005n, 0o755n]);
    assert.deepEqual([readlinkSync(tree.path('s2')), lstatSync(tree.path('s2')).mtimeMs], ['target', 4000]);
    const own = [crcOf('content'), '#sluice.xattr set user.a MQ=='];
    assert.deepEqual(tree.finish(), [
      './m type=dir mode=0755 uid=0 gid=0 time=0.000000000',
      './m/a type=file mode=0600 uid=1 gid=0 size=7 nlink=2 time=0.000000000',
      ...own,
      './m/b type=file mode=0600 uid=1 gid=0 size=7 nlink=2 time=0.000000000',
      '#sluice.hardlink ./m/a',
      ...own,
      './s type=link mode=0777 uid=8 gid=0 time=4.000000000 link=target',
      './s2 type=link mode=0777 uid=8 gid=0 time=4.000000000 link=target',
      './y type=file mode=04755 uid=7 gid=0 size=7 nlink=2 time=9.000000005',
      ...own,
      './z type=file mode=04755 uid=7 gid=0 size=7 nlink=2 time=9.000000005',
      '#sluice.hardlink ./y',
      ...own,
    ]);
  });
}

test('extraction H10 T10 a copy keeps holes, and what comes after them', (t) => {
  const tree = new Tree(t, { mostLinks: 1 });
  const size = 3 * 1024 * 1024;
  tree.run(
    script()
      .add(OP.FILE, 'holey', { mode: 0o644, kind: KIND.FILE, size, data: 'head' })
      .add(OP.WRITE, '', { data: 'tail', offset: size - 1024, flags: FLAG.LAST })
      .add(OP.COPY, 'copy', { link: 'holey' }),
  );
  const [source, copy] = ['holey', 'copy'].map((name) => readFileSync(tree.path(name)));
  assert.ok(source!.equals(copy!) && copy!.length === size);
  assert.ok(lstatSync(tree.path('copy')).blocks * 512 < size / 2);
});

test('extraction H10 a copy is never made over something, nor of a directory', (t) => {
  const tree = new Tree(t);
  tree.run(script().file('a', 'x').file('b', 'y').dir('d').symlink('l', 'a'));
  for (const source of ['a', 'l']) {
    const outcome = tree.attempt(script().add(OP.COPY, 'b', { link: source }));
    assert.deepEqual([outcome.status, outcome.errno, outcome.name], [STATUS.SUSPENDED, 'EEXIST', 'b']);
  }
  for (const source of ['d', '', 'absent']) {
    assert.equal(tree.attempt(script().add(OP.COPY, 'c', { link: source })).status, STATUS.FAILED, source);
  }
  assert.equal(tree.read('b'), 'y');
});
