import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { native } from '../../src/native.js';
import { STRIDE, WORD } from '../../src/layer/commands.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { crc32c, FLAG, KIND, OP, script, STATUS, Tree, XATTR } from './script.js';

const self = fileURLToPath(import.meta.url);

/** Lines that begin with `#sluice.crc32c`, in order. */
const crcs = (lines: readonly string[]): string[] =>
  lines.filter((line) => line.startsWith('#sluice.crc32c')).map((line) => line.slice(15));

test('extraction N8 a small file with a known parent takes five system calls', { skip: needs('strace') }, (t) => {
  const tree = new Tree(t);
  const log = join(tree.base, 'log');
  execFileSync('strace', ['-o', log, process.execPath, join(self, '../traced.js'), join(tree.base, 'other')]);
  const text = readFileSync(log, 'latin1');
  const part = text.slice(text.indexOf('/begin-mark'), text.indexOf('/end-mark'));
  const calls = [...part.matchAll(/^([a-z0-9_]+)\(/gm)].map((match) => match[1]!);
  const ours = calls.filter(
    (call) => !/^(access|brk|mmap|munmap|mprotect|madvise|futex|getpid|read|epoll.*)$/.test(call),
  );
  const file = ['openat', 'write', 'fsetxattr', 'utimensat', 'close'];
  const empty = ['openat', 'fsetxattr', 'utimensat', 'close'];
  const opened = ['mkdirat', 'openat', 'fsetxattr'];
  assert.deepEqual(ours, [...opened, ...file, ...file, ...empty, ...file]);
});

test('extraction M1 host modes, whatever the umask', (t) => {
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const tree = new Tree(t, { umask: 0o077 });
  tree.run(
    script()
      .dir('d', { mode: 0o1777 })
      .dir('closed', { mode: 0 })
      .dir('implied', { flags: FLAG.IMPLIED })
      .file('closed/suid', 'x', { mode: 0o6755 })
      .file('none', 'x', { mode: 0 })
      .file('dev', '', { mode: 0o666, kind: KIND.CHAR })
      .file('.wh.x', '', { mode: 0o644, flags: FLAG.LAST | FLAG.MARKER }),
  );
  const modes = ['d', 'closed', 'implied', 'closed/suid', 'none', 'dev', '.wh.x'].map((name) =>
    (statSync(tree.path(name)).mode & 0o7777).toString(8),
  );
  assert.deepEqual(modes, ['777', '700', '755', '755', '600', '600', '600']);
  tree.finish();
  assert.equal(statSync(join(tree.base, 'side')).mode & 0o777, 0o644);
});

test('extraction M2 M5 override_stat in both dialects', (t) => {
  const tree = new Tree(t);
  const kinds = { char: KIND.CHAR, block: KIND.BLOCK, pipe: KIND.FIFO, socket: KIND.SOCKET };
  const device = [259, 70000] as const;
  for (const [name, kind] of Object.entries(kinds)) {
    tree.run(script().file(name, '', { mode: 0o644, kind, device }));
    tree.run(script().file(`k-${name}`, '', { mode: 0o644, kind, device, flags: FLAG.LAST | FLAG.LIBKRUN }));
  }
  tree.run(
    script().file('big', '', { mode: 0o7777, uid: -2, gid: 0x7fffffff }).dir('d', { uid: 1, mode: 0o1755 }).root(),
  );
  const values = ['char', 'block', 'pipe', 'socket', 'k-char', 'k-block', 'k-pipe', 'k-socket', 'big', 'd', ''].map(
    (name) => tree.override(name),
  );
  const number = (70000 & 0xff) + 259 * 256 + (70000 - (70000 & 0xff)) * 4096;
  assert.deepEqual(values, [
    '0:0:020644:char-259-70000',
    '0:0:060644:block-259-70000',
    '0:0:010644:pipe',
    '0:0:0140644:socket',
    `0:0:020644:${number}`,
    `0:0:060644:${number}`,
    '0:0:010644',
    '0:0:0140644',
    '4294967294:2147483647:0107777',
    '1:0:041755',
    '0:0:040755',
  ]);
  assert.equal(lstatSync(tree.path('char')).isFile(), true);
  assert.ok(tree.finish().includes('./char type=char device=native,259,70000 mode=0644 uid=0 gid=0 time=0.000000000'));
});

test('extraction M10 nothing is set without xattrs, and the sidecar has all', (t) => {
  const tree = new Tree(t);
  const xattrs = [
    [XATTR.SET, 'user.a', 'v'],
    [XATTR.SET_UNLISTED, 'user.b', 'v'],
  ] as const;
  const flags = FLAG.LAST | FLAG.NO_XATTR;
  const outcome = tree.run(script().file('f', '', { flags, xattrs, uid: 5 }).dir('d', { flags, uid: 6 }));
  assert.equal(outcome.xattrsKept, 0);
  tree.run(script().add(OP.INODE_META, 'f', { flags: FLAG.NO_XATTR, mode: 0o711, kind: KIND.FILE }));
  tree.run(script().root({ flags: FLAG.NO_XATTR }));
  for (const name of ['f', 'd', '']) assert.deepEqual(native().xattrList(Buffer.from(tree.path(name))), []);
  assert.equal(statSync(tree.path('f')).mode & 0o777, 0o711);
  assert.deepEqual(tree.finish().slice(1), [
    './d type=dir mode=0755 uid=6 gid=0 time=0.000000000',
    './f type=file mode=0711 uid=0 gid=0 size=0 time=0.000000000',
    '#sluice.crc32c 00000000',
    '#sluice.xattr kept user.a dg==',
  ]);
});

test('extraction M11 M16 xattrs are set, kept or left out', (t) => {
  const tree = new Tree(t);
  const xattrs = [
    [XATTR.SET, 'user.z', Buffer.from([0, 255, 10])],
    [XATTR.KEPT, 'security.selinux', 'ctx'],
    [XATTR.SET_UNLISTED, 'user.copy', 'c'],
    [XATTR.SET, 'user.a b', ''],
    [XATTR.SET, 'bogus', 'x'],
    [XATTR.SET, `user.${'n'.repeat(300)}`, 'x'],
    [XATTR.SET, 'user.large', Buffer.alloc(70_000)],
  ] as const;
  const outcome = tree.run(
    script()
      .file('f', 'x', { xattrs })
      .dir('d', { xattrs: xattrs.slice(0, 1) })
      .symlink('l', 'x', { xattrs }),
  );
  assert.equal(outcome.xattrsKept, 3 + 6);
  assert.deepEqual(
    native()
      .xattrList(Buffer.from(tree.path('f')))
      .map(String)
      .sort(),
    ['user.a b', 'user.containers.override_stat', 'user.copy', 'user.z'],
  );
  const lines = tree.finish();
  const file = lines.findIndex((line) => line.startsWith('./f '));
  assert.deepEqual(
    lines.slice(file + 2, file + 8).map((line) => line.slice(0, 60)),
    [
      '#sluice.xattr kept bogus eA==',
      '#sluice.xattr kept security.selinux Y3R4',
      '#sluice.xattr set user.a\\040b ',
      `#sluice.xattr kept user.large ${'A'.repeat(30)}`,
      `#sluice.xattr kept user.${'n'.repeat(36)}`,
      '#sluice.xattr set user.z AP8K',
    ],
  );
  assert.equal(lines.filter((line) => line.startsWith('#sluice.xattr set')).length, 3);
});

test('extraction M17 M18 times of files, directories and symlinks', (t) => {
  const tree = new Tree(t);
  const times: [string, bigint, number, string, bigint][] = [
    ['normal', 1577836800n, 123456789, '1577836800.123456789', 1577836800123456789n],
    ['before', -2n, 500000000, '-2.500000000', -1500000000n],
    ['early', -(2n ** 40n), 7, '-1099511627776.000000007', -2147483648n * 10n ** 9n],
    ['late', 2n ** 62n, 0, '4611686018427387904.000000000', 15032385535n * 10n ** 9n],
    ['least', -(2n ** 63n), 0, '-9223372036854775808.000000000', -2147483648n * 10n ** 9n],
  ];
  for (const [name, mtime, mtimeNs] of times)
    tree.run(
      script()
        .file(`f-${name}`, 'x', { mtime, mtimeNs })
        .symlink(`l-${name}`, 'x', { mtime, mtimeNs })
        .dir(`d-${name}`, { mtime, mtimeNs })
        .file(`d-${name}/child`),
    );
  tree.run(script().dir('implied', { flags: FLAG.IMPLIED }).file('implied/x').root({ mtime: 99, mtimeNs: 1 }));
  const lines = tree.finish();
  for (const [name, , , text, held] of times)
    for (const kind of ['f', 'l', 'd']) {
      const line = lines.find((candidate) => candidate.startsWith(`./${kind}-${name} `));
      assert.ok(line?.includes(` time=${text}`), line);
      assert.equal(lstatSync(tree.path(`${kind}-${name}`), { bigint: true }).mtimeNs, held, `${kind}-${name}`);
    }
  assert.equal(lstatSync(tree.path('implied'), { bigint: true }).mtimeNs, 0n);
  assert.equal(lstatSync(tree.root, { bigint: true }).mtimeNs, 99_000_000_001n);
});

test('extraction T10 holes: content, size and checksum', (t) => {
  const tree = new Tree(t);
  const whole = Buffer.alloc(3_000_000);
  whole.fill('a', 4096, 8192);
  whole.fill('b', 1_000_000, 1_000_100);
  tree.run(
    script()
      .file('sparse', '', { size: whole.length, flags: 0 })
      .add(OP.WRITE, '', { offset: 4096, data: whole.subarray(4096, 6000) })
      .add(OP.WRITE, '', { offset: 6000, data: whole.subarray(6000, 8192) })
      .add(OP.WRITE, '', { offset: 1_000_000, data: whole.subarray(1_000_000, 1_000_100), flags: FLAG.LAST })
      .file('hole', '', { size: 2 ** 40, flags: FLAG.LAST })
      .file('start', 'xyz', { offset: 5, size: 8 }),
  );
  assert.ok(readFileSync(tree.path('sparse')).equals(whole));
  assert.ok(statSync(tree.path('sparse')).blocks * 512 < 200_000);
  assert.equal(statSync(tree.path('hole')).size, 2 ** 40);
  assert.equal(tree.read('start'), '\0\0\0\0\0xyz');
  const lines = tree.finish();
  const found = crcs(lines);
  assert.deepEqual([found[1], found[2]], [crc32c(whole), crc32c(Buffer.from('\0\0\0\0\0xyz'))]);
  const backwards = new Tree(t);
  const outcome = backwards.attempt(
    script().file('f', 'abc', { flags: 0, size: 6 }).add(OP.WRITE, '', { offset: 2, data: 'x', flags: FLAG.LAST }),
  );
  assert.deepEqual([outcome.done, outcome.status, outcome.errno, outcome.name], [1, STATUS.FAILED, 'EINVAL', 'f']);
  const tooLong = new Tree(t).attempt(script().file('f', 'abc', { size: 2 }));
  assert.deepEqual([tooLong.status, tooLong.errno], [STATUS.FAILED, 'EINVAL']);
});

test('checksums of all lengths around the steps of the fast way', (t) => {
  const tree = new Tree(t);
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (i * 131 + (i >> 7)) & 255));
  const lengths = [0, 1, 7, 8, 9, 63, 4095, 4096, 12287, 12288, 12289, 24576, 24583, 69_999];
  const names = lengths.map((length) => String(length).padStart(6, '0'));
  const commands = script();
  lengths.forEach((length, i) => commands.file(names[i]!, bytes.subarray(0, length)));
  tree.run(commands);
  assert.deepEqual(
    crcs(tree.finish()),
    lengths.map((length) => crc32c(bytes.subarray(0, length))),
  );
  lengths.forEach((length, i) => assert.ok(readFileSync(tree.path(names[i]!)).equals(bytes.subarray(0, length))));
});

