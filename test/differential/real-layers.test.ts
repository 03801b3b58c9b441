import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { native } from '../../src/native.js';
import { parseSidecar } from '../consumers/sidecar.js';
import { extract, verdict, type Extraction } from '../helpers/extract.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { assertSame, readIndependently } from './independent.js';
import { layersOf } from './layout.js';
import { assertListed, listWithBsdtar, listWithGnuTar, type Listed } from './listings.js';
import { readTree } from './tree.js';

const NO_PYTHON = needs('python3');
const MAX_FILE_BYTES = 64 * 1024;

/** Some of what every Debian has, as it stands: names, modes, links and times that nobody made for a test. */
function pickMachineFiles(maxNameBytes: number): readonly string[] {
  return ['usr/share/perl5', 'usr/share/zoneinfo', 'usr/share/ca-certificates', 'usr/bin', 'usr/lib'].flatMap(
    (folder) => {
      const picked: string[] = [];
      const visit = (path: string): void => {
        if (picked.length >= 120) return;
        const stat = lstatSync(`/${path}`, { throwIfNoEntry: false });
        if (!stat || path.length > maxNameBytes || (stat.isFile() && stat.size > MAX_FILE_BYTES)) return;
        if (stat.isSymbolicLink() && readlinkSync(`/${path}`).length > maxNameBytes) return;
        picked.push(path);
        if (!stat.isDirectory() || path.split('/').length > 5) return;
        for (const name of readdirSync(`/${path}`).toSorted()) visit(`${path}/${name}`);
      };
      visit(folder);
      return picked;
    },
  );
}

/** What a machine's files seldom have: sparse and linked files, attributes, odd times and modes. */
function makeOddFiles(
  t: TestContext,
  { hasLongNames, hasXattrs }: { hasLongNames: boolean; hasXattrs: boolean },
): string {
  const folder = temporaryDirectory(t, 'sluice-odd');
  mkdirSync(join(folder, 'odd/deep'), { recursive: true });
  const path = (name: string): string => join(folder, 'odd', name);
  for (const [index, size] of [0, 1, 511, 512, 513, 1024, 40_000].entries()) {
    writeFileSync(path(`size-${size}`), Buffer.alloc(size, index + 1), {
      mode: [0o644, 0o4755, 0o2711, 0o600][index % 4]!,
    });
    utimesSync(path(`size-${size}`), 1, 1_400_000_000 + index / 8);
  }
  const sparse = openSync(path('sparse'), 'w');
  ftruncateSync(sparse, 700_000);
  for (const offset of [8192, 300_000, 500_000]) writeSync(sparse, Buffer.alloc(5000, 'data'), 0, 5000, offset);
  closeSync(sparse);
  linkSync(path('size-513'), path('deep/linked'));
  linkSync(path('size-513'), path('a-first'));
  symlinkSync('../../nowhere', path('deep/dangling'));
  writeFileSync(path('new\nline # \\back\t*?['), 'odd name');
  if (hasLongNames) {
    const long = path(`deep/${'n'.repeat(240)}`);
    writeFileSync(long, 'long name');
    symlinkSync('target/'.repeat(40), path('long-target'));
    linkSync(long, path(`l${'l'.repeat(200)}`));
  }
  if (hasXattrs) {
    native().xattrSet(Buffer.from(path('size-1')), Buffer.from('user.note'), Buffer.from([0, 10, 255, 61]));
    native().xattrSet(Buffer.from(path('deep')), Buffer.from('user.folder'), Buffer.from('yes'));
  }
  return folder;
}

const FORMATS = [
  { format: 'v7', maxNameBytes: 90, hasLongNames: false },
  { format: 'ustar', maxNameBytes: 99, hasLongNames: false },
  { format: 'oldgnu', maxNameBytes: 900, hasLongNames: true, sparse: ['--sparse'] },
  { format: 'gnu', maxNameBytes: 900, hasLongNames: true, sparse: ['--sparse'] },
  { format: 'posix', maxNameBytes: 900, hasLongNames: true, sparse: ['--sparse', '--xattrs'], hasXattrs: true },
  { format: 'posix', maxNameBytes: 900, hasLongNames: true, sparse: ['--sparse', '--sparse-version=0.1'] },
] as const;

/** Extracts, and holds tree and sidecar against every other reading of the same bytes. */
function compare(t: TestContext, tar: Buffer, { isListed = true } = {}): Extraction {
  const extraction = extract(t, tar, { compression: 'gzip' });
  assert.equal(verdict(extraction), 'done');
  const file = join(temporaryDirectory(t, 'sluice-archive'), 'layer.tar');
  writeFileSync(file, tar);
  const tree = readTree(extraction.tree);
  const sidecar = parseSidecar(extraction.sidecar());
  assertSame(readIndependently(file), tree, sidecar);
  if (!isListed) return extraction;
  assertListed(listWithGnuTar(file), tree, sidecar);
  assertListed(listWithBsdtar(file).map(withoutSparseDigest), tree, sidecar);
  return extraction;
}

