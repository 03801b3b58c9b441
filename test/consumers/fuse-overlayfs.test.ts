import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { needs, needsMounts } from '../helpers/needs.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { isFuseOverlayfs, mountLayers } from './fuse-overlayfs.js';
import { importLayers, textOf } from './imported-image.js';
import { readRoot, type Seen } from './seen-root.js';

const skip = needsMounts();
const servers = skip || needs('fuse-overlayfs') || needs('umoci');

/** Without an entry of the root. */
const BOTTOM = String.raw`
  dir   etc               0750 3:4    mtime=100.5
  file  etc/passwd        0640 0:42   "root"       mtime=1600000000.123456789
  file  etc/old           "old"
  file  etc/again         "below"
  dir   etc/kept          0711 5:5    mtime=101
  file  etc/kept/below    "kept"
  dir   etc/wiped         0700 6:6
  file  etc/wiped/below   "wiped"
  dir   etc/fresh         0755
  file  etc/fresh/below   "fresh"
  dir   usr/lib           02755 7:8   mtime=102
  file  usr/lib/a.so      "library"   0755 7:8
  link  usr/lib/b.so      -> usr/lib/a.so 0755 7:8
  sym   usr/lib/c.so      -> a.so     9:9          mtime=-1.5
  sym   lib               -> /usr/lib
  dir   tmp               01777       mtime=103
  file  bin/su            04755 0:0   "setuid"
  file  bin/wall          02711 0:5   "setgid"
  char  dev/null          0666        1,3
  block dev/sda           0660 0:6    8,0
  fifo  dev/pipe          0600 1:1
  file  "odd\n#[*\\"      0604 65534:65534 "odd"   mtime=-86400.25
  file  hex:ff fe         0600 2097152:3000000 "latin"
  file  hex:80 ff         "bytes"     12:13
  file  changes           "a file"
  dir   turns             0700 14:14
  file  turns/below       "gone"
`;

/** Without an entry of the root; `etc/again` and `etc/fresh` stand beside whiteouts, `etc` and `usr/lib` are implied. */
const MIDDLE = String.raw`
  wh    etc/old
  wh    etc/again
  file  etc/again         0600 21:21  "above"      mtime=200
  wh    etc/fresh
  dir   etc/fresh         0750 22:22  mtime=201
  file  etc/fresh/above   "above"
  dir   etc/wiped         0711 23:23  mtime=202
  file  etc/wiped/above   "above"
  opq   etc/wiped
  file  usr/lib/d.so      "more"      24:24
  file  srv/www/index     "new"       0640 25:25
  dir   changes           0700 26:26  mtime=203
  file  changes/now       "a directory"
  file  turns             "a file"    0600 27:27   mtime=204
`;

/** With an entry of the root: the topmost one is what a mount shows. */
const TOP = String.raw`
  dir   ./                0711 31:32  mtime=300.25
  file  etc/kept/above    "kept too"  0600 33:33
  wh    usr/lib/b.so
  wh    srv/none
  wh    hex:ff fe
  file  top               0755 34:34  "top"        mtime=1700000000.000000001
`;

/** Nothing lies below it, so nobody says what time it has: umoci takes the present, Sluice 0. */
const UNSAID: ReadonlySet<string> = new Set(['bin', 'dev', 'srv', 'srv/www', 'usr']);
const SPECIAL: ReadonlySet<string> = new Set(['char', 'block', 'fifo']);

/** What umoci unpacks of an image. */
function unpack(t: Cleanup, layout: string): ReadonlyMap<string, Seen> {
  const root = join(temporaryDirectory(t, 'sluice-umoci'), 'root');
  execFileSync('umoci', ['raw', 'unpack', '--image', layout, root], { stdio: ['ignore', 'ignore', 'pipe'] });
  return readRoot(root);
}

