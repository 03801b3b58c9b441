import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  end,
  file,
  gnuLongName,
  hardlink,
  layer,
  meta,
  pax,
  paxGlobal,
  encodePaxRecords,
  type LayerPart,
} from '../../src/testing/index.js';
import { parseSidecar } from '../consumers/sidecar.js';
import { extract, verdict, type Extraction } from '../helpers/extract.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory, withCleanup, type Cleanup } from '../helpers/temporary.js';
import { packPlans, tameLayer, wildLayer, type EntryPlan } from './arbitrary-layer.js';
import { assertLines, assertSame, createIndependentReader } from './independent.js';
import { assertListed, listWithBsdtar, listWithGnuTar } from './listings.js';
import { readTree } from './tree.js';

function archiveFile(t: Cleanup, tar: Buffer): string {
  const path = join(temporaryDirectory(t, 'sluice-archive'), 'layer.tar');
  writeFileSync(path, tar);
  return path;
}

test(
  'extraction N2 N3 N4 N6 O1 O2 O3 O4 H1 H2 H5 H6 W1 W4 random entries that meet come out as the second reading has them',
  { skip: needs('python3') },
  async (t) => {
    const read = createIndependentReader(t);
    const property = fc.asyncProperty(wildLayer, (plans: readonly EntryPlan[]) =>
      withCleanup(async (cleanup) => {
        const tar = packPlans(plans);
        const reading = await read(archiveFile(cleanup, tar));
        const extraction = extract(cleanup, tar);
        if ('refused' in reading) assert.notEqual(verdict(extraction), 'done', `refused by ${reading.refused}`);
        else {
          assert.equal(verdict(extraction), 'done');
          assertSame(reading, readTree(extraction.tree), parseSidecar(extraction.sidecar()));
        }
      }),
    );
    await fc.assert(property, { numRuns: RUNS * 5 });
  },
);

/** More where someone waits for it. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 25);

test(
  'extraction T10 T13 T14 M17 random entries are what GNU tar and bsdtar list',
  { skip: needs('tar') || needs('bsdtar') },
  async () => {
    const property = fc.asyncProperty(tameLayer, (plans: readonly EntryPlan[]) =>
      withCleanup((cleanup) => {
        const tar = packPlans(plans);
        const extraction = extract(cleanup, tar);
        assert.equal(verdict(extraction), 'done');
        const tree = readTree(extraction.tree);
        const sidecar = parseSidecar(extraction.sidecar());
        const path = archiveFile(cleanup, tar);
        const sparse = new Set(plans.filter(({ kind }) => kind === 'sparse').map(({ name }) => name));
        assertListed(listWithGnuTar(path), tree, sidecar);
        const listed = listWithBsdtar(path).map((one) => (sparse.has(one.path) ? { ...one, sha256: null } : one));
        assertListed(listed, tree, sidecar);
        assertLines(contentsOf(extraction.tree), contentsOf(extractWithGnuTar(cleanup, path)));
      }),
    );
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true }); // each run takes three programs: nothing is made smaller
  },
);

function extractWithGnuTar(t: Cleanup, archive: string): string {
  const folder = join(temporaryDirectory(t, 'sluice-gnu-tar'), 'tree');
  mkdirSync(folder);
  execFileSync('tar', ['-xf', archive, '-C', folder, '--no-same-owner', '--delay-directory-restore', '--mode=u+rwX'], {
    env: { ...process.env, TAR_OPTIONS: '', LC_ALL: 'C' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return folder;
}

/** What does not depend on who extracts. */
function contentsOf(root: string): readonly string[] {
  return readTree(root).map(({ path, type, size, sha256, target, names }) =>
    JSON.stringify([path, type, size, sha256, target, names]),
  );
}

interface Difference {
  readonly rule: string;
  readonly what: string;
  readonly parts: readonly LayerPart[];
  /** Names and owners as Sluice has them, or the verdict. */
  readonly sluice: readonly string[] | string;
  /** As GNU tar lists them; null where it refuses too. */
  readonly gnu: readonly string[] | null;
  /** As bsdtar lists them. */
  readonly bsd: readonly string[] | null;
}

