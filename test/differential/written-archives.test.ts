import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseSidecar } from '../consumers/sidecar.js';
import { extract, verdict } from '../helpers/extract.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory, withCleanup } from '../helpers/temporary.js';
import { makeTree, treePlans, type NodePlan, type TreeLimits } from './arbitrary-tree.js';
import { assertLines, EMPTY_SHA256, hostLine } from './independent.js';
import { assertListed, listWithBsdtar, listWithGnuTar, type Listed } from './listings.js';
import { readTree, type HostNode } from './tree.js';

const OLD: TreeLimits = {
  nameBytes: 40,
  pathBytes: 90,
  targetBytes: 90,
  maxId: 0o7777777,
  minSeconds: 0,
  maxSeconds: 8 ** 11 - 1,
  hasNanoseconds: false,
  hasXattrs: false,
  hasFifos: false,
  hasSparseBytes: true,
};
/** Any way of 150 bytes and name of 99 can be split (T13); link targets can't. */
const USTAR: TreeLimits = { ...OLD, nameBytes: 96, pathBytes: 150, hasFifos: true };
const GNU: TreeLimits = {
  ...USTAR,
  nameBytes: 254,
  pathBytes: 2000,
  targetBytes: 2000,
  maxId: 2 ** 32 - 2,
  minSeconds: -(2 ** 31),
  maxSeconds: 15_032_385_535,
};
const PAX: TreeLimits = { ...GNU, targetBytes: 3600, hasNanoseconds: true, hasXattrs: true };

interface Writer {
  readonly program: 'tar' | 'bsdtar';
  readonly words: readonly string[];
  readonly limits: TreeLimits;
}

const WRITERS: readonly Writer[] = [
  { program: 'tar', words: ['--format=v7'], limits: OLD },
  { program: 'tar', words: ['--format=ustar'], limits: USTAR },
  { program: 'tar', words: ['--format=oldgnu', '--sparse'], limits: GNU },
  { program: 'tar', words: ['--format=gnu', '--sparse'], limits: GNU },
  { program: 'tar', words: ['--format=posix', '--xattrs'], limits: PAX },
  { program: 'tar', words: ['--format=posix', '--xattrs', '--sparse', '--sparse-version=0.0'], limits: PAX },
  { program: 'tar', words: ['--format=posix', '--xattrs', '--sparse', '--sparse-version=0.1'], limits: PAX },
  { program: 'tar', words: ['--format=posix', '--xattrs', '--sparse', '--sparse-version=1.0'], limits: PAX },
  // bsdtar leaves out an entry with a larger owner, gives the end of a range for a time beyond it, and as PAX writes
  // −1 s and 0.5 s after it as −1.5, which is another time (M18), and a sparse file's long path that is no UTF-8 cut
  // short in GNU.sparse.name, where every reader takes it from (T10).
  { program: 'bsdtar', words: ['--format=v7'], limits: { ...OLD, maxId: 0o777777 } },
  { program: 'bsdtar', words: ['--format=ustar'], limits: { ...USTAR, maxId: 0o777777 } },
  { program: 'bsdtar', words: ['--format=gnutar'], limits: { ...GNU, minSeconds: 0, maxSeconds: OLD.maxSeconds } },
  { program: 'bsdtar', words: ['--format=pax'], limits: { ...PAX, minSeconds: 0, hasSparseBytes: false } },
];

/** Trees for each way to write them; more where someone waits for it. */
const RUNS = Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 25) / 5);
const ENVIRONMENT = { ...process.env, TAR_OPTIONS: '', LC_ALL: 'C.UTF-8' };

function pack({ program, words }: Writer, tree: string): Buffer {
  return execFileSync(program, [...words, '-cf', '-', '-C', tree, '.'], {
    env: ENVIRONMENT,
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What must come out for a node that was packed (M1, M2, M5, M17). */
function expectedLine(node: HostNode, { hasNanoseconds }: TreeLimits): string {
  const { type, mode, owner, sha256, time } = node;
  const isFifo = type === 'other';
  const second = 1_000_000_000n;
  const bits = isFifo ? 0o010000 : type === 'dir' ? 0o040000 : 0o100000;
  return hostLine({
    ...node,
    type: isFifo ? 'file' : type,
    mode: isFifo ? 0o600 : (mode & 0o777) | (type === 'dir' ? 0o700 : 0o600),
    override: type === 'sym' ? null : `${owner}:0${(bits | mode).toString(8)}${isFifo ? ':pipe' : ''}`,
    sha256: isFifo ? EMPTY_SHA256 : sha256,
    time: hasNanoseconds ? time : time - (((time % second) + second) % second),
  });
}

/**
 * Members as a program lists them, without what it does not tell: bsdtar hashes the stored bytes of a sparse file alone,
 * and does not know a name that is no UTF-8.
 */
function comparable(listed: readonly Listed[], sparse: ReadonlySet<string>): readonly Listed[] {
  return listed.map((one) => (sparse.has(one.path) ? { ...one, sha256: null } : one));
}

function check(writer: Writer, plans: readonly NodePlan[]): Promise<void> {
  return withCleanup((t) => {
    const folder = temporaryDirectory(t, 'sluice-written');
    const packed = join(folder, 'tree');
    mkdirSync(packed);
    makeTree(packed, plans, writer.limits);
    const tar = pack(writer, packed);
    const extraction = extract(t, tar);
    assert.equal(verdict(extraction), 'done');
    const tree = readTree(extraction.tree);
    const sidecar = parseSidecar(extraction.sidecar());
    const wanted = readTree(packed).map((node) => expectedLine(node, writer.limits));
    assertLines(tree.map(hostLine), wanted);
    const archive = join(folder, 'layer.tar');
    writeFileSync(archive, tar);
    assertListed(listWithGnuTar(archive), tree, sidecar);
    const isUtf8 = tree.every(({ path, target }) => [path, target ?? ''].every((name) => !name.includes('\xff')));
    const sparse = new Set(tree.filter(({ size }) => size >= 400_000).map(({ path }) => path));
    if (isUtf8) assertListed(comparable(listWithBsdtar(archive), sparse), tree, sidecar);
  });
}

for (const writer of WRITERS) {
  const { program, words } = writer;
  test(
    `extraction M1 M2 M17 T10 T13 T14 random trees packed by ${program} ${words.join(' ')} come out as they were`,
    { skip: needs('tar') || needs('bsdtar') },
    async () => {
      const property = fc.asyncProperty(treePlans, (plans) => check(writer, plans));
      await fc.assert(property, { numRuns: RUNS });
    },
  );
}
