import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../../src/index.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { buildImage, createRandom, file, layer, parseLayer } from '../../../src/testing/index.js';
import { extract, listTree, verdict } from '../../helpers/extract.js';
import { testLayers } from '../../helpers/matrix.js';
import { filesIn, openLab } from '../../helpers/sluice.js';
import { contentText, sparseText } from '../../helpers/tree-text.js';

const platform = formatPlatform(hostPlatform());

testLayers([
  {
    title: 'S1 P1 a directory below one that has no entry',
    layer: 'dir etc/dnf/ 0750\nfile etc/dnf/dnf.conf "1"',
    tree: 'implied etc\ndir etc/dnf 0750\nfile etc/dnf/dnf.conf "1"',
  },
  {
    title: 'S2 N4 a file through an absolute link whose target is not in this layer',
    layer: 'dir var\nsym var/run -> /run\nfile var/run/lock/x "1"',
    tree: 'dir var\nsym var/run -> /run\nimplied run\nimplied run/lock\nfile run/lock/x "1"',
  },
  {
    title: 'S3 H12 a hard link with an absolute target',
    layer: 'file usr/bin/perl "1"\nlink usr/bin/perl5 -> /usr/bin/perl',
    tree: 'implied usr\nimplied usr/bin\nfile usr/bin/perl "1"\nlink usr/bin/perl5 -> usr/bin/perl',
  },
  {
    title: 'S4 M5 device nodes',
    layer:
      'dir dev\nchar dev/console 0600 5,1\nchar dev/ptmx 0666 0:5 5,2\nblock dev/loop0 0660 0:6 7,0\nfifo dev/initctl 0600',
    tree: 'dir dev\nchar dev/console 0600 5,1\nchar dev/ptmx 0666 0:5 5,2\nblock dev/loop0 0660 0:6 7,0\nfifo dev/initctl 0600',
  },
  {
    title: 'S5 M14 an SELinux label is never set and never fatal',
    layer: 'file f "x" xattr:security.selinux=hex:756e636f6e66696e656400',
    tree: 'file f "x" kept:security.selinux=hex:756e636f6e66696e656400',
  },
  {
    title: 'S6 attributes of symlinks, FIFOs, devices and whiteouts stand in the sidecar, with one counted warning',
    layer: 'sym s -> x xattr:user.a="1"\nfifo p xattr:user.a="2"\nchar c 1,3 xattr:user.a="3"\nwh w xattr:user.a="4"',
    tree: 'sym s -> x kept:user.a="1"\nfifo p kept:user.a="2"\nchar c 1,3 kept:user.a="3"\nwh w kept:user.a="4"',
    warns: 'S6*4',
  },
  {
    title: 'S7 H1 a hard link whose parent is implied',
    layer: 'file a "1"\nlink opt/x/b -> a',
    tree: 'file a "1"\nimplied opt\nimplied opt/x\nlink opt/x/b -> a',
  },
  {
    title: 'S8 H1 a hard link over a path that exists',
    layer: 'file a "1"\nfile b "2"\nlink b -> a',
    tree: 'file a "1"\nlink b -> a',
  },
  {
    title: 'S9 H6 W1 a hard link to a lower layer’s file, and one named like a whiteout',
    layer: 'link b -> usr/lib/x\nlink usr/.wh.y -> usr/lib/y',
    tree: 'deferred b -> usr/lib/x\nimplied usr\nwh usr/y',
    warns: 'H6',
  },
  {
    title: 'S10 H13 a hard link with a size has no body',
    layer: 'file a "1"\nlink b -> a size=1024\nfile c "2"',
    tree: 'file a "1"\nlink b -> a\nfile c "2"',
  },
  {
    title: 'S11 W3 W4 an opaque mark after its siblings, a whiteout after its file, a whiteout and the directory again',
    layer: 'file a/1 "1"\nopq a\nfile b "2"\nwh b\nwh c\ndir c\nfile c/3 "3"',
    tree: 'implied a\nopq a\nfile a/1 "1"\nfile b "2" folded=.wh.b\ndir c folded=.wh.c\nopq c\nfile c/3 "3"',
  },
  { title: 'S12 W5 a whiteout inside an opaque directory', layer: 'opq d\nwh d/x', tree: 'implied d\nopq d\nwh d/x' },
  {
    title: 'S13 O1 O4 the same name twice',
    layer: 'file f "1" 0600\ndir d 0700\nfile d/x "x"\nfile f "2"\ndir d 0711',
    tree: 'file f "2"\ndir d 0711\nfile d/x "x"',
  },
  {
    title: 'S14 M1 directories that nobody may write or enter take children',
    layer: 'dir d 0555\nfile d/f "x"\ndir e 0000\nfile e/f "y"\ndir e/g 0000\nfile e/g/h "z" 0000',
    tree: 'dir d 0555\nfile d/f "x"\ndir e 0000\nfile e/f "y"\ndir e/g 0000\nfile e/g/h 0000 "z"',
  },
  {
    title: 'S15 M17 times are kept',
    layer: 'dir d mtime=100\nfile d/f.py "x" mtime=1700000000.25\nsym d/l -> f.py mtime=300',
    tree: 'dir d mtime=100\nfile d/f.py "x" mtime=1700000000.25\nsym d/l -> f.py mtime=300',
  },
  {
    title: 'S16 M18 odd times',
    layer: `
      file a "" mtime=-1
      file b "" mtime=-2147483648
      file c "" mtime=8589934592
      file d "" pax:mtime="100000000000000000000"
      file e "" pax:mtime=".123456789"
      file f "" pax:mtime="1.123456789123"
      file g "" mtime=7 pax:mtime=""
    `,
    tree: `
      file a "" mtime=-1
      file b "" mtime=-2147483648
      file c "" mtime=8589934592
      file d "" mtime=15032385535 given=4611686018427387904
      file e "" mtime=0.123456789
      file f "" mtime=1.123456789
      file g "" mtime=7
    `,
  },
  {
    title: 'S17 M1 M13 set-user-ID and a capability: data are written before attributes',
    layer: 'file sudo 04755 rand*5000 xattr:security.capability=hex:01000002ff\nfile passwd 02755 "x"\ndir tmp 01777',
    tree: `file sudo 04755 ${contentText(createRandom(5000).bytes(5000))} xattr:user.containers.override_security.capability=hex:01000002ff kept:security.capability=hex:01000002ff\nfile passwd 02755 "x"\ndir tmp 01777`,
  },
  {
    title: 'S18 M12 overlay’s own attributes are kept in the sidecar, never acted on',
    layer: 'dir d xattr:trusted.overlay.opaque="y" xattr:user.overlay.whiteout="y"',
    tree: 'dir d kept:trusted.overlay.opaque="y" kept:user.overlay.whiteout="y"',
    warns: 'M12*2',
  },
  {
    title: 'S19 M7 large owners are exact',
    layer: 'file a 0644 2097152:2097153 "x"\nfile b 0644 4294967294:4294967294 "x" fmt=gnu',
    tree: 'file a 2097152:2097153 "x"\nfile b 4294967294:4294967294 "x"',
  },
  {
    title: 'S19 X7 an owner of 2^32-1 is refused',
    layer: 'file a 0644 4294967295:0 "x"',
    refused: 'NUMBER_OUT_OF_RANGE M7',
  },
  {
    title: 'S19 X7 a negative owner is refused',
    layer: 'file a 0644 -5:0 "x" fmt=gnu',
    refused: 'NUMBER_OUT_OF_RANGE M7',
  },
  { title: 'S20 T17 an empty stream is an empty layer', layer: new Uint8Array(0), tree: '' },
  { title: 'S20 an end mark alone is an empty layer', layer: 'end 2', tree: '' },
  {
    title: 'S21 N2 "./" before every name, and an entry "./"',
    layer: 'dir ./ 0700 1:1\ndir ./usr 0711\nfile ./usr/x "1"\nlink ./usr/y -> ./usr/x\ndir . 0750 2:2',
    tree: 'dir . 0750 2:2\ndir usr 0711\nfile usr/x "1"\nlink usr/y -> usr/x',
  },
  {
    title: 'S23 N8 everything at once',
    layer: `
      dir    ./            0755 1:2        mtime=10
      file   etc/passwd    0644 0:0        "root:x:0:0" mtime=-1.5
      file   bin/su        04755 0:0       zero*3000    xattr:security.capability=hex:01000002
      sym    var/run       -> /run
      file   var/run/pid   "1"
      link   bin/su2       04755 -> /bin/su size=10
      char   dev/null      0666 0:0  1,3
      fifo   run/p
      wh     etc/old
      opq    etc
      sparse var/db        data@0*512 hole*1M data@1M*512 fmt=gnu
      link   opt/lower     -> usr/lib/x
      file   hex:fffe      "bytes"
    `,
    tree: `
      dir . 1:2 mtime=10
      implied etc
      opq etc
      wh etc/old
      file etc/passwd "root:x:0:0" mtime=-1.5
      implied bin
      file bin/su 04755 zero*3000 xattr:user.containers.override_security.capability=hex:01000002 kept:security.capability=hex:01000002
      link bin/su2 -> bin/su
      implied var
      sym var/run -> /run
      file var/db ${sparseText(2 ** 20 + 512, [0, 512], [2 ** 20, 512])}
      implied run
      file run/pid "1"
      fifo run/p
      implied dev
      char dev/null 0666 1,3
      implied opt
      deferred opt/lower -> usr/lib/x
      file "\\xff\\xfe" "bytes"
    `,
    warns: 'H6',
  },
]);

