import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { errnoOf } from '../../../src/errors.js';
import { KIND } from '../../../src/layer/commands.js';
import { native } from '../../../src/native.js';
import { keepsUserXattrs } from '../../../src/store/probe.js';
import { parseLayer } from '../../../src/testing/index.js';
import { extract, listTree, overrideOf, verdict, warned } from '../../helpers/extract.js';
import { testLayers } from '../../helpers/matrix.js';
import { temporaryDirectory } from '../../helpers/temporary.js';

testLayers(
  [
    {
      title: 'M1 every mode is whole in the value, and lets its owner in on the host',
      layer: ['0000', '0111', '0400', '0444', '0555', '0644', '0755', '0777']
        .flatMap((mode) => [`file f${mode} ${mode} "x"`, `dir d${mode} ${mode}`, `file d${mode}/f ${mode} "y"`])
        .join('\n'),
      tree: ['0000', '0111', '0400', '0444', '0555', '0644', '0755', '0777']
        .flatMap((mode) => [`file f${mode} ${mode} "x"`, `dir d${mode} ${mode}`, `file d${mode}/f ${mode} "y"`])
        .join('\n')
        .replace('f0644 0644', 'f0644')
        .replace('d0644/f 0644', 'd0644/f')
        .replace('dir d0755 0755', 'dir d0755'),
    },
    {
      title: 'M1 M2 S17 set-user-ID, set-group-ID and sticky live in the value alone',
      layer: 'file su 04755 "x"\nfile sg 02711 "x"\ndir tmp 01777\ndir all 07777\nfile none 07000 ""',
      tree: 'file su 04755 "x"\nfile sg 02711 "x"\ndir tmp 01777\ndir all 07777\nfile none 07000 ""',
    },
    {
      title: 'M2 owners of everything that takes a value',
      layer: 'dir d 0750 1:2\nfile f 0640 33:33 "x"\nchar c 0666 0:5 1,3\nwh w 0600 7:8\nopq d 0600 9:10',
      tree: 'dir d 0750 1:2\nfile f 0640 33:33 "x"\nchar c 0666 0:5 1,3\nwh w 0600 7:8\nopq d 0600 9:10',
    },
    {
      title: 'M3 the root’s entry, whatever it is called and wherever it stands',
      layer: 'file f "x"\ndir ./ 0700 5:6 mtime=9.5',
      tree: 'dir . 0700 5:6 mtime=9.5\nfile f "x"',
    },
    { title: 'M3 a root without an entry has a value too', layer: 'file f "x"', tree: 'file f "x"' },
    {
      title: 'M4 type bits of the mode field are dropped',
      layer: 'file f 0120644 "x"\ndir d 0100755\nsym s 0100777 -> x\nfifo p 0040600',
      tree: 'file f "x"\ndir d\nsym s -> x\nfifo p 0600',
    },
    {
      title: 'M5 S4 W10 devices and FIFOs are placeholders with their type and number in the value',
      layer: `
      char  dev/null    0666 0:0  1,3
      char  dev/console 0600 0:5  5,1
      char  dev/ptmx    0666 0:5  5,2
      block dev/sda     0660 0:6  8,0
      char  big         4095,1048575
      char  zero        0,0
      fifo  run/p       0622
      file  after       "x"
    `,
      tree: `
      implied dev
      char  dev/null    0666 1,3
      char  dev/console 0600 0:5 5,1
      char  dev/ptmx    0666 0:5 5,2
      block dev/sda     0660 0:6 8,0
      char  big         4095,1048575
      char  zero        0,0
      implied run
      fifo  run/p       0622
      file  after       "x"
    `,
    },
    {
      title: 'M6 M17 a symlink’s owner and mode stand in the sidecar alone, its time on the host',
      layer: 'sym s 0777 5:6 -> /nowhere mtime=7.5\nsym t 0700 0:1 -> s',
      tree: 'sym s 5:6 -> /nowhere mtime=7.5\nsym t 0700 0:1 -> s',
    },
    {
      title: 'M7 S19 ids up to 2^32-2, by octal, base-256 and PAX',
      layer: `
      file a 0644 2097151:2097151       "x"
      file b 0644 2097152:3000000       "x"
      file c 0644 4294967294:4294967294 "x"
      file d 0644 4294967294:1          "x" fmt=gnu
      sym  e 0777 4294967294:2097152    -> x
      file f 0644 1:2                   "x" pax:uid="7" pax:gid="8"
    `,
      tree: `
      file a 2097151:2097151       "x"
      file b 2097152:3000000       "x"
      file c 4294967294:4294967294 "x"
      file d 4294967294:1          "x"
      sym  e 4294967294:2097152    -> x
      file f 7:8                   "x"
    `,
    },
    {
      title: 'M8 names of users and groups count for nothing',
      layer:
        'file f 0644 1:2 "x" uname=root gname=root\nfile g 0644 0:0 "x" uname=nobody gname=no-such-group\nfile h "x" pax:uname="daemon"',
      tree: 'file f 1:2 "x"\nfile g "x"\nfile h "x"',
    },
    {
      title: 'M9 a value longer than 32 bytes is written, with a warning',
      layer: 'char a 0666 4294967294:4294967294 1,3\nchar b 0666 0:0 259,70000\nfile c 07777 4294967294:4294967294 "x"',
      tree: 'char a 0666 4294967294:4294967294 1,3\nchar b 0666 259,70000\nfile c 07777 4294967294:4294967294 "x"',
      warns: 'M9',
    },
    {
      title: 'M9 a value of 32 bytes is no reason to warn, one of 33 is',
      layer: 'char a 0666 1000:1000 123,456789\nchar b 0666 1000:1000 1234,567890',
      tree: 'char a 0666 1000:1000 123,456789\nchar b 0666 1000:1000 1234,567890',
      warns: 'M9',
    },
    {
      title: 'M11 user attributes are set on files and directories, of any bytes',
      layer: `
      dir  d      xattr:user.dir="1"
      file f "x"  xattr:user.a="text" xattr:user.b=hex:00ff0a3d00 xattr:user.empty-not="0"
      dir  ./     xattr:user.root="2"
    `,
      tree: `
      dir  .      xattr:user.root="2"
      dir  d      xattr:user.dir="1"
      file f "x"  xattr:user.a="text" xattr:user.b=hex:00ff0a3d00 xattr:user.empty-not="0"
    `,
    },
    {
      title: 'M11 LIBARCHIVE’s form is decoded, SCHILY’s wins',
      layer:
        'file f "x" pax:LIBARCHIVE.xattr.user.a%20b="bGli" pax:LIBARCHIVE.xattr.user.c="bGli" xattr:user.c="schily"',
      tree: 'file f "x" xattr:user.a b="lib" xattr:user.c="schily"',
    },
    {
      title: 'M12 S18 attributes that a consumer would act on are never set',
      layer: `
      file f "x" xattr:user.containers.override_stat="0:0:0104755" xattr:user.good="1"
      dir  d     xattr:trusted.overlay.opaque="y" xattr:user.overlay.opaque="y" xattr:user.fuseoverlayfs.opaque="y"
      dir  e     xattr:security.fuseoverlayfs.opaque="y" xattr:user.msb.x="1" xattr:user.containers.anything="1"
    `,
      tree: `
      file f "x" xattr:user.good="1" kept:user.containers.override_stat="0:0:0104755"
      dir  d     kept:trusted.overlay.opaque="y" kept:user.fuseoverlayfs.opaque="y" kept:user.overlay.opaque="y"
      dir  e     kept:security.fuseoverlayfs.opaque="y" kept:user.containers.anything="1" kept:user.msb.x="1"
    `,
      warns: 'M12*7',
    },
    {
      title: 'M13 S17 a capability stands in the sidecar and in the copy that fuse-overlayfs shows',
      layer: 'file ping 0755 "x" xattr:security.capability=hex:0100000200200000000000000000000000000000',
      tree: 'file ping 0755 "x" xattr:user.containers.override_security.capability=hex:0100000200200000000000000000000000000000 kept:security.capability=hex:0100000200200000000000000000000000000000',
    },
    {
      title: 'M14 S5 an SELinux label is kept in the sidecar alone',
      layer: 'file f "x" xattr:security.selinux=hex:73797374656d5f7500\ndir d xattr:security.selinux="label"',
      tree: 'file f "x" kept:security.selinux=hex:73797374656d5f7500\ndir d kept:security.selinux="label"',
    },
    {
      title: 'M15 other privileged attributes are kept in the sidecar',
      layer: 'file f "x" xattr:security.ima="1" xattr:trusted.x="2" xattr:system.posix_acl_access="3"',
      tree: 'file f "x" kept:security.ima="1" kept:system.posix_acl_access="3" kept:trusted.x="2"',
    },
    {
      title: 'M16 S6 an attribute that no file can hold is kept in the sidecar, with a warning',
      layer: `file f "x" xattr:user.${'n'.repeat(300)}="1" xattr:user.ok="2"\nfile g "y"`,
      tree: `file f "x" xattr:user.ok="2" kept:user.${'n'.repeat(300)}="1"\nfile g "y"`,
      warns: 'M16',
    },
    {
      title: 'M17 S15 times of files, symlinks and directories, to the nanosecond',
      layer: `
      dir  ./        mtime=1
      dir  d         mtime=1609459200
      file d/f  "x"  mtime=1577836800.123456789
      sym  d/s  -> f mtime=2.5
      fifo d/p       mtime=3
      wh   d/w       mtime=4
      dir  d/e       mtime=5
      file d/e/f ""  mtime=6
      file i/f  "y"  mtime=7
    `,
      tree: `
      dir  .         mtime=1
      dir  d         mtime=1609459200
      file d/f  "x"  mtime=1577836800.123456789
      sym  d/s  -> f mtime=2.5
      fifo d/p       mtime=3
      wh   d/w       mtime=4
      dir  d/e       mtime=5
      file d/e/f ""  mtime=6
      implied i
      file i/f  "y"  mtime=7
    `,
    },
    {
      title: 'M18 S16 times before 1970, with fractions, far away and with too many digits',
      layer: `
      file a "" mtime=-1
      file b "" mtime=-1.5
      sym  c -> x mtime=-0.000000001
      file d "" mtime=-2147483648
      file e "" mtime=8589934592
      file f "" mtime=15032385535
      file g "" mtime=5.123456789012
      file h "" mtime=6 pax:mtime=""
    `,
      tree: `
      file a "" mtime=-1
      file b "" mtime=-1.5
      sym  c -> x mtime=-0.000000001
      file d "" mtime=-2147483648
      file e "" mtime=8589934592
      file f "" mtime=15032385535
      file g "" mtime=5.123456789
      file h "" mtime=6
    `,
    },
    {
      title: 'M18 S16 beyond what ext4 holds the host’s time is clamped, the sidecar’s is not',
      layer: 'file a "" mtime=-2147483649\nfile b "" mtime=99999999999\ndir d mtime=99999999999',
      tree: 'file a "" mtime=-2147483648 given=-2147483649\nfile b "" mtime=15032385535 given=99999999999\ndir d mtime=15032385535 given=99999999999',
    },
    {
      title: 'M18 X8 a time that is no number is refused',
      layer: 'file a "" pax:mtime="soon"',
      refused: 'TAR_MALFORMED M18',
    },
  ],
  'compat K12 K13 extraction',
);