/** Lines to compare; special files by their names alone where fuse-overlayfs cannot show them (§14). */
function linesOf(root: ReadonlyMap<string, Seen>, special: ReadonlySet<string>): readonly string[] {
  return [...root].map(([path, { type, text, time }]) =>
    special.has(path) ? `${path} special` : `${path} ${type} ${text} ${UNSAID.has(path) ? '' : time}`,
  );
}

/** The lines in which a mount of the layers differs from what umoci unpacks, by path. */
async function differences(
  t: Cleanup,
  { layout, directories }: { readonly layout: string; readonly directories: readonly string[] },
): Promise<readonly string[]> {
  const wanted = unpack(t, layout);
  const isBlind = !isFuseOverlayfs(1, 15);
  const special = new Set([...wanted].filter(([, { type }]) => isBlind && SPECIAL.has(type)).map(([path]) => path));
  const seen = readRoot(mountLayers(t, directories));
  const [is, should] = [new Set(linesOf(seen, special)), new Set(linesOf(wanted, special))];
  return [
    ...[...is].filter((line) => !should.has(line)).map((line) => `mount: ${line}`),
    ...[...should].filter((line) => !is.has(line)).map((line) => `umoci: ${line}`),
  ];
}

const LAYERS = [BOTTOM, MIDDLE, TOP];

test(
  'extraction M1 M2 M3 M17 H1 W1 W3 W4 P3 the mounted layers are what umoci unpacks',
  { skip: servers },
  async (t) => {
    const imported = await importLayers(t, LAYERS);
    assert.equal(imported.image.composeRequired, false);
    assert.deepEqual(await differences(t, imported), []);
  },
);

interface Lack {
  readonly title: string;
  /** Takes away from the layers' directories, bottom to top, what the rule puts there. */
  readonly undo: (directories: readonly string[]) => void;
  /** A path that is then wrong. */
  readonly path: string;
}

function removeOverride(directory: string, path: string): void {
  assert.ok(native().xattrRemove(Buffer.from(join(directory, path)), Buffer.from('user.containers.override_stat')));
}

const LACKS: readonly Lack[] = [
  {
    title: 'M3 without the xattr of a root that no entry gave, none of its layer counts',
    undo: ([bottom]) => removeOverride(bottom!, ''),
    path: 'etc/passwd',
  },
  {
    title: 'M3 without the xattr of a root that an entry gave, none of its layer counts',
    undo: ([, , top]) => removeOverride(top!, ''),
    path: 'top',
  },
  {
    title: 'W4 without the fold, a file beside its whiteout vanishes',
    undo: ([, middle]) => writeFileSync(join(middle!, 'etc/.wh.again'), ''),
    path: 'etc/again',
  },
  {
    title: 'W4 without the fold, a directory beside its whiteout vanishes',
    undo: ([, middle]) => writeFileSync(join(middle!, 'etc/.wh.fresh'), ''),
    path: 'etc/fresh/above',
  },
  {
    title: 'W4 without the opaque mark, what the whiteout hid comes back',
    undo: ([, middle]) => rmSync(join(middle!, 'etc/fresh/.wh..wh..opq')),
    path: 'etc/fresh/below',
  },
  {
    title: 'P3 without the xattr of an implied directory over a lower one, it is not as the lower layer says',
    undo: ([, middle]) => removeOverride(middle!, 'usr/lib'),
    path: 'usr/lib',
  },
  // Later versions show what the host has, and of a directory over nothing that is the same.
  ...(servers || isFuseOverlayfs(1, 14)
    ? []
    : [
        {
          title: 'P3 without the xattr of an implied directory over nothing, its parent cannot be listed',
          undo: ([, middle]: readonly string[]) => removeOverride(middle!, 'srv'),
          path: 'top',
        },
      ]),
];

for (const { title, undo, path } of LACKS) {
  test(`extraction ${title}`, { skip: servers }, async (t) => {
    const imported = await importLayers(t, LAYERS);
    undo(imported.directories);
    const found = await differences(t, imported);
    assert.ok(
      found.some((line) => line.startsWith(`mount: ${path} `) || line.startsWith(`umoci: ${path} `)),
      found.join('\n'),
    );
  });
}

