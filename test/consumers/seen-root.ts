import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { comparePaths, fullPath } from '../differential/tree.js';
import { contentText } from '../helpers/tree-text.js';

/** What `lstat` calls a path, or `unreadable`. */
type SeenType = 'dir' | 'file' | 'link' | 'char' | 'block' | 'fifo' | 'socket' | 'unreadable';

/** One path of a root file system as whoever uses it sees it. */
export interface Seen {
  readonly type: SeenType;
  /** Everything but the type and the time, as text to compare. */
  readonly text: string;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
}

/**
 * A root file system by path, in the order of path bytes; names are latin1, so that every byte is one character. A name or
 * directory that cannot be read is `unreadable`. Symlinks are shown without owners: no xattr can hold them (M6).
 */
export function readRoot(root: string): ReadonlyMap<string, Seen> {
  const found: [string, Seen][] = [];
  const firstNames = new Map<bigint, string>();
  const visit = (path: string): void => {
    try {
      const stat = lstatSync(fullPath(root, path), { bigint: true });
      const names = stat.isDirectory() ? readdirSync(fullPath(root, path), { encoding: 'latin1' }) : [];
      found.push([path, describe(root, path, stat, firstNames)]);
      for (const name of names.toSorted(comparePaths)) visit(path === '' ? name : `${path}/${name}`);
    } catch (error) {
      found.push([path, { type: 'unreadable', text: String((error as NodeJS.ErrnoException).code), time: 0n }]);
    }
  };
  visit('');
  return new Map(found.toSorted(([a], [b]) => comparePaths(a, b)));
}

function describe(root: string, path: string, stat: BigIntStats, firstNames: Map<bigint, string>): Seen {
  const first = firstNames.get(stat.ino) ?? path;
  if (!stat.isDirectory()) firstNames.set(stat.ino, first);
  const type = typeOf(stat);
  const owner = type === 'link' ? '' : `${stat.uid}:${stat.gid}`;
  const words = [`0${(stat.mode & 0o7777n).toString(8)}`, owner, whatOf(root, path, stat, type)];
  const links = type === 'dir' ? '' : `${stat.nlink} ${first === path ? '' : `as ${first}`}`;
  return { type, text: [...words, links].join(' ').trimEnd(), time: stat.mtimeNs };
}

function typeOf(stat: BigIntStats): SeenType {
  if (stat.isDirectory()) return 'dir';
  if (stat.isFile()) return 'file';
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  return stat.isBlockDevice() ? 'block' : 'char';
}

function whatOf(root: string, path: string, stat: BigIntStats, type: SeenType): string {
  switch (type) {
    case 'file':
      return contentText(readFileSync(fullPath(root, path)));
    case 'link':
      return `-> ${readlinkSync(fullPath(root, path), 'latin1')}`;
    case 'char':
    case 'block':
      return String(stat.rdev);
    case 'dir':
    case 'fifo':
    case 'socket':
    case 'unreadable':
      return '';
    default:
      return type satisfies never;
  }
}
