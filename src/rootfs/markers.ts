import type { SidecarEntry } from '../oci/sidecar.js';
import { leafOf } from './real-tree.js';

const PREFIX = Buffer.from('.wh.');
const OPAQUE = Buffer.from('.wh..wh..opq');

/** What an entry of a layer hides in the layers below (W1 to W5). */
export type Marker =
  | { readonly kind: 'whiteout'; readonly path: Buffer; readonly directory: Buffer }
  | { readonly kind: 'opaque'; readonly path: Buffer; readonly directory: Buffer };

/** Null for an entry that hides nothing. A directory named like a marker is an ordinary one (W6). */
export function readMarker({ type, path }: SidecarEntry): Marker | null {
  const start = leafOf(path);
  const leaf = path.subarray(start);
  if (type !== 'file' || !leaf.subarray(0, PREFIX.length).equals(PREFIX)) return null;
  const directory = parentOf(path);
  if (leaf.equals(OPAQUE)) return { kind: 'opaque', path: directory, directory };
  const hidden = Buffer.concat([path.subarray(0, start), leaf.subarray(PREFIX.length)]);
  return { kind: 'whiteout', path: hidden, directory };
}

/** A whiteout that was folded into the directory it stood beside (W4). */
export function foldedMarker({ path }: SidecarEntry): Marker {
  return { kind: 'whiteout', path, directory: parentOf(path) };
}

/** The directory that a path lies in; the root is empty, and its own parent. */
export function parentOf(path: Buffer): Buffer {
  return path.subarray(0, Math.max(0, leafOf(path) - 1));
}
