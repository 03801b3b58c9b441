import { closeSync, constants, openSync } from 'node:fs';
import { errnoOf } from '../errors.js';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
const MOST_OPEN = 64;

/**
 * A name in an open directory, for calls that take paths: what `openat` is in C. `/proc` leads to the directory itself,
 * wherever its own path leads by now.
 */
export function nameIn(directory: number, name: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
}

/** Where a path's last component starts. */
export function leafOf(path: Uint8Array): number {
  return path.lastIndexOf(0x2f) + 1;
}

/**
 * A directory tree that is read by names without a symlink on the way: layers and composed roots, whose sidecars give
 * such names. No path string is ever trusted: each component is opened in the one before, symlinks not followed.
 */
export class RealTree implements Disposable {
  readonly #root: number;
  /** Descriptors by path, the one opened last at the end. */
  readonly #open = new Map<string, number>();

  /** @throws Error of the machine */
  constructor(root: string | Buffer) {
    this.#root = openSync(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  /** The descriptor of a directory; good until the next call. @throws Error `ENOENT` | `ENOTDIR` | `ELOOP` */
  directory(path: Uint8Array): number {
    if (path.length === 0) return this.#root;
    const key = Buffer.from(path).toString('latin1');
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const fd = openSync(this.name(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    this.#open.set(key, fd);
    if (this.#open.size > MOST_OPEN) this.#closeOldest();
    return fd;
  }

  /** A path as calls take it, its last component not followed by those that follow none; good until the next call. */
  name(path: Uint8Array): Buffer {
    const start = leafOf(path);
    const name = path.subarray(start);
    if (isDots(name)) throw Object.assign(new Error('ENOENT: a name of dots'), { code: 'ENOENT' });
    const parent = this.directory(path.subarray(0, Math.max(0, start - 1)));
    return nameIn(parent, name.length === 0 ? Buffer.from('.') : name);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
    closeSync(this.#root);
  }

  #closeOldest(): void {
    for (const [key, fd] of this.#open) {
      this.#open.delete(key);
      closeSync(fd);
      return;
    }
  }
}

function isDots(name: Uint8Array): boolean {
  return name.length > 0 && name.length <= 2 && name.every((byte) => byte === 0x2e);
}

/** What `look` answers, null when nothing is at the path. */
export function unlessAbsent<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}
