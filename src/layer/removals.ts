import { keyOf } from './path.js';

/** Which names were removed since a moment, so that what stood there, or below, is known to be gone. */
export interface Removals {
  /** The moment now. */
  readonly now: number;
  add(path: Uint8Array): void;
  /** Whether a directory above the path was removed since. */
  hasAbove(path: string, since: number): boolean;
  /** Whether the path itself, or a directory above it, was. */
  has(path: string, since: number): boolean;
}

export function createRemovals(): Removals {
  /** By path, see {@link keyOf}: the number of its last removal. */
  const removed = new Map<string, number>();
  let count = 0;
  const isSince = (path: string, since: number): boolean => (removed.get(path) ?? 0) > since;
  const hasAbove = (path: string, since: number): boolean => {
    if (count === since) return false;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      if (isSince(path.slice(0, at), since)) return true;
    }
    return false;
  };
  return {
    get now() {
      return count;
    },
    add: (path) => void removed.set(keyOf(path), ++count),
    hasAbove,
    has: (path, since) => isSince(path, since) || hasAbove(path, since),
  };
}
