import { SluiceError } from '../errors.js';
import { KIND } from './commands.js';
import { createPathList } from './path-list.js';
import { keyOf, leafStart } from './path.js';
import { OPAQUE } from './rules.js';
import type { Tree } from './tree.js';

const MARKER_PREFIX_BYTES = 4;

/** Markers of the layer, remembered for the second pass. */
export interface Whiteouts {
  /** @param path of a `.wh.*` entry, the symlinks on its way resolved; not kept */
  add(path: Uint8Array): void;
  /** @param path cleaned path below AUFS's own bookkeeping (W7); not kept */
  addAufs(path: Uint8Array): void;
  /** Whether a path is of that bookkeeping, and goes at the end. */
  isLeftOut(path: Uint8Array): boolean;
  /**
   * Removes AUFS leftovers and folds each whiteout whose name the layer itself has (W4, W7); a link into a lower layer is
   * no name that it has.
   */
  finish(): void;
}

export function createWhiteouts(tree: Tree): Whiteouts {
  const markers = createPathList();
  const aufs = new Map<string, Uint8Array>();

  const fold = (marker: Uint8Array): void => {
    const leaf = leafStart(marker, 0, marker.length);
    if (Buffer.compare(marker.subarray(leaf), OPAQUE) === 0) return;
    const hidden = Buffer.concat([marker.subarray(0, leaf), marker.subarray(leaf + MARKER_PREFIX_BYTES)]);
    if (!isStanding(tree, marker)) return;
    const found = tree.stat(hidden);
    if (found.kind === 0) return;
    if (found.kind === KIND.DIR) {
      const opaque = Buffer.concat([found.canonical, Buffer.from('/'), OPAQUE]);
      if (tree.stat(opaque).kind === 0) tree.makeMarker(opaque);
    }
    tree.remove(marker);
    tree.note(found.canonical, `folded ${vis(marker.subarray(leaf))}`);
  };

  return {
    add: (path) => markers.add(path),
    addAufs: (path) => {
      const top = topOf(path).slice();
      aufs.set(keyOf(top), top);
    },
    isLeftOut: (path) => aufs.has(keyOf(topOf(path))),
    finish() {
      // Of a link without a target there is nothing to remove.
      for (const top of aufs.values()) if (tree.stat(top).kind !== 0) tree.remove(top);
      for (const marker of markers.all()) fold(marker);
    },
  };
}

/** The first component of a path. */
function topOf(path: Uint8Array): Uint8Array {
  const slash = path.indexOf(0x2f);
  return path.subarray(0, slash < 0 ? path.length : slash);
}

/** Whether a marker is where it was put: later entries may have taken its name (W6), or led its way elsewhere. */
function isStanding(tree: Tree, marker: Uint8Array): boolean {
  try {
    const { kind, canonical } = tree.stat(marker);
    return kind === KIND.FILE && Buffer.compare(canonical, marker) === 0;
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'NAME_REFUSED') return false;
    throw error;
  }
}

/** vis(3) form: every byte but letters, digits and a few marks is `\ooo` (extraction §13). */
function vis(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9._\-+,:@/~%^]/.test(char) ? char : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return text;
}