test('a file may be written in many batches', (t) => {
  const tree = new Tree(t);
  const xattrs = [[XATTR.SET, 'user.a', 'v']] as const;
  tree.run(script().file('f', 'one', { flags: 0, size: 11, uid: 4, xattrs }));
  const busy = tree.attempt(script().dir('d'));
  assert.deepEqual([busy.status, busy.errno], [STATUS.FAILED, 'EBUSY']);
  tree.run(script().add(OP.WRITE, '', { offset: 3, data: 'two' }));
  tree.run(script().add(OP.WRITE, '', { offset: 6, data: 'three' }).add(OP.WRITE, '', { flags: FLAG.LAST }).dir('d'));
  assert.equal(tree.read('f'), 'onetwothree');
  assert.equal(tree.attempt(script().add(OP.WRITE, '', { data: 'x' })).errno, 'EBADF');
  assert.deepEqual(tree.finish().slice(1), [
    './f type=file mode=0644 uid=4 gid=0 size=11 time=0.000000000',
    `#sluice.crc32c ${crc32c(Buffer.from('onetwothree'))}`,
    '#sluice.xattr set user.a dg==',
  ]);
});

test('extraction O1 a later directory entry gives a directory its metadata', (t) => {
  const tree = new Tree(t);
  const xattrs = [[XATTR.SET, 'user.old', 'v']] as const;
  tree.run(script().dir('d', { uid: 1, xattrs }).file('d/f').dir('i', { flags: FLAG.IMPLIED }));
  tree.run(
    script()
      .add(OP.DIR_META, 'd', { mode: 0o700, uid: 2, mtime: 5, xattrs: [[XATTR.SET, 'user.new', 'v']] })
      .add(OP.DIR_META, 'i', { mode: 0o711, uid: 3, mtime: 6 }),
  );
  assert.deepEqual([tree.override('d'), tree.override('i')], ['2:0:040700', '3:0:040711']);
  assert.equal(statSync(tree.path('i')).mode & 0o777, 0o711);
  const names = native()
    .xattrList(Buffer.from(tree.path('d')))
    .map(String)
    .sort();
  assert.deepEqual(names, ['user.containers.override_stat', 'user.new']);
  assert.deepEqual(tree.finish(), [
    './d type=dir mode=0700 uid=2 gid=0 time=5.000000000',
    '#sluice.xattr set user.new dg==',
    './d/f type=file mode=0644 uid=0 gid=0 size=0 time=0.000000000',
    '#sluice.crc32c 00000000',
    './i type=dir mode=0711 uid=3 gid=0 time=6.000000000',
  ]);
  const wrong = new Tree(t);
  wrong.run(script().file('f').symlink('l', '.'));
  for (const name of ['f', 'l']) assert.equal(wrong.attempt(script().add(OP.DIR_META, name, {})).status, STATUS.FAILED);
});