test('extraction M1 the umask takes no bit away', (t) => {
  const before = process.umask(0o077);
  try {
    const { tree } = extract(t, parseLayer('dir d 0755\nfile d/f 0644 "x"\nfile i/f 0777 "y"\nfifo p'));
    const mode = (name: string): string => (lstatSync(join(tree, name)).mode & 0o7777).toString(8);
    assert.deepEqual(['d', 'd/f', 'i', 'i/f', 'p'].map(mode), ['755', '644', '755', '777', '600']);
  } finally {
    process.umask(before);
  }
});

/** An ACL of version 2 as the kernel takes it: the owner, user 1000, the group, the mask and all others. */
const ACL = Buffer.from(
  '0200000001000700ffffffff02000700e803000004000500ffffffff10000500ffffffff20000000ffffffff',
  'hex',
);

/** Whether the directory has a default ACL now, which its file system may not know. */
function setDefaultAcl(directory: string): boolean {
  try {
    native().xattrSet(Buffer.from(directory), Buffer.from('system.posix_acl_default'), ACL);
    return true;
  } catch (error) {
    assert.equal(errnoOf(error), 'ENOTSUP');
    return false;
  }
}

const aclsOf = (path: string): readonly string[] =>
  native()
    .xattrList(Buffer.from(path))
    .map(String)
    .filter((name) => name.startsWith('system.'));

