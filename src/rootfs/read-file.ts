import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import { RealTree } from './real-tree.js';

const MAX_BYTES = 1024 * 1024;
/** The kernel's limit (X4). */
const MAX_LINKS = 40;
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Reads a file of a layer or composed root, e.g. `etc/passwd`, as a process would that has the directory as its root:
 * symlinks are followed inside of it, and nothing outside is ever opened.
 * @param root a layer's directory, or what `sluice rootfs` made
 * @param path names as bytes, or as text in UTF-8
 * @returns null when no regular file is there
 * @throws SluiceError TOO_LARGE over 1 MiB | NAME_REFUSED for more than 40 symlinks | STORE_FAILED
 * @see extraction N3, E25; compat K18
 */
export function readRootfsFile(root: string, path: string | Uint8Array): Buffer | null {
  try {
    using tree = new RealTree(root);
    const real = resolve(tree, Buffer.from(path));
    return real && readAt(tree, real);
  } catch (error) {
    throw fileSystemError(`reading ${JSON.stringify(path.toString())} of ${JSON.stringify(root)}`, error);
  }
}

/** The path without a symlink on it; null where the way ends. */
function resolve(tree: RealTree, path: Buffer): Buffer | null {
  const todo = partsOf(path);
  const done: Buffer[] = [];
  let links = 0;
  for (let part; (part = todo.shift());) {
    if (part.equals(DOTS)) {
      done.pop();
      continue;
    }
    const target = linkAt(tree, joined([...done, part]));
    if (target === 'absent') return null;
    if (target === null) {
      done.push(part);
      continue;
    }
    if (++links > MAX_LINKS) throw new SluiceError('NAME_REFUSED', { message: 'following symlinks', rule: 'X4' });
    if (target[0] === 0x2f) done.length = 0;
    todo.unshift(...partsOf(target));
  }
  return joined(done);
}

const DOTS = Buffer.from('..');

function partsOf(path: Buffer): Buffer[] {
  const parts = path.toString('latin1').split('/');
  return parts.filter((part) => part !== '' && part !== '.').map((part) => Buffer.from(part, 'latin1'));
}

function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.from(parts.map((part) => part.toString('latin1')).join('/'), 'latin1');
}

/** The target of a symlink, null for anything else that is there. */
function linkAt(tree: RealTree, path: Buffer): Buffer | null | 'absent' {
  try {
    return readlinkSync(tree.name(path), { encoding: 'buffer' });
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (errno === 'EINVAL') return null;
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errno)) return 'absent';
    throw error;
  }
}

function readAt(tree: RealTree, path: Buffer): Buffer | null {
  const file = openSync(tree.name(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) return null;
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let count; (count = readSync(file, bytes, length, bytes.length - length, null)) > 0;) length += count;
    if (length <= MAX_BYTES) return bytes.subarray(0, length);
    throw new SluiceError('TOO_LARGE', {
      message: `reading a file of an image: it has more than ${MAX_BYTES} bytes`,
      rule: 'E25',
      hint: 'Sluice reads no larger file of an image for its own use.',
    });
  } finally {
    closeSync(file);
  }
}
