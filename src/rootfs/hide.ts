import { readdirSync } from 'node:fs';
import { KIND } from '../layer/commands.js';
import { keyOf } from '../layer/path.js';
import type { Tree } from '../layer/tree.js';
import type { SidecarItem } from '../oci/sidecar.js';
import { type Marker, parentOf } from './markers.js';
import { nameIn, RealTree } from './real-tree.js';

/** Something of the tree below that a layer takes away. */
interface Hidden {
  readonly kind: 'remove' | 'empty' | 'replace';
  readonly path: Buffer;
}

/** What the markers of a layer are looked up with. */
export interface Hiding {
  readonly tree: Tree;
  /** The tree's own directory. */
  readonly root: string;
  /** Reads the layer's sidecar anew. */
  readonly items: () => Iterable<SidecarItem>;
  /** Name in the root that belongs to composing itself. */
  readonly spared: string;
}

/**
 * Lets all whiteouts and opaque marks of one layer hit the tree of the layers below (W8): first each is looked up, then
 * what was found is taken away, so that their order has no effect.
 */
export function hideBelow(markers: readonly Marker[], hiding: Hiding): void {
  const isCovered = coverageOf(markers, hiding);
  const hidden = markers.flatMap((marker) => (isCovered(marker) ? [] : lookUp(marker, hiding.tree)));
  for (const one of hidden) takeAway(one, hiding);
}

/**
 * Whether a marker lies in a directory that the layer puts over a symlink or file, being explicit or opaque: then nothing
 * is below it. The target of such a symlink must not be hit (E21, P6).
 */
function coverageOf(markers: readonly Marker[], { tree, items }: Hiding): (marker: Marker) => boolean {
  const above = new Set(markers.flatMap(({ directory }) => ancestorsOf(directory).map(keyOf)));
  const isOverOther = (path: Buffer): boolean => {
    const { kind } = tree.stat(path);
    return kind !== 0 && kind !== KIND.DIR;
  };
  const explicit = new Set<string>();
  for (const item of items()) {
    if (item.kind !== 'entry' || item.type !== 'dir' || item.isImplied || !above.has(keyOf(item.path))) continue;
    if (isOverOther(item.path)) explicit.add(keyOf(item.path));
  }
  const opaque = new Set<string>();
  for (const { kind, directory } of markers) {
    if (kind === 'opaque' && directory.length > 0 && isOverOther(directory)) opaque.add(keyOf(directory));
  }
  if (explicit.size + opaque.size === 0) return () => false;
  return ({ kind, directory }) => {
    const isCovered = (path: Buffer): boolean => explicit.has(keyOf(path)) || opaque.has(keyOf(path));
    // An opaque mark is what covers its own directory.
    if (kind !== 'opaque') return ancestorsOf(directory).some(isCovered);
    return explicit.has(keyOf(directory)) || ancestorsOf(parentOf(directory)).some(isCovered);
  };
}

/** A directory and those above it, but for the root. */
function ancestorsOf(directory: Buffer): readonly Buffer[] {
  const all: Buffer[] = [];
  for (let path = directory; path.length > 0; path = parentOf(path)) all.push(path);
  return all;
}

function lookUp({ kind, path }: Marker, tree: Tree): readonly Hidden[] {
  if (path.length === 0) return [{ kind: 'empty', path }];
  const found = tree.stat(path);
  if (found.kind === 0) return [];
  const canonical = Buffer.from(found.canonical);
  if (kind === 'whiteout') return [{ kind: 'remove', path: canonical }];
  return [{ kind: found.kind === KIND.DIR ? 'empty' : 'replace', path: canonical }];
}

function takeAway({ kind, path }: Hidden, { tree, root, spared }: Hiding): void {
  if (path.length > 0 && tree.stat(path).kind === 0) return;
  switch (kind) {
    case 'remove':
      return tree.remove(path);
    case 'empty':
      for (const name of namesIn(root, path)) {
        if (path.length === 0 && name.toString('latin1') === spared) continue;
        tree.remove(path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name]));
      }
      return;
    case 'replace':
      tree.remove(path);
      tree.stat(Buffer.concat([path, Buffer.from('/x')]), true);
      return;
    default:
      kind satisfies never;
  }
}

function namesIn(root: string, path: Buffer): readonly Buffer[] {
  using real = new RealTree(root);
  return readdirSync(nameIn(real.directory(path), Buffer.from('.')), { encoding: 'buffer' });
}