/** Where the rulebook follows Go, or refuses what readers take in different ways. */
const DIFFERENCES: readonly Difference[] = [
  {
    rule: 'N2',
    what: 'names are cleaned',
    parts: [file('a/../../x'), file('/y')],
    sluice: ['x 0', 'y 0'],
    gnu: ['a/../../x 0', 'y 0'],
    bsd: ['../x 0', 'y 0'],
  },
  {
    rule: 'S10',
    what: 'a hard link with a size has no body',
    parts: [file('a'), hardlink('b', 'a', { size: 512 }), file('c')],
    sluice: ['a 0', 'b 0', 'c 0'],
    gnu: ['a 0', 'b 0', 'c 0'],
    bsd: ['a 0', 'b 0', 'c 0'],
  },
  {
    rule: 'T5',
    what: 'an empty value deletes the record',
    parts: [pax({ uid: '' }), file('a', '', { uid: 9 })],
    sluice: ['a 9'],
    gnu: null,
    bsd: ['a 0'],
  },
  {
    rule: 'T7',
    what: 'a GNU long name and another PAX path',
    parts: [gnuLongName('long'), pax({ path: 'other' }), file('short')],
    sluice: 'TAR_MALFORMED T7',
    gnu: ['other 0'],
    bsd: ['long 0'],
  },
  {
    rule: 'T8',
    what: 'a global header is ignored',
    parts: [paxGlobal({ uid: '7' }), file('a')],
    sluice: ['a 0'],
    gnu: ['a 7'],
    bsd: ['a 0'],
  },
  {
    rule: 'T11',
    what: 'data after one zero block',
    parts: [file('a'), end(1), file('b')],
    sluice: 'TAR_MALFORMED T11',
    gnu: ['a 0'],
    bsd: ['a 0'],
  },
  {
    rule: 'T19',
    what: 'the second of two extended headers replaces the first',
    parts: [meta('x', encodePaxRecords({ uid: '7' })), meta('x', encodePaxRecords({ path: 'b' })), file('a')],
    sluice: ['b 0'],
    gnu: ['b 0'],
    bsd: null,
  },
];

for (const { rule, what, parts, sluice, gnu, bsd } of DIFFERENCES) {
  const skip = needs('tar') || needs('bsdtar');
  test(`extraction ${rule} ${what}, and what GNU tar and bsdtar make of it`, { skip }, (t) => {
    const tar = layer(...parts);
    const extraction = extract(t, tar);
    assert.deepEqual(typeof sluice === 'string' ? verdict(extraction) : namesOf(extraction), sluice);
    const archive = archiveFile(t, tar);
    assert.deepEqual(listed(listWithGnuTar, archive), gnu, 'GNU tar');
    assert.deepEqual(listed(listWithBsdtar, archive), bsd, 'bsdtar');
  });
}

test(
  'extraction M18 −0.25 s is exact, and 0.25 s for GNU tar and bsdtar',
  { skip: needs('tar') || needs('bsdtar') },
  (t) => {
    const tar = layer(file('a', '', { format: 'pax', mtime: '-0.25' }));
    const [, entry] = parseSidecar(extract(t, tar).sidecar()).entries;
    assert.equal(entry!.time, -250_000_000n);
    const archive = archiveFile(t, tar);
    assert.match(execFileSync('tar', ['-tv', '--full-time', '-f', archive], { encoding: 'utf8' }), /00\.25 a$/m);
    const mtree = execFileSync('bsdtar', ['-cf', '-', '--format=mtree', `@${archive}`], { encoding: 'utf8' });
    assert.match(mtree, /time=0\.25/);
  },
);

function namesOf(extraction: Extraction): readonly string[] {
  assert.equal(verdict(extraction), 'done');
  const { entries } = parseSidecar(extraction.sidecar());
  return entries.filter(({ path, isImplied }) => path !== '' && !isImplied).map(({ path, uid }) => `${path} ${uid}`);
}

/** Names and owners as a program lists them; null where it ends with an error. */
function listed(list: typeof listWithGnuTar, archive: string): readonly string[] | null {
  try {
    return list(archive).map(({ path, uid }) => `${path} ${uid}`);
  } catch (error) {
    if ((error as { status?: number }).status) return null;
    throw error;
  }
}
