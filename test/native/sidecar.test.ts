import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { needs } from '../helpers/needs.js';
import { crc32c, FLAG, KIND, OP, script, Tree, XATTR } from './script.js';

/** A layer with one of everything. */
function fill(tree: Tree, hasSocket = true): void {
  if (hasSocket)
    tree.run(script().dir('dev', { flags: FLAG.IMPLIED }).file('dev/s', '', { kind: KIND.SOCKET, mode: 0 }));
  else tree.run(script().dir('dev', { flags: FLAG.IMPLIED }));
  tree.run(
    script()
      .root({ mtime: 1609459200, mode: 0o755 })
      .file('dev/null', '', { kind: KIND.CHAR, device: [1, 3], mode: 0o666 })
      .file('dev/sda', '', { kind: KIND.BLOCK, device: [8, 0], mode: 0o660, gid: 6 })
      .file('dev/p', '', { kind: KIND.FIFO, mode: 0o600 })
      .dir('usr', { mtime: 1609459200 })
      .file('usr/test', 'x'.repeat(60000), { mode: 0o4755, mtime: 1577836800 })
      .link('usr/[', 'usr/test')
      .file('usr/ping', 'p', {
        mtime: 1577836800,
        mtimeNs: 123456789,
        xattrs: [
          [XATTR.KEPT, 'security.capability', Buffer.from('0100000200200000000000000000000000000000', 'hex')],
          [XATTR.SET, 'user.a', 'b'],
        ],
      })
      .symlink('usr/run', '/run/a b#\n', { mtime: 1577836800, mtimeNs: 500000000 })
      .file('usr/.wh.gone', '', { flags: FLAG.LAST | FLAG.MARKER, mode: 0o4777 })
      .add(OP.NOTE, 'usr/ping', { link: 'folded .wh.ping' })
      .add(OP.NOTE, 'usr/ping', { link: 'second note' })
      .add(OP.NOTE, 'usr/a', {
        flags: FLAG.DEFERRED,
        link: 'usr/lib/a b',
        mode: 0o644,
        uid: 1,
        gid: 2,
        mtime: -2,
        mtimeNs: 500000000,
        entry: 17,
      }),
  );
}

const LINES = [
  '. type=dir mode=0755 uid=0 gid=0 time=1609459200.000000000',
  './dev type=dir mode=0755 uid=0 gid=0 time=0.000000000',
  '#sluice.implied',
  './dev/null type=char device=native,1,3 mode=0666 uid=0 gid=0 time=0.000000000',
  './dev/p type=fifo mode=0600 uid=0 gid=0 time=0.000000000',
  './dev/s type=socket mode=0000 uid=0 gid=0 time=0.000000000',
  './dev/sda type=block device=native,8,0 mode=0660 uid=0 gid=6 time=0.000000000',
  './usr type=dir mode=0755 uid=0 gid=0 time=1609459200.000000000',
  './usr/.wh.gone type=file mode=04777 uid=0 gid=0 size=0 time=0.000000000',
  '#sluice.crc32c 00000000',
  './usr/\\133 type=file mode=04755 uid=0 gid=0 size=60000 nlink=2 time=1577836800.000000000',
  `#sluice.crc32c ${crc32c(Buffer.from('x'.repeat(60000)))}`,
  '#sluice.deferred ./usr/a ./usr/lib/a\\040b uid=1 gid=2 mode=0644 time=-2.500000000 index=17',
  './usr/ping type=file mode=0644 uid=0 gid=0 size=1 time=1577836800.123456789',
  `#sluice.crc32c ${crc32c(Buffer.from('p'))}`,
  '#sluice.xattr kept security.capability AQAAAgAgAAAAAAAAAAAAAAAAAAA=',
  '#sluice.xattr set user.a Yg==',
  '#sluice.folded .wh.ping',
  '#sluice.second note',
  './usr/run type=link mode=0777 uid=0 gid=0 time=1577836800.500000000 link=/run/a\\040b\\043\\012',
  './usr/test type=file mode=04755 uid=0 gid=0 size=60000 nlink=2 time=1577836800.000000000',
  '#sluice.hardlink ./usr/\\133',
  `#sluice.crc32c ${crc32c(Buffer.from('x'.repeat(60000)))}`,
];

test('extraction S23 the sidecar line for line', (t) => {
  const tree = new Tree(t);
  fill(tree);
  assert.deepEqual(tree.finish(), LINES);
});

test('mtree(8) reads the sidecar as it is meant', { skip: needs('mtree') }, (t) => {
  const tree = new Tree(t);
  fill(tree);
  tree.finish();
  const text = execFileSync('mtree', ['-C', '-f', join(tree.base, 'side')], { encoding: 'latin1' });
  // It prints no devices, other escapes than ours, and nanoseconds and modes without padding.
  const words = (line: string): string[] =>
    line
      .trim()
      .split(' ')
      .filter((word) => !/^(device|link)=/.test(word))
      .map((word) => word.replace(/^(time=-?\d+\.0)$/, '$100000000').replace(/^mode=0$/, 'mode=0000'))
      .sort();
  const read = text.trim().split('\n').map(words);
  assert.deepEqual(
    read,
    LINES.filter((line) => !line.startsWith('#')).map((line) => words(line.replace('\\133', '['))),
  );
});

