import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createRandom } from '../../../src/testing/index.js';
import { needs } from '../../helpers/needs.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { contentOf, readTar, type Member } from './read-tar.js';

/** Bytes that a name may have in each format. */
const FORMATS = [
  { format: 'v7', nameBytes: 95 },
  { format: 'ustar', nameBytes: 230 },
  { format: 'oldgnu', nameBytes: 900 },
  { format: 'gnu', nameBytes: 900 },
  { format: 'posix', nameBytes: 900 },
] as const;

const SIZES = [0, 1, 511, 512, 513, 1023, 1024, 5000, 70_000];

interface Tree {
  readonly path: string;
  /** Paths below it, as bytes in latin1. */
  readonly names: readonly string[];
}

function makeTree(t: TestContext, seed: number, nameBytes: number): Tree {
  const random = createRandom(seed);
  const path = temporaryDirectory(t, 'sluice-tar');
  const names: string[] = [];
  const full = (name: string): Buffer => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name, 'latin1')]);
  const add = (name: string): Buffer => {
    names.push(name);
    return full(name);
  };
  let folder = '';
  while (folder.length < nameBytes / 2) {
    folder += `${folder && '/'}${'deep-'.repeat(1 + random.integer(8))}${folder.length}`;
    mkdirSync(add(folder));
  }
  for (const [index, size] of SIZES.entries()) {
    const name = `${index % 2 ? `${folder}/` : ''}file-${index}`;
    const file = add(index % 3 ? name : name.padEnd(nameBytes > 255 ? name.length + 50 : name.length + 5, 'n'));
    writeFileSync(file, random.bytes(size));
    utimesSync(file, 1, 1_500_000_000 + random.integer(1_000_000));
  }
  writeFileSync(add('\xff\xfe-\xc3\xa9 \\n'), 'bytes');
  symlinkSync('../nowhere/'.repeat(nameBytes > 230 ? 15 : 3), add('symlink'));
  linkSync(full('file-1'.replace(/^/, `${folder}/`)), add('hardlink'));
  return { path, names };
}

function archive(program: string, { path }: Tree, ...options: readonly string[]): Buffer {
  const env = { ...process.env, LC_ALL: 'C', TAR_OPTIONS: '' };
  return execFileSync(program, [...options, '-cf', '-', '-C', path, '.'], { env, maxBuffer: 64 * 1024 * 1024 });
}

function cleaned(name: string): string {
  return name.replace(/^\.\/?/, '').replace(/\/$/, '');
}

/** Names, sizes, contents and targets are those on disk; hard links go to a name that has the content. */
function compare(tree: Tree, tar: Buffer): void {
  const reading = readTar(tar);
  assert.equal(reading.verdict, 'done');
  assert.deepEqual(reading.warnings, []);
  const members = new Map(reading.members.map((member) => [cleaned(member.name), member]));
  assert.deepEqual([...members.keys()].toSorted(), ['', ...tree.names].toSorted());
  for (const name of tree.names) checkMember(tree, name, members);
  for (const chunks of [[511], [1000, 1]]) assert.deepEqual(readTar(tar, { chunks }), reading);
}

function checkMember({ path }: Tree, name: string, members: ReadonlyMap<string, Member>): void {
  const member = members.get(name)!;
  const file = Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name, 'latin1')]);
  const stat = lstatSync(file);
  if (member.type === '1') return checkMember({ path, names: [] }, cleaned(member.link), members);
  assert.equal(member.mode, stat.mode & 0o7777, name);
  assert.deepEqual([member.uid, member.gid], [stat.uid, stat.gid], name);
  assert.equal(member.mtime, Math.floor(stat.mtimeMs / 1000), name);
  if (stat.isSymbolicLink()) assert.equal(member.link, readlinkSync(file));
  else if (stat.isDirectory()) assert.equal(member.type, '5');
  else assert.ok(contentOf(member).equals(readFileSync(file)), `content of ${name}`);
}

for (const [seed, { format, nameBytes }] of FORMATS.entries()) {
  test(`extraction T13 T14 GNU tar --format=${format} is read as it was written`, { skip: needs('tar') }, (t) => {
    const tree = makeTree(t, seed, nameBytes);
    compare(tree, archive('tar', tree, `--format=${format}`));
  });
}

for (const format of ['ustar', 'pax', 'gnutar', 'v7'] as const) {
  test(`extraction T13 T14 bsdtar --format=${format} is read as it was written`, { skip: needs('bsdtar') }, (t) => {
    const tree = makeTree(t, 77, format === 'v7' ? 95 : format === 'ustar' ? 230 : 900);
    compare(tree, archive('bsdtar', tree, `--format=${format}`));
  });
}

const SPARSE: readonly (readonly string[])[] = [
  ['--format=gnu'],
  ['--format=oldgnu'],
  ['--format=posix', '--sparse-version=0.0'],
  ['--format=posix', '--sparse-version=0.1'],
  ['--format=posix', '--sparse-version=1.0'],
];

/** Sparse where the file system keeps holes; GNU tar looks for zeros itself. */
function makeSparseTree(t: TestContext): Tree {
  const path = temporaryDirectory(t, 'sluice-tar');
  const make = (name: string, size: number, ...data: readonly number[]): void => {
    const file = openSync(join(path, name), 'w');
    ftruncateSync(file, size);
    for (const at of data) writeSync(file, Buffer.alloc(4096, name), 0, 4096, at);
    closeSync(file);
  };
  make('middle', 1 << 20, 0, 512 * 1024);
  make('ends', 300_000, 131_072);
  make('holes-alone', 200_000);
  make('many', 4 << 20, ...Array.from({ length: 60 }, (_, i) => i * 65_536 + 8192));
  make('n'.repeat(200), 100_000, 65_536);
  return { path, names: ['middle', 'ends', 'holes-alone', 'many', 'n'.repeat(200)] };
}

for (const options of SPARSE) {
  test(
    `extraction T10 GNU tar --sparse ${options.join(' ')} is read as it was written`,
    { skip: needs('tar') },
    (t) => {
      const tree = makeSparseTree(t);
      const tar = archive('tar', tree, '--sparse', '--hole-detection=raw', ...options);
      assert.ok(tar.length < 1 << 20, 'holes are not stored');
      compare(tree, tar);
      assert.equal(readTar(tar).members.filter(({ isSparse }) => isSparse).length, tree.names.length);
    },
  );
}

test('extraction T10 bsdtar writes sparse files that are read as they were written', { skip: needs('bsdtar') }, (t) => {
  const tree = makeSparseTree(t);
  compare(tree, archive('bsdtar', tree, '--format=pax'));
});