test('extraction M1 S23 a directory that hands on its group and its ACLs changes no layer in it', (t) => {
  const tar = parseLayer(
    'dir d 0755\nfile d/f 0644 "x"\nfile d/shut 0600 ""\nfile i/f 0664 "y"\nfifo p\nlink l -> d/f',
  );
  const plain = extract(t, tar);
  const parent = temporaryDirectory(t);
  chmodSync(parent, 0o2755);
  setDefaultAcl(parent);
  const staging = join(parent, 'staging');
  mkdirSync(staging);
  const extraction = extract(t, tar, { staging });
  assert.equal(verdict(extraction), 'done');
  assert.deepEqual([listTree(extraction.tree), extraction.lines()], [listTree(plain.tree), plain.lines()]);
  for (const name of ['', 'd', 'd/f', 'i', 'i/f', 'p']) assert.deepEqual(aclsOf(join(extraction.tree, name)), [], name);
});

test('extraction M1 M15 what a directory with an ACL of the image holds has no ACL but its own', (t) => {
  const acl = `xattr:system.posix_acl_default=hex:${ACL.toString('hex')}`;
  const tar = parseLayer(
    `dir d ${acl}\nfile d/f 0644 "x"\ndir d/e\nfile d/e/f 0604 ""\nfile d/i/f "y"\ndir d/a ${acl}`,
  );
  const { tree, outcome } = extract(t, tar, { privilegedXattrs: true });
  assert.equal(outcome.kind, 'done');
  const own = setDefaultAcl(temporaryDirectory(t)) ? ['system.posix_acl_default'] : [];
  const names = ['d', 'd/f', 'd/e', 'd/e/f', 'd/i', 'd/i/f', 'd/a'];
  assert.deepEqual(
    names.map((name) => [name, (lstatSync(join(tree, name)).mode & 0o7777).toString(8), aclsOf(join(tree, name))]),
    [
      ['d', '755', own],
      ['d/f', '644', []],
      ['d/e', '755', []],
      ['d/e/f', '604', []],
      ['d/i', '755', []],
      ['d/i/f', '644', []],
      ['d/a', '755', own],
    ],
  );
});

