import { lstatSync } from 'node:fs';
import { leafOf, RealTree, unlessAbsent } from './real-tree.js';

/** What one layer's tree has at a path, and whether layers below it have any say about the path. */
export interface View {
  readonly kind: 'absent' | 'dir' | 'symlink' | 'other';
  /** A whiteout, an opaque mark above the path, or a non-directory hides whatever is further down (P3). */
  readonly hidesBelow: boolean;
}

interface Seen extends View {
  isOpaque: boolean | null;
}

const ROOT: View = { kind: 'dir', hidesBelow: false };
const WHITEOUT = Buffer.from('.wh.');
const OPAQUE = Buffer.from('/.wh..wh..opq');

/** One layer's directory as the layers above it see it. Each path is looked at once, and none below what is absent. */
export class ChainView implements Disposable {
  readonly tree: RealTree;
  readonly #seen = new Map<string, Seen>();

  constructor(directory: string) {
    this.tree = new RealTree(directory);
    this.#seen.set('', { ...ROOT, isOpaque: null });
  }

  look(path: Buffer): View {
    return this.#look(path);
  }

  [Symbol.dispose](): void {
    this.tree[Symbol.dispose]();
  }

  #look(path: Buffer): Seen {
    const key = path.toString('latin1');
    const known = this.#seen.get(key);
    if (known) return known;
    const start = leafOf(path);
    const parentPath = path.subarray(0, Math.max(0, start - 1));
    const seen = this.#lookIn(this.#look(parentPath), parentPath, path, start);
    this.#seen.set(key, seen);
    return seen;
  }

  #lookIn(parent: Seen, parentPath: Buffer, path: Buffer, start: number): Seen {
    if (parent.kind !== 'dir') return { kind: 'absent', hidesBelow: parent.hidesBelow, isOpaque: null };
    const kind = this.#kindAt(path);
    const marker = Buffer.concat([path.subarray(0, start), WHITEOUT, path.subarray(start)]);
    const hidesBelow =
      parent.hidesBelow ||
      kind === 'symlink' ||
      kind === 'other' ||
      this.#isOpaque(parent, parentPath) ||
      this.#isMarker(marker);
    return { kind, hidesBelow, isOpaque: null };
  }

  #isOpaque(directory: Seen, path: Buffer): boolean {
    const marker = Buffer.concat([path, OPAQUE]).subarray(path.length === 0 ? 1 : 0);
    return (directory.isOpaque ??= this.#isMarker(marker));
  }

  /** A directory named like a marker is an ordinary one (W6), and everything else is kept as a file (W2). */
  #isMarker(path: Buffer): boolean {
    return this.#kindAt(path) === 'other';
  }

  #kindAt(path: Buffer): View['kind'] {
    // A name with `.wh.` before it may be longer than any name.
    if (path.length - leafOf(path) > 255) return 'absent';
    // An error that Node makes up takes longer than the call.
    const stats = unlessAbsent(() => lstatSync(this.tree.name(path), { throwIfNoEntry: false }));
    if (!stats) return 'absent';
    return stats.isDirectory() ? 'dir' : stats.isSymbolicLink() ? 'symlink' : 'other';
  }
}