test('extraction O3 removing forgets the path and all below it, and nothing else', (t) => {
  const tree = new Tree(t);
  tree.run(
    script()
      .dir('d')
      .file('d/1')
      .dir('d/s')
      .file('d/s/2')
      .dir('d-')
      .file('d-/3')
      .file('d.4')
      .file('e')
      .symlink('d/l', '../e'),
  );
  const deep = script();
  let path = 'd/s';
  for (let i = 0; i < 300; i++) deep.dir((path += '/x')).file(`${path}/f`);
  tree.run(deep);
  tree.run(script().remove('d').dir('d').file('d/5'));
  assert.deepEqual(readdirSync(tree.path('d')), ['5']);
  assert.deepEqual(
    tree
      .finish()
      .filter((line) => line.startsWith('./'))
      .map((line) => line.split(' ')[0]),
    ['./d', './d-', './d-/3', './d.4', './d/5', './e'],
  );
  const missing = new Tree(t).attempt(script().remove('none'));
  assert.deepEqual([missing.status, missing.errno], [STATUS.FAILED, 'ENOENT']);
});

test('extraction H7 a later link entry changes the inode, whatever its type', (t) => {
  const tree = new Tree(t);
  tree.run(
    script()
      .file('f', 'abc', { mode: 0o4755, uid: 1 })
      .file('c', '', { kind: KIND.CHAR, device: [1, 3], mode: 0o666 })
      .symlink('l', 'f', { uid: 1 })
      .add(OP.INODE_META, 'f', { mode: 0o640, uid: 2, mtime: 9, xattrs: [[XATTR.SET, 'user.a', 'v']] })
      .add(OP.INODE_META, 'c', { mode: 0o600, gid: 8, mtime: 9 })
      .add(OP.INODE_META, 'l', { mode: 0o777, uid: 3, mtime: 9 }),
  );
  assert.deepEqual([tree.override('f'), tree.override('c')], ['2:0:0100640', '0:8:020600:char-1-3']);
  assert.deepEqual([statSync(tree.path('f')).mode & 0o7777, statSync(tree.path('c')).mode & 0o7777], [0o640, 0o600]);
  for (const name of ['f', 'c', 'l']) assert.equal(lstatSync(tree.path(name)).mtimeMs, 9000);
  assert.equal(tree.attempt(script().add(OP.INODE_META, '', {})).errno, 'EISDIR');
  assert.deepEqual(tree.finish(), [
    './c type=char device=native,1,3 mode=0600 uid=0 gid=8 time=9.000000000',
    './f type=file mode=0640 uid=2 gid=0 size=3 time=9.000000000',
    `#sluice.crc32c ${crc32c(Buffer.from('abc'))}`,
    '#sluice.xattr set user.a dg==',
    './l type=link mode=0777 uid=3 gid=0 time=9.000000000 link=f',
  ]);
});

