import { KIND } from '../layer/commands.js';
import type { Meter } from '../layer/meter.js';
import { keyOf } from '../layer/path.js';
import { createRemovals } from '../layer/removals.js';
import type { Tree, TreeListener } from '../layer/tree.js';
import { makeLink } from './make-link.js';
import { namingEntry } from './naming-entry.js';

interface Standing {
  readonly path: Uint8Array;
  /** When it was laid, see {@link createRemovals}. */
  readonly since: number;
}

/**
 * Where the layer's inodes that have several names stand in the composed root, each under the name that the sidecar calls
 * its first. That name itself may be none: it was a marker (W1), or another entry of the layer took its place, through a
 * symlink of a lower layer.
 */
export class InodeNames implements TreeListener {
  readonly #tree: Tree;
  readonly #meter: Meter;
  readonly #standing = new Map<string, Standing>();
  readonly #removals = createRemovals();

  /** @param meter counts copies, and directories that are made on the way */
  constructor(tree: Tree, meter: Meter) {
    this.#tree = tree;
    this.#meter = meter;
  }

  /** @param path where a name of the inode was made just now */
  laid(first: Uint8Array, path: Uint8Array): void {
    const { canonical } = this.#tree.stat(path);
    this.#standing.set(keyOf(first), { path: canonical, since: this.#removals.now });
  }

  /** @returns false when the inode stands nowhere: the name is to be made as an entry of its own */
  link(first: Uint8Array, path: Uint8Array): boolean {
    const made = makeLink(this.#tree, () => this.#find(first), path);
    if (made === 'full') {
      // Further names become links of the copy (H10).
      const target = this.#find(first)!;
      const { kind, size } = this.#tree.stat(target);
      if (kind === KIND.FILE) namingEntry(path, () => this.#meter.file(size));
      this.#tree.copy(target, path);
      this.laid(first, path);
    }
    return made !== 'gone';
  }

  beforeRemoval(path: Uint8Array): void {
    if (this.#standing.size > 0) this.#removals.add(path);
  }

  beforeImplied(): boolean {
    return false;
  }

  implied(): void {
    this.#meter.header();
  }

  #find(first: Uint8Array): Uint8Array | null {
    const standing = this.#standing.get(keyOf(first));
    return standing && !this.#removals.has(keyOf(standing.path), standing.since) ? standing.path : null;
  }
}