test('extraction S14 M1 a directory that its owner may not write in is removed and made again', (t) => {
  const { tree, ...rest } = extract(t, parseLayer('dir d 0000\nfile d/e/f "x"\nfile d "1"\ndir d 0000\nfile d/g "2"'));
  assert.equal(verdict({ tree, ...rest }), 'done');
  assert.deepEqual(listTree(tree).slice(1), ['d dir 0700 0:0:040000', 'd/g file "2" 0644 0:0:0100644']);
});

test('extraction S20 the same digest twice and equal diffIDs are one directory each, listed once', async (t) => {
  const lab = await openLab(t);
  const tar = layer(file('f', 'x'));
  const image = buildImage({
    platform,
    layers: [
      { tar },
      { tar: layer(file('g', 'y')) },
      { tar },
      { tar, compression: 'none' },
      { tar: new Uint8Array(0) },
    ],
  });
  const reference = lab.registry.push('org/twice', '1', image);
  const { layers } = await lab.pull(reference);
  const digests = image.layers.map(({ descriptor }) => descriptor.digest);
  assert.deepEqual(
    layers.map(({ digest }) => digest),
    digests.slice(1),
  );
  assert.equal(new Set(layers.map(({ path }) => path)).size, 4);
  assert.equal(lab.registry.requestsOf('blob').length, 4);
});

