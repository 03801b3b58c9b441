import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { SluiceError } from '../errors.js';
import { Batch } from '../layer/batch.js';
import { FLAG, KIND, OP, WORD } from '../layer/commands.js';
import { printable } from '../layer/path.js';
import type { Tree } from '../layer/tree.js';
import { mostPackedBytes, packXattrs } from '../layer/xattrs.js';
import type { SidecarEntry, SidecarType } from '../oci/sidecar.js';
import type { RealTree } from './real-tree.js';

const SLAB_BYTES = 1024 * 1024;
/** Holes of sparse files are found in pieces of this length. */
const PIECE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

const KINDS: Readonly<Record<SidecarType, number>> = {
  dir: KIND.DIR,
  file: KIND.FILE,
  link: KIND.SYMLINK,
  char: KIND.CHAR,
  block: KIND.BLOCK,
  fifo: KIND.FIFO,
  socket: KIND.SOCKET,
};

/** Turns entries of a layer's sidecar, and the bytes of its files, into commands of the writer of another tree. */
export class Feed {
  readonly #tree: Tree;
  readonly #throwIfAborted: () => void;
  readonly #batch = new Batch();
  readonly #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;
  #count = 0;

  /** @param throwIfAborted asked between the pieces of a large file */
  constructor(tree: Tree, throwIfAborted: () => void) {
    this.#tree = tree;
    this.#throwIfAborted = throwIfAborted;
  }

  /** Runs what waits; to be called before the tree is asked or changed in another way. */
  flush(): void {
    if (this.#batch.count > 0) this.#tree.run(this.#batch, this.#slab);
    this.#used = 0;
  }

  /** @param source the layer that holds the entry's bytes, when it is a file */
  add(entry: SidecarEntry, source: RealTree): void {
    this.#reserve(entry);
    const at = this.#command(opOf(entry), entry);
    if (entry.type === 'file') this.#addFile(at, entry, source);
    else if (entry.type !== 'dir' && entry.type !== 'link') this.#setFlags(at, FLAG.LAST);
    this.#count++;
  }

  #command(op: number, entry: SidecarEntry): number {
    const batch = this.#batch;
    const { path, link, type, xattrs } = entry;
    const at = batch.add(op, this.#count, 0);
    batch.set(at, WORD.PATH, batch.copy(path, 0, path.length));
    batch.set(at, WORD.PATH_LENGTH, path.length);
    batch.set(at, WORD.LINK, batch.copy(link, 0, link.length));
    batch.set(at, WORD.LINK_LENGTH, link.length);
    batch.set(at, WORD.MODE, entry.mode);
    batch.set(at, WORD.UID, entry.uid);
    batch.set(at, WORD.GID, entry.gid);
    batch.set64(at, WORD.MTIME, entry.mtime);
    batch.set(at, WORD.MTIME_NS, entry.mtimeNs);
    batch.set64(at, WORD.SIZE, entry.size);
    batch.set(at, WORD.DEV_MAJOR, entry.devMajor);
    batch.set(at, WORD.DEV_MINOR, entry.devMinor);
    batch.set(at, WORD.KIND, KINDS[entry.type]);
    this.#setFlags(at, this.#tree.flags);
    const { bytes, count } = packXattrs(xattrs, { canHold: type === 'file' || type === 'dir', isPrivileged: false });
    batch.set(at, WORD.XATTR, batch.copy(bytes, 0, bytes.length));
    batch.set(at, WORD.XATTR_COUNT, count);
    return at;
  }

  #addFile(at: number, entry: SidecarEntry, source: RealTree): void {
    const file = openSync(source.name(entry.path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile() || stats.size !== entry.size) throw damaged(entry);
      const isSparse = stats.blocks * 512 < stats.size;
      if (isSparse || entry.size > SLAB_BYTES - this.#used) this.#copyInPieces(file, entry, isSparse);
      else this.#copyAtOnce(at, file, entry);
    } finally {
      closeSync(file);
    }
  }

  #copyAtOnce(at: number, file: number, entry: SidecarEntry): void {
    const start = this.#used;
    this.#readWhole(file, entry, { start, length: entry.size, position: 0 });
    this.#used += entry.size;
    this.#batch.set(at, WORD.DATA, start);
    this.#batch.set(at, WORD.DATA_LENGTH, entry.size);
    this.#setFlags(at, FLAG.LAST);
  }

  #copyInPieces(file: number, entry: SidecarEntry, isSparse: boolean): void {
    const step = isSparse ? PIECE_BYTES : SLAB_BYTES;
    this.flush();
    for (let position = 0; position < entry.size; position += step) {
      this.#throwIfAborted();
      const length = Math.min(step, entry.size - position);
      this.#readWhole(file, entry, { start: 0, length, position });
      if (isSparse && this.#slab.subarray(0, length).equals(ZEROS.subarray(0, length))) continue;
      const at = this.#batch.add(OP.WRITE, this.#count, 0);
      this.#batch.set(at, WORD.DATA_LENGTH, length);
      this.#batch.set64(at, WORD.OFFSET, position);
      this.flush();
    }
    this.#setFlags(this.#batch.add(OP.WRITE, this.#count, 0), FLAG.LAST);
  }

  #readWhole(
    file: number,
    entry: SidecarEntry,
    part: { readonly start: number; readonly length: number; readonly position: number },
  ): void {
    for (let done = 0, count; done < part.length; done += count) {
      count = readSync(file, this.#slab, part.start + done, part.length - done, part.position + done);
      if (count === 0) throw damaged(entry);
    }
  }

  #setFlags(at: number, flags: number): void {
    this.#batch.set(at, WORD.FLAGS, this.#batch.words[at + WORD.FLAGS]! | flags);
  }

  /** Makes sure that the entry's names and attributes fit the arena, and its command the batch. */
  #reserve({ path, link, xattrs }: SidecarEntry): void {
    const length = path.length + link.length + mostPackedBytes(xattrs);
    if (this.#batch.isFull || !this.#batch.fits(length)) this.flush();
    if (!this.#batch.fits(length)) this.#batch.grow(length);
  }
}

function opOf({ type, path }: SidecarEntry): number {
  if (type === 'dir') return path.length === 0 ? OP.DIR_META : OP.DIR;
  return type === 'link' ? OP.SYMLINK : OP.FILE;
}

function damaged({ path }: SidecarEntry): SluiceError {
  return new SluiceError('STORE_FAILED', {
    message: `reading "${printable(path)}" of a layer: it is not what the sidecar says`,
    rule: 'extraction §13',
    entry: printable(path),
    hint: 'The layer was changed in the store; remove its sidecar, and the next pull replaces the layer.',
  });
}