test('mtree(8) finds the tree as the sidecar says, seen from the host', { skip: needs('mtree') }, (t) => {
  const tree = new Tree(t);
  fill(tree);
  const view = ['#mtree', ...tree.finish()]
    .map((line) =>
      line.replace(/ (uid|gid|mode|device)=\S+/g, '').replace(/type=(char|block|fifo|socket)/, 'type=file'),
    )
    .join('\n');
  const file = join(tree.base, 'view');
  writeFileSync(file, `${view}\n`);
  const output = execFileSync('mtree', ['-p', tree.root, '-f', file], { encoding: 'latin1' });
  assert.equal(output, '');
});

// It knows no sockets; tar has none either.
test('bsdtar lists the sidecar without a warning', { skip: needs('bsdtar') }, (t) => {
  const tree = new Tree(t);
  fill(tree, false);
  const count = tree.finish().filter((line) => !line.startsWith('#')).length;
  const text = execFileSync('bsdtar', ['-tvf', join(tree.base, 'side')], {
    cwd: '/',
    encoding: 'latin1',
    stdio: 'pipe',
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s+/g, ' '));
  const starting = (start: string, end: string): void =>
    assert.ok(
      lines.some((line) => line.startsWith(start) && line.endsWith(end)),
      `${start} … ${end} in\n${text}`,
    );
  assert.equal(lines.length, count);
  starting('crw-rw-rw- 0 0 0 1,3 Jan 1 1970', './dev/null');
  starting('brw-rw---- 0 0 6 8,0 Jan 1 1970', './dev/sda');
  starting('prw------- 0 0 0', './dev/p');
  starting('-rwsr-xr-x 2 0 0 60000 Jan 1 2020', './usr/[');
  starting('drwxr-xr-x 0 0 0 0 Jan 1 2021', './usr');
});

test('extraction §13 no name can forge a line', (t) => {
  const tree = new Tree(t);
  const every = Buffer.from(Array.from({ length: 255 }, (_, i) => i + 1).filter((byte) => byte !== 0x2f));
  const odd = Buffer.concat([Buffer.from('\n#sluice.implied\n'), every.subarray(0, 120)]);
  tree.run(
    script()
      .file(odd)
      .symlink('l', odd)
      .file('x', '', { xattrs: [[XATTR.KEPT, 'user.\n# x', 'v']] }),
  );
  const forged = tree.attempt(script().add(OP.NOTE, 'x', { link: 'a\n./forged type=dir' }));
  assert.equal(forged.errno, 'EINVAL');
  const lines = tree.finish();
  assert.equal(lines.filter((line) => !line.startsWith('#')).length, 3);
  for (const line of lines) assert.match(line, /^(\.\/|#sluice\.)[A-Za-z0-9 ._+,:@/~%^=\\-]+$/);
  const plain = 'ABCXYZabcxyz0123456789._-+,:@~%^';
  const other = new Tree(t);
  other.run(script().file(plain).file(every.subarray(127)));
  const names = other
    .finish()
    .filter((line) => line.startsWith('./'))
    .map((line) => line.split(' ')[0]);
  assert.deepEqual(names, [
    `./${plain}`,
    `./${[...every.subarray(127)].map((byte) => (/[~^A-Za-z]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)).join('')}`,
  ]);
});

test('extraction §13 runs that spill give the same sidecar, without a trace in the scratch directory', (t) => {
  const tree = new Tree(t);
  const count = 5000;
  const target = 't'.repeat(4000);
  const order = Array.from({ length: count }, (_, i) => (i * 2731) % count);
  tree.run(script().dir('d'));
  for (let start = 0; start < count; start += 500) {
    const commands = script();
    for (const i of order.slice(start, start + 500))
      commands.add(OP.NOTE, `d/${i}`, { flags: FLAG.DEFERRED, link: target, entry: i });
    tree.run(commands);
  }
  tree.run(
    script()
      .file('d/f', 'x')
      .link('d/g', 'd/f')
      .remove('d/f')
      .add(OP.NOTE, 'd/7', { flags: FLAG.DEFERRED, link: 'new' }),
  );
  assert.deepEqual(readdirSync(tree.base), ['tree']);
  const lines = tree.finish();
  const names = order.map((i) => String(i)).sort();
  assert.deepEqual(
    lines.filter((line) => line.startsWith('#sluice.deferred')).map((line) => line.split(' ')[1]!.slice(4)),
    names,
  );
  assert.ok(lines.includes('#sluice.deferred ./d/7 ./new uid=0 gid=0 mode=0000 time=0.000000000 index=0'));
  assert.ok(lines.includes('./d/g type=file mode=0644 uid=0 gid=0 size=1 time=0.000000000'));
});

test('the sidecar is never written over, and a failed one does not stay', (t) => {
  const tree = new Tree(t);
  const side = Buffer.from(join(tree.base, 'side'));
  writeFileSync(side, 'old');
  tree.run(script().dir('d'));
  assert.throws(() => native().writerFinish(tree.writer, side, Buffer.alloc(0), 1e9), {
    code: 'EEXIST',
    syscall: 'openat',
  });
  const other = new Tree(t);
  other.run(script().dir('d').file('d/f').remove('d/f'));
  execFileSync('rmdir', [other.path('d')]);
  assert.throws(
    () => native().writerFinish(other.writer, Buffer.from(join(other.base, 'side')), Buffer.alloc(0), 1e9),
    {
      code: 'ENOENT',
      syscall: 'utimensat',
    },
  );
  assert.equal(existsSync(join(other.base, 'side')), false);
});