/** Without an entry of the root (M3), and with what is settled when a layer is complete (W4, P3). */
const ALONE = String.raw`
  file  etc/shadow        0640 0:42   "secret"     mtime=1600000000.123456789
  dir   etc/ssl           0711 3:4    mtime=-1.5
  file  etc/ssl/key       0600 3:4    "key"        mtime=0.000000009
  file  bin/su            04755 0:42  "setuid"     mtime=5.5
  link  bin/su2           -> bin/su   04755 0:42   mtime=5.5
  sym   run               -> "/a b\n#" 33:33      mtime=-7.25
  dir   tmp               01777       mtime=6
  char  dev/null          0666        1,3
  block dev/sda           0660 0:6    8,0
  fifo  dev/pipe          0600 1:1
  wh    gone
  wh    again
  file  again             0601 7:7    "again"
  wh    folded
  file  folded/x          0604 8:8    "x"
  opq   etc
  file  "new\nline #[*?]\\" 0602 65534:65534 "odd"
  file  hex:ff fe         0606 2097152:3000000 "bytes"
`;

/**
 * Lines of a sidecar as a mount of its layer shows it: no markers, symlinks with the host's owners, and before 1.15 no special
 * files, which `mtree -e` then passes over.
 */
function mountView(sidecar: string): string {
  const isBlind = !isFuseOverlayfs(1, 15);
  const lines = sidecar.split('\n').filter((line) => {
    if (/^\S*\/\.wh\.\S* /.test(line)) return false;
    return !(isBlind && / type=(?:char|block|fifo) /.test(line));
  });
  return lines.map((line) => (/ type=link /.test(line) ? line.replace(/ uid=\d+ gid=\d+/, '') : line)).join('\n');
}

interface Checked {
  readonly status: number | null;
  /** What does not fit. */
  readonly found: string;
}

/** Runs mtree on a mount of one layer. @param undo what is done to its directory before */
async function checkMount(t: Cleanup, undo: (directory: string) => void): Promise<Checked> {
  const { sluice, image, directories } = await importLayers(t, [ALONE]);
  undo(directories[0]!);
  const file = join(temporaryDirectory(t, 'sluice-sidecar'), 'mtree');
  writeFileSync(file, mountView(await textOf(sluice.sidecar(image.layers[0]!.digest))), 'latin1');
  const point = mountLayers(t, directories);
  const options = { encoding: 'latin1', timeout: 60_000 } as const;
  const { status, stdout, stderr } = spawnSync('mtree', ['-e', '-p', point, '-f', file], options);
  const isBlind = !isFuseOverlayfs(1, 15); // block devices and FIFOs are then I/O errors
  assert.equal(isBlind ? stderr.replace(/^mtree: dev\/(?:sda|pipe): Input\/output error\n/gm, '') : stderr, '');
  return { status, found: stdout };
}

const tools = servers || needs('mtree');

test(
  'extraction M1 M2 M3 M17 H1 W4 P3 the sidecar says what a mount of its layer shows',
  { skip: tools },
  async (t) => {
    assert.deepEqual(await checkMount(t, () => undefined), { status: 0, found: '' });
  },
);

test(
  'extraction M3 the sidecar says what a mount does not show without the xattr of the root',
  { skip: tools },
  async (t) => {
    const { status, found } = await checkMount(t, (directory) => removeOverride(directory, ''));
    assert.equal(status, 2);
    assert.match(found, /etc\/shadow: \n\tgid \(42, 0\)/);
  },
);

test(
  'extraction W4 the sidecar says what a mount does not show when the marker is back',
  { skip: tools },
  async (t) => {
    const { status, found } = await checkMount(t, (directory) => writeFileSync(join(directory, '.wh.again'), ''));
    assert.equal(status, 2);
    assert.match(found, /missing: \.\/again/);
  },
);
