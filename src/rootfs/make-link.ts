import { SluiceError } from '../errors.js';
import { printable } from '../layer/path.js';
import type { Tree } from '../layer/tree.js';

/**
 * Makes `path` one more name of an inode; what stands at `path` gives way (O3, O4), and parents are made (N4).
 * @param find where the inode is by now, null when it has no name left: what gives way may have held it
 * @returns `full` when the inode can have no more names (H10)
 */
export function makeLink(tree: Tree, find: () => Uint8Array | null, path: Uint8Array): 'made' | 'full' | 'gone' {
  const there = tree.stat(path, true);
  const target = find();
  if (!target) return 'gone';
  if (there.kind !== 0) {
    if (there.inode === tree.stat(target).inode) return 'made';
    tree.remove(there.canonical);
    if (!find()) return 'gone';
  }
  const made = tree.link(target, there.canonical);
  if (made === 'taken') throw new SluiceError('STORE_FAILED', `composing: linking "${printable(path)}" failed`);
  return made;
}
