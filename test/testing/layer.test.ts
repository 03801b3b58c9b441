import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  blockDevice,
  charDevice,
  dir,
  end,
  fifo,
  file,
  gnuLongName,
  hardlink,
  junk,
  layer,
  meta,
  opaque,
  parseLayer,
  pax,
  paxGlobal,
  raw,
  sparse,
  symlink,
  whiteout,
  type SparseForm,
  type TarFormat,
} from '../../src/testing/index.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';

interface Member {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkname: string;
  readonly device: readonly [number, number];
  readonly pax: Readonly<Record<string, string>>;
}

const LISTING = `
import json, sys, tarfile
print(json.dumps([dict(name=m.name, type=m.type.decode(), mode=m.mode, uid=m.uid, gid=m.gid, size=m.size,
  mtime=m.mtime, linkname=m.linkname, device=[m.devmajor, m.devminor], pax=m.pax_headers)
  for m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|', errors='surrogateescape')]))`;

const listByPython = (tar: Buffer): Member[] =>
  JSON.parse(execFileSync('python3', ['-c', LISTING], { input: tar, encoding: 'utf8' })) as Member[];

const environment = { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
const listBy = (program: string, tar: Buffer): string[] =>
  execFileSync(program, ['-tf', '-'], {
    input: tar,
    encoding: 'utf8',
    env: environment,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
    .trimEnd()
    .split('\n');

const parts = [
  dir('etc'),
  file('etc/passwd', 'root:x:0:0\n', { mode: 0o600, uid: 1000, gid: 100, mtime: 1_500_000_000 }),
  symlink('var/run', '/run'),
  hardlink('etc/shadow', 'etc/passwd'),
  charDevice('dev/null', 1, 3, { mode: 0o666 }),
  blockDevice('dev/sda', 8, 0),
  fifo('run/p'),
  whiteout('etc/old'),
  opaque('etc'),
];
const names = [
  'etc/',
  'etc/passwd',
  'var/run',
  'etc/shadow',
  'dev/null',
  'dev/sda',
  'run/p',
  'etc/.wh.old',
  'etc/.wh..wh..opq',
];

test('python3 tarfile reads every kind of entry', { skip: needs('python3') }, () => {
  const members = listByPython(layer(...parts));
  assert.deepEqual(
    members.map(({ type }) => type),
    ['5', '0', '2', '1', '3', '4', '6', '0', '0'],
  );
  assert.deepEqual(
    members.map(({ name }) => name),
    names.map((name) => name.replace(/\/$/, '')),
  );
  const { pax: records, ...passwd } = members[1]!;
  assert.deepEqual(records, {});
  assert.deepEqual(passwd, {
    name: 'etc/passwd',
    type: '0',
    mode: 0o600,
    uid: 1000,
    gid: 100,
    size: 11,
    mtime: 1_500_000_000,
    linkname: '',
    device: [0, 0],
  });
  assert.deepEqual(members[2]!.linkname, '/run');
  assert.deepEqual(members[4]!.device, [1, 3]);
  assert.deepEqual(members[5]!.device, [8, 0]);
});

for (const program of ['tar', 'bsdtar']) {
  test(`${program} lists every kind of entry`, { skip: needs(program) }, () => {
    assert.deepEqual(listBy(program, layer(...parts)), names);
  });

  test(`${program} lists long names of every format`, { skip: needs(program) }, () => {
    const lengths: Readonly<Record<TarFormat, number>> = { v7: 100, ustar: 240, star: 220, gnu: 4000, pax: 4000 };
    for (const [format, length] of Object.entries(lengths) as [TarFormat, number][]) {
      const long = `${'d'.repeat(20)}/`.repeat(200).slice(0, length - 1) + 'e';
      const target = 't'.repeat(Math.min(length, 100));
      const tar = layer(dir('d', { format }), file(long, 'x', { format }), symlink('link', target, { format }));
      assert.deepEqual(listBy(program, tar), ['d/', long, 'link'], format);
    }
  });

  test(`${program} reads mixed meta headers`, { skip: needs(program) }, () => {
    const tar = layer(
      paxGlobal({ comment: 'nothing' }),
      pax({ path: 'renamed' }),
      file('name'),
      gnuLongName('short but long'),
      file('other', '', { format: 'gnu' }),
      meta('X', '16 path=solaris\n'),
      file('another'),
    );
    assert.deepEqual(listBy(program, tar).slice(0, 2), ['renamed', 'short but long']);
  });

  for (const form of ['gnu', '0.0', '0.1', '1.0'] as const) {
    test(`${program} restores a sparse file of form ${form}`, { skip: needs(program) }, (t) => {
      const directory = temporaryDirectory(t);
      const tar = sparseLayer(form, 30);
      writeFileSync(join(directory, 'layer.tar'), tar.bytes);
      execFileSync(program, ['-xf', 'layer.tar'], { cwd: directory, env: environment });
      assert.deepEqual(readFileSync(join(directory, 'db')), tar.content);
    });
  }
}

function sparseLayer(form: SparseForm, count: number): { bytes: Buffer; content: Buffer } {
  const segments = Array.from({ length: count }, (_, at) => ({
    offset: at * 8192 + 4096,
    bytes: Buffer.alloc(512, at + 1),
  }));
  const realBytes = count * 8192 + 100_000;
  const content = Buffer.alloc(realBytes);
  for (const { offset, bytes } of segments) bytes.copy(content, offset);
  return { bytes: layer(sparse('db', segments, { form, realBytes }), file('after')), content };
}

test('PAX holds what a ustar header cannot', { skip: needs('python3') }, () => {
  const [first] = listByPython(
    layer(
      file('x', 'body', {
        uid: 2 ** 32 - 2,
        mtime: '-1.000000001',
        xattrs: { 'user.a': 'b', 'security.capability': Buffer.from([1, 0, 0, 2]) },
        records: { comment: 'no' },
      }),
    ),
  );
  assert.equal(first!.uid, 2 ** 32 - 2);
  assert.deepEqual(Object.keys(first!.pax), [
    'uid',
    'mtime',
    'SCHILY.xattr.user.a',
    'SCHILY.xattr.security.capability',
    'comment',
  ]);
  assert.equal(first!.pax['mtime'], '-1.000000001');
});

test('records of pax() go behind the entry’s own, in one header', { skip: needs('python3') }, () => {
  const tar = layer(pax({ mtime: '7', path: 'renamed' }), file('x', '', { mtime: 1.5 }));
  const [only, ...more] = listByPython(tar);
  assert.equal(more.length, 0);
  assert.equal(only!.name, 'renamed');
  assert.equal(only!.mtime, 7);
  assert.equal(tar.toString('latin1').split('PaxHeaders.0/').length, 2);
});

test('two pax() parts are two headers; one at the end stays', () => {
  const types = (tar: Buffer): string[] =>
    Array.from({ length: tar.length / 512 }, (_, block) => tar.subarray(block * 512, block * 512 + 512))
      .filter((block) => block.toString('latin1', 257, 262) === 'ustar')
      .map((block) => String.fromCharCode(block[156]!));
  assert.deepEqual(types(layer(pax({ a: '1' }), pax({ b: '2' }), file('x'))), ['x', 'x', '0']);
  assert.deepEqual(types(layer(file('x'), pax({ a: '1' }))), ['0', 'x']);
  assert.deepEqual(types(layer(pax({ path: 'y' }), file('n'.repeat(101), '', { format: 'gnu' }))), ['x', 'L', '0']);
});

test('formats refuse what they cannot hold', () => {
  assert.throws(() => layer(file('x', '', { format: 'ustar', mtime: 1.5 })), RangeError);
  assert.throws(() => layer(file('x', '', { format: 'ustar', mtime: -1 })), RangeError);
  assert.throws(() => layer(file('x', '', { format: 'gnu', xattrs: { a: 'b' } })), RangeError);
  assert.throws(() => layer(file('n'.repeat(101), '', { format: 'ustar' })), RangeError);
  assert.throws(() => layer(file('x', '', { format: 'v7', uid: 2 ** 21 })), RangeError);
});

test('end marks, junk and raw bytes stand where they were put', () => {
  const zero = (blocks: number): Buffer => Buffer.alloc(blocks * 512);
  assert.deepEqual(layer(), zero(2));
  assert.deepEqual(layer(end(0)), zero(0));
  assert.deepEqual(layer(end(1)), zero(1));
  assert.deepEqual(layer(raw('abc'), end(0)), Buffer.from('abc'));
  assert.deepEqual(layer(junk('abc')), Buffer.concat([zero(2), Buffer.from('abc')]));
  assert.deepEqual(layer(end(1), junk('abc')), Buffer.concat([zero(1), Buffer.from('abc')]));
  assert.equal(layer(end(2), file('late')).length, 3 * 512);
});

test('the size field can lie in either direction', () => {
  const tar = layer(hardlink('a', 'b', { size: 10 }), file('c', 'body', { size: 2 }));
  assert.equal(tar.toString('latin1', 124, 135), '00000000012');
  assert.equal(tar.toString('latin1', 512 + 124, 512 + 135), '00000000002');
  assert.equal(tar.length, 5 * 512);
  assert.match(layer(file('x', '', { size: -1 })).toString('latin1'), /11 size=-1\n/);
  assert.equal(layer(file('x', '', { size: -1, format: 'gnu' })).toString('hex', 124, 136), 'f'.repeat(24));
});

test('the notation and the builders make the same bytes', () => {
  const built = layer(
    dir('./'),
    file('etc/passwd', 'root:x:0:0\n', { mtime: '-1.5' }),
    file('bin/su', Buffer.alloc(4096), { mode: 0o4755, xattrs: { 'security.capability': Buffer.from([1, 0, 0, 2]) } }),
    symlink('var/run', '/run'),
    hardlink('bin/su2', '/bin/su', { size: 10 }),
    charDevice('dev/null', 1, 3, { mode: 0o666 }),
    fifo('run/p'),
    whiteout('etc/old', { as: 'link' }),
    opaque('etc'),
    file(Buffer.from([0xff, 0xfe, 0x0a]), 'name is bytes', { format: 'pax' }),
    pax({ path: 'x', size: '99' }),
    raw(Buffer.concat([Buffer.from([0, 255]), Buffer.alloc(510)])),
    end(1),
    junk('after the end'),
  );
  const parsed = parseLayer(String.raw`
dir   ./            0755 0:0
file  etc/passwd    0644 0:0  "root:x:0:0\n"   mtime=-1.5
file  bin/su        04755 0:0 zero*4096        xattr:security.capability=hex:01000002
sym   var/run       -> /run
link  bin/su2       -> /bin/su                 size=10
char  dev/null      0666 0:0  1,3
fifo  run/p
wh    etc/old                                  as=link
opq   etc
file  hex:ff fe 0a  "name is bytes"            fmt=pax
pax   path=x size=99                           # raw record for the next entry
raw   hex:00 ff
end   1
junk  "after the end"
`);
  assert.deepEqual(parsed, built);
});