/** bsdtar hashes the stored bytes of a sparse file, without its holes. */
function withoutSparseDigest(one: Listed): Listed {
  return one.path === 'odd/sparse' ? { ...one, sha256: null } : one;
}

for (const one of FORMATS) {
  const { format, maxNameBytes, hasLongNames } = one;
  const options = 'sparse' in one ? one.sparse : [];
  const skip = NO_PYTHON || needs('tar') || needs('bsdtar');
  test(
    `extraction M1 M2 M17 T13 files of this machine packed by GNU tar --format=${format} ${options.join(' ')}`,
    { skip },
    (t) => {
      const odd = makeOddFiles(t, { hasLongNames, hasXattrs: 'hasXattrs' in one });
      const names = pickMachineFiles(maxNameBytes);
      assert.ok(names.length > 100);
      const words = [
        `--format=${format}`,
        ...options,
        '--sort=name',
        '--null',
        '--verbatim-files-from',
        '--no-recursion',
      ];
      const tar = execFileSync('tar', [...words, '-cf', '-', '-C', '/', '-T', '-', '-C', odd, '--recursion', 'odd'], {
        input: names.map((name) => `${name}\0`).join(''),
        maxBuffer: 1 << 28,
        env: { ...process.env, TAR_OPTIONS: '' },
      });
      const { tree } = compare(t, tar);
      const sparse = lstatSync(join(tree, 'odd/sparse'));
      assert.equal(sparse.size, 700_000);
      if (options.length > 0) assert.ok(sparse.blocks * 512 < 200_000, 'holes stay holes');
    },
  );
}

const WRITER = fileURLToPath(new URL('../../../test/differential/write-layer.py', import.meta.url));

for (const format of ['ustar', 'gnu', 'pax']) {
  test(
    `extraction M5 H4 H6 W2 W4 O3 a layer with everything, written by python as ${format}`,
    { skip: NO_PYTHON },
    (t) => {
      const file = join(temporaryDirectory(t, 'sluice-archive'), 'layer.tar');
      execFileSync('python3', [WRITER, format, file]);
      const extraction = compare(t, readFileSync(file), { isListed: false });
      assert.equal(extraction.outcome.kind === 'done' && extraction.outcome.facts.composeRequired, true);
    },
  );
}

/** `umoci` as whoever runs the test. */
function umoci(...words: readonly string[]): void {
  const rootless = process.getuid!() === 0 ? [] : ['--rootless'];
  const [command, ...rest] = words;
  const takesRootless = command === 'insert' || command === 'unpack';
  execFileSync('umoci', [command!, ...(takesRootless ? rootless : []), ...rest], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

test('extraction W2 W3 layers that umoci makes', { skip: NO_PYTHON || needs('umoci') }, (t) => {
  const folder = temporaryDirectory(t, 'sluice-umoci');
  const layout = join(folder, 'layout');
  const image = `${layout}:made`;
  umoci('init', '--layout', layout);
  umoci('new', '--image', image);
  const odd = join(makeOddFiles(t, { hasLongNames: true, hasXattrs: true }), 'odd');
  umoci('insert', '--image', image, odd, '/srv/odd');
  umoci('insert', '--image', image, '--opaque', join(odd, 'deep'), '/srv/odd');
  umoci('insert', '--image', image, '--whiteout', '/srv/odd/linked');
  const bundle = join(folder, 'bundle');
  umoci('unpack', '--image', image, bundle);
  cpSync(join(odd, 'size-1'), join(bundle, 'rootfs/srv/changed'));
  linkSync(join(bundle, 'rootfs/srv/changed'), join(bundle, 'rootfs/srv/changed-too'));
  umoci('repack', '--image', image, bundle);
  const layers = layersOf(layout);
  assert.equal(layers.length, 4);
  for (const { blob } of layers) compare(t, completed(gunzipSync(readFileSync(blob))), { isListed: false });
});

/** `umoci insert` leaves out the padding behind the last file, and the end mark; cut off like that an archive is refused (T12). */
function completed(tar: Buffer): Buffer {
  return Buffer.concat([tar, Buffer.alloc((512 - (tar.length % 512)) % 512), Buffer.alloc(1024)]);
}

/** For a look at real images: `SLUICE_LAYOUT=DIR`, an OCI layout, has every layer of it compared. */
const LAYOUT = process.env['SLUICE_LAYOUT'];

if (LAYOUT !== undefined) {
  for (const { blob, digest, diffId, sizeBytes, mediaType } of layersOf(LAYOUT)) {
    test(`layer ${digest} of the layout comes out as the second reading has it`, (t) => {
      const extraction = extract(t, new Uint8Array(0), {
        blob: readFileSync(blob),
        digest,
        diffId,
        sizeBytes,
        mediaType,
      });
      assert.equal(verdict(extraction), 'done');
      const tree = readTree(extraction.tree);
      const sidecar = parseSidecar(extraction.sidecar());
      assertSame(readIndependently(blob), tree, sidecar);
      t.diagnostic(`${tree.length} paths, ${sidecar.deferred.length} deferred links`);
    });
  }
}
