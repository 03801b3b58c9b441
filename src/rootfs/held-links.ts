import { randomBytes } from 'node:crypto';
import { SluiceError } from '../errors.js';
import { KIND } from '../layer/commands.js';
import { keyOf } from '../layer/deferred.js';
import { printable } from '../layer/path.js';
import type { Tree } from '../layer/tree.js';
import { NO_PACKED_XATTRS } from '../layer/xattrs.js';
import type { SidecarDeferred } from '../oci/sidecar.js';

interface Held {
  readonly path: Buffer;
  readonly kind: number;
}

/**
 * Hard links of a layer into the layers below (H6). Their targets are looked up and copied before the layer's whiteouts
 * apply, and the copies held under names of their own until the links are made; links to one target become one inode.
 */
export class HeldLinks {
  /** Directory in the root that holds the targets; nobody can guess its name. */
  readonly directory: string = `.sluice-held-${randomBytes(16).toString('hex')}`;
  readonly #tree: Tree;
  readonly #byLink = new Map<string, Held>();

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** @throws SluiceError ENTRY_REFUSED when the target is in none of the layers below, or is a directory */
  hold(links: readonly SidecarDeferred[]): void {
    const byTarget = new Map<string, Held>();
    for (const link of links) {
      const found = this.#tree.stat(link.target);
      if (found.kind === 0) throw refused('H6', 'no layer below has its target', link);
      if (found.kind === KIND.DIR) throw refused('H8', 'its target is a directory', link);
      const key = keyOf(found.canonical);
      let held = byTarget.get(key);
      if (!held) {
        held = { path: Buffer.from(`${this.directory}/${byTarget.size}`), kind: found.kind };
        this.#tree.stat(held.path, true);
        this.#tree.copy(found.canonical, held.path);
        byTarget.set(key, held);
      }
      this.#byLink.set(keyOf(link.path), held);
    }
  }

  make(link: SidecarDeferred): void {
    const held = this.#byLink.get(keyOf(link.path))!;
    makeLink(this.#tree, held.path, link.path);
    this.#tree.setInodeMetadata(link.path, held.kind, link, NO_PACKED_XATTRS);
  }

  /** Forgets the targets. */
  release(): void {
    if (this.#byLink.size > 0) this.#tree.remove(Buffer.from(this.directory));
    this.#byLink.clear();
  }
}

/**
 * Makes one more name of what is at `target`; what stands at `path` gives way (O3, O4), parents are made (N4), and where
 * the inode can have no more names, a copy (H10).
 */
export function makeLink(tree: Tree, target: Uint8Array, path: Uint8Array): void {
  const there = tree.stat(path, true);
  if (there.kind !== 0) {
    if (there.inode === tree.stat(target).inode) return;
    tree.remove(path);
  }
  const made = tree.link(target, path);
  if (made === 'full') tree.copy(target, path);
  if (made === 'taken') throw new SluiceError('STORE_FAILED', `composing: linking "${printable(path)}" failed`);
}

function refused(rule: string, why: string, { path, target }: SidecarDeferred): SluiceError {
  return new SluiceError('ENTRY_REFUSED', {
    message: `composing the hard link "${printable(path)}" to "${printable(target)}": ${why}`,
    rule,
    entry: printable(path),
    entryBase64: path.toString('base64'),
    hint: 'The image links to a file that it does not have; build the image again.',
  });
}