test('extraction M1 M5 as root nothing is owned by another, and no device is made', (t) => {
  const { tree } = extract(
    t,
    parseLayer('file f 04755 5:6 "x"\nchar c 0666 5:6 1,3\nblock b 0600 8,0\nfifo p\ndir d 0700 5:6'),
  );
  for (const name of ['f', 'c', 'b', 'p', 'd']) {
    const stat = lstatSync(join(tree, name));
    assert.deepEqual([stat.uid, stat.gid], [process.getuid!(), statSync(tree).gid], name);
    assert.ok(stat.isFile() || stat.isDirectory(), name);
    assert.equal(stat.mode & 0o7000, 0, name);
  }
});

test('extraction M2 M3 M5 the values, letter for letter', (t) => {
  const { tree } = extract(
    t,
    parseLayer(
      'file f 0644 "x"\ndir d 0755\nfile su 04755 33:33 "x"\nchar null 0666 1,3\nblock sda 0660 0:6 8,0\nfifo p 0644',
    ),
  );
  const values = ['', 'f', 'd', 'su', 'null', 'sda', 'p'].map((name) => overrideOf(join(tree, name)));
  assert.deepEqual(values, [
    '0:0:040755',
    '0:0:0100644',
    '0:0:040755',
    '33:33:0104755',
    '0:0:020666:char-1-3',
    '0:6:060660:block-8-0',
    '0:0:010644:pipe',
  ]);
});

test('compat K12 extraction M5 the form that libkrun reads', (t) => {
  const tar = parseLayer('char c 0666 259,70000\nchar n 0666 1,3\nblock b 0660 8,1\nfifo p 0644');
  const { tree } = extract(t, tar, { stat: 'libkrun' });
  const device = ((70000 & 0xff) | (259 << 8) | ((70000 & ~0xff) << 12)) >>> 0;
  const values = ['c', 'n', 'b', 'p'].map((name) => overrideOf(join(tree, name)));
  assert.deepEqual(values, [`0:0:020666:${device}`, '0:0:020666:259', '0:0:060660:2049', '0:0:010644']);
});

