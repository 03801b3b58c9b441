import { randomBytes } from 'node:crypto';
import { SluiceError } from '../errors.js';
import { KIND } from '../layer/commands.js';
import type { Meter } from '../layer/meter.js';
import { entryNamed, keyOf, printable } from '../layer/path.js';
import type { Tree } from '../layer/tree.js';
import { NO_PACKED_XATTRS } from '../layer/xattrs.js';
import type { SidecarDeferred } from '../oci/sidecar.js';
import { makeLink } from './make-link.js';
import { namingEntry } from './naming-entry.js';

interface Held {
  path: Buffer;
  readonly kind: number;
  /** Index of the entry whose metadata it has (H7). */
  entry: number;
}

/**
 * Hard links of a layer into the layers below (H6). Their targets are looked up and copied before the layer's whiteouts
 * apply, and the copies held under names of their own until the links are made; links to one target become one inode.
 */
export class HeldLinks {
  /** Directory in the root that holds the targets; nobody can guess its name. */
  readonly directory: string = `.sluice-held-${randomBytes(16).toString('hex')}`;
  readonly #tree: Tree;
  readonly #meter: Meter;
  readonly #byLink = new Map<string, Held>();
  #count = 0;

  /** @param meter counts the copies, before they are made */
  constructor(tree: Tree, meter: Meter) {
    this.#tree = tree;
    this.#meter = meter;
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
        held = { path: this.#copy(found.canonical, link.path), kind: found.kind, entry: -1 };
        byTarget.set(key, held);
      }
      this.#byLink.set(keyOf(link.path), held);
    }
  }

  /** The last entry's metadata win, whatever the order of the links' names (H7). */
  make(link: SidecarDeferred): void {
    const held = this.#byLink.get(keyOf(link.path))!;
    if (makeLink(this.#tree, () => held.path, link.path) === 'full') {
      // The inode has all the names it can have (H10): this link and those to come are of a new one.
      held.path = this.#copy(held.path, link.path);
      makeLink(this.#tree, () => held.path, link.path);
    }
    if (link.entry < held.entry) return;
    held.entry = link.entry;
    this.#tree.setInodeMetadata(link.path, held.kind, link, NO_PACKED_XATTRS);
  }

  /** Forgets the targets. */
  release(): void {
    if (this.#byLink.size > 0) this.#tree.remove(Buffer.from(this.directory));
    this.#byLink.clear();
  }

  #copy(target: Uint8Array, link: Uint8Array): Buffer {
    const { kind, size } = this.#tree.stat(target);
    if (kind === KIND.FILE) namingEntry(link, () => this.#meter.file(size));
    const path = Buffer.from(`${this.directory}/${this.#count++}`);
    this.#tree.stat(path, true);
    this.#tree.copy(target, path);
    return path;
  }
}

function refused(rule: string, why: string, { path, target }: SidecarDeferred): SluiceError {
  return new SluiceError('ENTRY_REFUSED', {
    message: `composing the hard link "${printable(path)}" to "${printable(target)}": ${why}`,
    rule,
    ...entryNamed(path),
    hint: 'The image links to a file that it does not have; build the image again.',
  });
}
