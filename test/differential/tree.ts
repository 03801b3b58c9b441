import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type BigIntStats } from 'node:fs';
import { native } from '../../src/native.js';

/** One path as `lstat` and the attributes show it. Names are latin1, so that every byte is one character. */
export interface HostNode {
  readonly path: string;
  readonly type: 'file' | 'dir' | 'sym' | 'other';
  readonly mode: number;
  /** `uid:gid`. */
  readonly owner: string;
  readonly override: string | null;
  readonly size: number;
  readonly sha256: string | null;
  readonly target: string | null;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** All names of the inode in the tree, sorted. */
  readonly names: readonly string[];
  /** `user.*` but for the override, by name. */
  readonly xattrs: readonly (readonly [name: string, value: string])[];
}

const OVERRIDE = 'user.containers.override_stat';

/** Everything below a directory and itself, sorted by path bytes; without the contents where only attributes matter. */
export function readTree(
  root: string,
  { hasContent = true }: { readonly hasContent?: boolean } = {},
): readonly HostNode[] {
  const found: { path: string; stat: BigIntStats; names: string[] }[] = [];
  const inodes = new Map<bigint, string[]>();
  const visit = (path: string): void => {
    const stat = lstatSync(fullPath(root, path), { bigint: true });
    const names = inodes.get(stat.ino) ?? [];
    names.push(path);
    inodes.set(stat.ino, names);
    found.push({ path, stat, names });
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(fullPath(root, path), { encoding: 'latin1' })) {
      visit(path === '' ? name : `${path}/${name}`);
    }
  };
  visit('');
  return found
    .map(({ path, stat, names }) => nodeOf(root, path, stat, names, hasContent))
    .toSorted((a, b) => comparePaths(a.path, b.path));
}

/** Orders latin1 text by its bytes. */
export function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function fullPath(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(root), Buffer.from(path === '' ? '' : `/${path}`, 'latin1')]);
}

function nodeOf(root: string, path: string, stat: BigIntStats, names: string[], hasContent: boolean): HostNode {
  const full = fullPath(root, path);
  const attributes = stat.isSymbolicLink() ? [] : readXattrs(full);
  return {
    path,
    type: stat.isFile() ? 'file' : stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'sym' : 'other',
    mode: Number(stat.mode & 0o7777n),
    owner: `${stat.uid}:${stat.gid}`,
    override: attributes.find(([name]) => name === OVERRIDE)?.[1] ?? null,
    size: stat.isFile() ? Number(stat.size) : 0,
    sha256: stat.isFile() && hasContent ? hashFile(full, Number(stat.size)) : null,
    target: stat.isSymbolicLink() ? readlinkSync(full, { encoding: 'latin1' }) : null,
    time: stat.mtimeNs,
    names: names.toSorted(comparePaths),
    xattrs: attributes.filter(([name]) => name !== OVERRIDE),
  };
}

function readXattrs(path: Buffer): readonly (readonly [string, string])[] {
  const { xattrList, xattrGet } = native();
  return xattrList(path)
    .map((name) => [name.toString('latin1'), xattrGet(path, name)!.toString('latin1')] as const)
    .filter(([name]) => name.startsWith('user.'))
    .toSorted(([a], [b]) => comparePaths(a, b));
}

const CHUNK = Buffer.alloc(1 << 20);

function hashFile(path: Buffer, size: number): string {
  const hash = createHash('sha256');
  if (size === 0) return hash.digest('hex');
  const file = openSync(path, 'r');
  try {
    for (let length; (length = readSync(file, CHUNK)) > 0;) hash.update(CHUNK.subarray(0, length));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
