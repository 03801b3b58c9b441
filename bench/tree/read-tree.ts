import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { native } from '../../src/native.js';
import type { Directory, TreeNode, Written } from './node.js';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const OPAQUE_ATTRIBUTES = ['trusted.overlay.opaque', 'user.overlay.opaque'].map((name) => Buffer.from(name));

/**
 * Reads one layer's tree, or a composed root. Whiteouts are known as files, as an extraction leaves them, and as devices and
 * attributes, as overlayfs wants them. Other devices, FIFOs and sockets count as empty files: without root they are that.
 * @param written is added to
 */
export function readTree(path: string, written: Written): Directory {
  return readDirectory(Buffer.from(path), written, new Set());
}

function readDirectory(path: Buffer, written: Written, inodes: Set<number>): Directory {
  const children = new Map<string, TreeNode>();
  const whiteouts = new Set<string>();
  let isOpaque = OPAQUE_ATTRIBUTES.some((name) => attributeOf(path, name) === 'y');
  for (const bytes of readdirSync(path, { encoding: 'buffer' })) {
    const child = Buffer.concat([path, Buffer.from('/'), bytes]);
    const name = bytes.toString('latin1');
    const stats = lstatSync(child);
    written.entries++;
    if (name === OPAQUE) isOpaque = true;
    else if (name.startsWith(WHITEOUT) && stats.isFile()) whiteouts.add(name.slice(WHITEOUT.length));
    else if (stats.isCharacterDevice() && stats.rdev === 0) whiteouts.add(name);
    else
      children.set(
        name,
        stats.isDirectory() ? readDirectory(child, written, inodes) : readLeaf(child, stats, written, inodes),
      );
  }
  return { kind: 'directory', children, whiteouts, isOpaque };
}

function readLeaf(path: Buffer, stats: Stats, written: Written, inodes: Set<number>): TreeNode {
  if (stats.isSymbolicLink()) return { kind: 'symlink', target: readlinkSync(path, { encoding: 'latin1' }) };
  if (stats.isFile() && !inodes.has(stats.ino)) {
    inodes.add(stats.ino);
    written.bytes += stats.size;
  }
  return { kind: 'file', sizeBytes: stats.isFile() ? stats.size : 0, path };
}

function attributeOf(path: Buffer, name: Buffer): string | undefined {
  try {
    return native().xattrGet(path, name)?.toString();
  } catch {
    return undefined;
  }
}