test('extraction X3 targets of symlinks and hard links', (t) => {
  const tree = new Tree(t);
  tree.run(script().symlink('l', 't'.repeat(4095)).dir('d'));
  assert.equal(readlinkSync(tree.path('l')).length, 4095);
  const failing = (commands: ReturnType<typeof script>): string => {
    const { status, errno, atLeaf } = tree.attempt(commands);
    assert.equal(status, STATUS.FAILED);
    return `${errno} ${atLeaf}`;
  };
  assert.equal(failing(script().symlink('x', 't'.repeat(4096))), 'ENAMETOOLONG true');
  assert.equal(failing(script().symlink('x', '')), 'ENOENT true');
  assert.equal(failing(script().symlink('x', 'a\0b')), 'EINVAL true');
  assert.equal(failing(script().link('x', 'none')), 'ENOENT true');
  assert.equal(failing(script().link('x', 'none/f')), 'ENOENT false');
  assert.equal(failing(script().link('x', 'd')), 'EPERM true');
  assert.equal(failing(script().link('x', '')), 'EPERM true');
});

test('offsets outside slab and arena never reach memory', (t) => {
  const tree = new Tree(t);
  const spoil = (word: number, value: number, op: number = OP.FILE): void => {
    const commands = script().add(op, 'f', { data: 'abc', size: 3, kind: KIND.FILE, flags: FLAG.LAST, link: 'l' });
    commands.words[word] = value;
    assert.throws(() => tree.attempt(commands), RangeError);
  };
  for (const value of [-1, 1000, 0x7fffffff, -0x80000000]) {
    for (const word of [WORD.PATH, WORD.PATH_LENGTH, WORD.DATA, WORD.DATA_LENGTH]) spoil(word, value);
    for (const op of [OP.SYMLINK, OP.LINK, OP.NOTE])
      for (const word of [WORD.LINK, WORD.LINK_LENGTH]) spoil(word, value, op);
    spoil(WORD.XATTR_COUNT, value);
  }
  for (const op of [0, 12, -1]) spoil(WORD.OP, op);
  for (const kind of [0, KIND.DIR, KIND.SYMLINK, 3, -1]) spoil(WORD.KIND, kind);
  for (const ns of [-1, 1_000_000_000, 0x3fffffff]) spoil(WORD.MTIME_NS, ns);
  spoil(WORD.SIZE + 1, -1);
  spoil(WORD.OFFSET + 1, 0x7fffffff + 1);
  const xattrs = script().file('f', '', { xattrs: [[XATTR.SET, 'user.a', 'v']] });
  for (const at of [1, 5]) {
    const arena = Buffer.from(xattrs.arena);
    arena.writeUInt32LE(0xffffffff, xattrs.words[WORD.XATTR]! + at);
    assert.throws(
      () =>
        native().writerRun(
          tree.writer,
          xattrs.slab,
          arena,
          xattrs.words,
          0,
          1,
          new Int32Array(16),
          new Uint8Array(8192),
        ),
      RangeError,
    );
  }
  assert.deepEqual(readdirSync(tree.root), []);
});