test('extraction S20 130 layers', async (t) => {
  const lab = await openLab(t);
  const layers = Array.from({ length: 130 }, (_, i) => ({ tar: layer(file(`f${i}`, String(i))) }));
  const pulled = await lab.pull(lab.registry.push('org/many', '1', buildImage({ platform, layers })));
  assert.deepEqual(
    pulled.layers.map(({ path }, i) => readFileSync(join(path, `f${i}`), 'utf8')),
    layers.map((_, i) => String(i)),
  );
});

test('extraction S22 layers and diffIDs that differ in number are an error before any layer is asked for', async (t) => {
  const lab = await openLab(t);
  const tar = layer(file('f', 'x'));
  const two = buildImage({ platform, layers: [{ tar }, { tar: layer(file('g', 'y')) }] });
  const image = buildImage({
    platform,
    layers: [{ tar }],
    config: { rootfs: { type: 'layers', diff_ids: two.layers.map(({ diffId }) => diffId) } },
  });
  const reference = lab.registry.push('org/odd', '1', image);
  await assert.rejects(
    lab.pull(reference),
    (error) => error instanceof SluiceError && error.code === 'LAYER_COUNT_MISMATCH',
  );
  assert.equal(lab.registry.requestsOf('blob').length, 0);
  assert.deepEqual(filesIn(lab.home, 'layers'), []);
});
