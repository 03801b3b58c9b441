import type { Directory, TreeNode } from './node.js';

const EMPTY: Directory = { kind: 'directory', children: new Map(), whiteouts: new Set(), isOpaque: false };

/** Lays layers over each other, bottom to top, so that those who keep layers apart can be compared with those who don't. */
export function composeTrees(layers: readonly Directory[]): Directory {
  return layers.reduce(layOver, EMPTY);
}

function layOver(lower: Directory, upper: Directory): Directory {
  const children = new Map<string, TreeNode>(upper.isOpaque ? [] : lower.children);
  for (const name of upper.whiteouts) children.delete(name);
  for (const [name, node] of upper.children) {
    const below = children.get(name);
    children.set(name, node.kind === 'directory' ? layOver(below?.kind === 'directory' ? below : EMPTY, node) : node);
  }
  return { kind: 'directory', children, whiteouts: new Set(), isOpaque: false };
}
