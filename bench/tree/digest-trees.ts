import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { composeTrees } from './compose-trees.js';
import type { Directory, TreeNode, Written } from './node.js';
import { readTree } from './read-tree.js';

/** What a contender left behind: how much, and what. */
export interface Trees extends Written {
  /** Over paths, types, sizes, contents and link targets of every image, its layers composed. */
  readonly digest: string;
}

const CHUNK = Buffer.alloc(1024 * 1024);

/** @param images directories of each image's layers, bottom to top; one alone for a composed root */
export function digestTrees(images: readonly (readonly string[])[]): Trees {
  const written: Written = { entries: 0, bytes: 0 };
  const read = new Map<string, Directory>();
  const treeOf = (path: string): Directory => {
    const tree = read.get(path) ?? readTree(path, written);
    read.set(path, tree);
    return tree;
  };
  const hash = createHash('sha256');
  for (const layers of images) {
    hash.update('image\0');
    addDirectory(hash, '', composeTrees(layers.map(treeOf)));
  }
  return { ...written, digest: hash.digest('hex') };
}

function addDirectory(hash: Hash, path: string, { children }: Directory): void {
  for (const name of [...children.keys()].toSorted()) addNode(hash, `${path}/${name}`, children.get(name)!);
}

function addNode(hash: Hash, path: string, node: TreeNode): void {
  switch (node.kind) {
    case 'directory':
      hash.update(`${path}\0directory\0`, 'latin1');
      return addDirectory(hash, path, node);
    case 'symlink':
      return void hash.update(`${path}\0symlink\0${node.target}\0`, 'latin1');
    case 'file':
      hash.update(`${path}\0file\0${node.sizeBytes}\0`, 'latin1');
      return node.sizeBytes > 0 ? addContent(hash, node.path) : undefined;
    default:
      return node satisfies never;
  }
}

function addContent(hash: Hash, path: Buffer): void {
  const file = openSync(path, 'r');
  try {
    for (let size = readSync(file, CHUNK); size > 0; size = readSync(file, CHUNK)) hash.update(CHUNK.subarray(0, size));
  } finally {
    closeSync(file);
  }
}