test('wrong arguments are refused', (t) => {
  const tree = new Tree(t);
  const { writerRun, writerOpen, writerFinish, inflaterReset } = native();
  const bytes = new Uint8Array(8);
  const words = new Int32Array(STRIDE);
  const room = new Uint8Array(8192);
  const result = new Int32Array(16);
  const wrong = <T>(value: unknown): T => value as T;
  const run = (...given: unknown[]): unknown => (writerRun as (...all: unknown[]) => number)(...given);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0, 1, result), TypeError);
  assert.throws(() => run({}, bytes, bytes, words, 0, 1, result, room), TypeError);
  assert.throws(() => run(tree.writer, 'x', bytes, words, 0, 1, result, room), TypeError);
  assert.throws(() => run(tree.writer, bytes, bytes, new Uint32Array(24), 0, 1, result, room), TypeError);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0, 2, result, room), RangeError);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 1, 0, result, room), RangeError);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0.5, 1, result, room), RangeError);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0, 1, new Int32Array(15), room), RangeError);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0, 1, result, new Uint8Array(8191)), RangeError);
  assert.equal(run(tree.writer, bytes, bytes, words, 1, 1, result, room), 1);
  assert.throws(() => writerOpen(wrong('/'), bytes, false, 0, false, 0), TypeError);
  assert.throws(() => writerOpen(Buffer.from('/tmp\0x'), bytes, false, 0, false, 0), RangeError);
  assert.throws(() => writerOpen(bytes, bytes, wrong(1), 0, false, 0), TypeError);
  assert.throws(() => writerOpen(bytes, bytes, false, 0o1000, false, 0), RangeError);
  assert.throws(() => inflaterReset(wrong(tree.writer)), TypeError);
  native().writerClose(tree.writer);
  native().writerClose(tree.writer);
  assert.throws(() => run(tree.writer, bytes, bytes, words, 0, 1, result, room), { code: 'EBADF' });
  assert.throws(() => writerFinish(tree.writer, Buffer.from('/x'), bytes, 9), { code: 'EBADF' });
});