test('compat K14 extraction M10 without user attributes the sidecar alone holds everything, if that is asked for', async (t) => {
  const tar = parseLayer('dir d 0750 1:2\nfile d/f 04755 3:4 "x" xattr:user.a="1"\nchar c 0666 1,3\nwh w');
  const recorded = extract(t, tar, { stat: 'sidecar' });
  assert.deepEqual(listTree(recorded.tree), [
    '. dir 0755 -',
    '.wh.w file "" 0600 -',
    'c file "" 0600 -',
    'd dir 0750 -',
    'd/f file "x" 0755 -',
  ]);
  const own = (lines: readonly string[]): readonly string[] => lines.filter((line) => !line.startsWith('#'));
  assert.deepEqual(own(recorded.lines()), own(extract(t, tar).lines()));
  assert.match(recorded.sidecar(), / stat=sidecar\n/);
  const addon = createRequire(import.meta.url)('xattr-native') as { xattrSet: () => void };
  t.mock.method(addon, 'xattrSet', () => {
    throw Object.assign(new Error('no'), { code: 'ENOTSUP' });
  });
  assert.equal(await keepsUserXattrs(temporaryDirectory(t)), false);
});

test('extraction M5 M10 H7 what is linked to a placeholder never gives it a host mode, attributes or not', (t) => {
  const placeholders = 'char c 0600 1,3\nblock b 0600 8,1\nfifo p 0600\nfile f 0600 ""';
  const links = ['c', 'b', 'p', 'f'].map((name) => `link ${name}${name} 0666 -> ${name}`).join('\n');
  // An inode's number may come back as another file's.
  const again = 'fifo r 0600\nfile r 0600 ""\nlink rr 0666 -> r';
  const tar = parseLayer([placeholders, links, again].join('\n'));
  const modes = (['containers', 'libkrun', 'sidecar'] as const).map((stat) =>
    listTree(extract(t, tar, { stat }).tree).flatMap(
      (line) => /^(\S+) file "" (\d+)/.exec(line)?.slice(1).join(' ') ?? [],
    ),
  );
  const expected = [
    'b 0600',
    'bb 0600',
    'c 0600',
    'cc 0600',
    'f 0666',
    'ff 0666',
    'p 0600',
    'pp 0600',
    'r 0666',
    'rr 0666',
  ];
  assert.deepEqual(modes, [expected, expected, expected]);
});

test('extraction M16 too many attributes for one inode: the value of ours has its room first', (t) => {
  const many = Array.from({ length: 40 }, (_, i) => `xattr:user.n${i}=zero*1500`).join(' ');
  const extraction = extract(t, parseLayer(`file f 04755 7:8 "x" ${many}\nfile g "y"`));
  assert.equal(verdict(extraction), 'done');
  assert.equal(overrideOf(join(extraction.tree, 'f')), '7:8:0104755');
  const lines = extraction.lines().filter((line) => /^#sluice\.xattr (set|kept) user\.n\d+ /.test(line));
  assert.equal(lines.length, 40, 'all are listed');
  const isKept = lines.some((line) => line.includes(' kept '));
  assert.deepEqual(warned(extraction), isKept ? ['M16'] : []);
});

test('extraction M17 the time of access is the same', (t) => {
  const { tree } = extract(
    t,
    parseLayer('file f "x" mtime=1234\nsym s -> f mtime=5678\ndir d mtime=9\ndir ./ mtime=10'),
  );
  assert.deepEqual(
    ['f', 's', 'd', ''].map((name) => lstatSync(join(tree, name)).atimeMs / 1000),
    [1234, 5678, 9, 10],
  );
});

test('extraction M5 KIND is the type bits of a mode', () => {
  assert.deepEqual([KIND.CHAR << 12, KIND.BLOCK << 12, KIND.FIFO << 12], [0o020000, 0o060000, 0o010000]);
});

test('extraction M13 M15 privileged attributes are set when that is asked for and permitted, and never fatal', (t) => {
  const tar = parseLayer(
    'file f 0755 "x" xattr:trusted.x="1" xattr:security.capability=hex:0100000200200000000000000000000000000000\nfile g "y"',
  );
  const { tree, ...rest } = extract(t, tar, { privilegedXattrs: true });
  assert.equal(verdict({ tree, ...rest }), 'done');
  const path = Buffer.from(join(tree, 'f'));
  const isSet = rest.lines().includes('#sluice.xattr set trusted.x MQ==');
  const real = process.getuid!() === 0 ? native().xattrGet(path, Buffer.from('trusted.x'))?.toString() : undefined;
  assert.equal(real, isSet ? '1' : undefined);
  if (!isSet) assert.ok(rest.lines().includes('#sluice.xattr kept trusted.x MQ=='));
  const copy = native().xattrGet(path, Buffer.from('user.containers.override_security.capability'));
  assert.equal(copy?.toString('hex'), '0100000200200000000000000000000000000000');
});