test('handles that nobody closes are closed with their thread', async (t) => {
  const base = temporaryDirectory(t);
  const count = (): number => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd).startsWith(base)).length;
  const worker = new Worker(new URL('./thread.js', import.meta.url), { workerData: base });
  const [open] = (await once(worker, 'message')) as [number];
  assert.ok(open >= 30, `${open} descriptors`);
  await once(worker, 'exit');
  assert.equal(count(), 0);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

test('extraction M9 M16 a run ends after a command of which there is something to say, and names it', (t) => {
  const tree = new Tree(t);
  const commands = script()
    .file('plain', 'x')
    .file('a', 'x', { xattrs: [[XATTR.SET, 'bogus', 'x']] })
    .file('b', 'y')
    .add(OP.FILE, 'late', { mode: 0o644, kind: KIND.FILE, xattrs: [[XATTR.SET, 'bogus', 'x']], size: 2, data: '1' })
    .add(OP.WRITE, '', { data: '2', offset: 1, flags: FLAG.LAST })
    .add(OP.FILE, 'dev', { kind: KIND.CHAR, uid: 4294967294, gid: 4294967294, device: [1, 3], flags: FLAG.LAST })
    .file('end');
  const stops = [];
  for (let at = 0; at < commands.count;) {
    const { done, status, name, xattrsKept, overrideIsLong } = tree.attempt(commands, at);
    assert.equal(status, STATUS.DONE);
    stops.push([done, name, xattrsKept, overrideIsLong]);
    at = done;
  }
  assert.deepEqual(stops, [
    [2, 'a', 1, false],
    [5, 'late', 1, false],
    [6, 'dev', 0, true],
    [7, '', 0, false],
  ]);
});

test('extraction H7 S6 attributes of a link entry are added to a file, and kept for what can hold none', (t) => {
  const tree = new Tree(t);
  tree.run(script().file('f', 'x').add(OP.FILE, 'p', { kind: KIND.FIFO, flags: FLAG.LAST }).symlink('s', 'f'));
  const add = (path: string): number =>
    tree.run(script().add(OP.INODE_META, path, { mode: 0o644, kind: KIND.FILE, xattrs: [[XATTR.SET, 'user.a', '1']] }))
      .xattrsKept;
  assert.deepEqual([add('f'), add('p'), add('s')], [0, 1, 1]);
  const attribute = (path: string): Buffer | null =>
    native().xattrGet(Buffer.from(tree.path(path)), Buffer.from('user.a'));
  assert.deepEqual([attribute('f')?.toString(), attribute('p')], ['1', null]);
  assert.equal(tree.finish().filter((line) => line === '#sluice.xattr kept user.a MQ==').length, 2);
});
