import { constants } from 'node:os';
import { SluiceError, type ErrorCode } from '../errors.js';
import type { Native, WriterHandle } from '../native.js';
import { Batch } from './batch.js';
import { FLAG, KIND, OP, RESULT, STATUS, STRIDE, SYSCALLS, WORD } from './commands.js';
import { entryNamed, printable } from './path.js';
import { PlainMembers } from './plain.js';
import type { Warnings } from './warnings.js';
import type { PackedXattrs } from './xattrs.js';

const { EAGAIN, EEXIST, EMLINK, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENOSPC, EDQUOT, EOPNOTSUPP } = constants.errno;
const NAME_BYTES = 8192;
const TWO_32 = 4294967296;
const NO_SLAB = new Uint8Array(0);

/** What stands at a path, not followed. */
export interface Found {
  /** One of {@link KIND}; 0 for nothing. */
  readonly kind: number;
  readonly inode: bigint;
  /** Relative to the root, every symlink on the way resolved; the path itself when the way does not lead there. */
  readonly canonical: Uint8Array;
  readonly size: number;
}

/** Owner, mode and time that a command gives. */
export interface Metadata {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
}

/** What the tree asks while it resolves a conflict. */
export interface TreeListener {
  /** Before a name that exists is removed or replaced (H2). @param path canonical */
  beforeRemoval(path: Uint8Array): void;
  /** Before an implied directory is made. @returns true when that may have changed what is missing */
  beforeImplied(): boolean;
  /** An implied directory counts as an entry (B4). */
  implied(): void;
}

/**
 * The tree being written: runs batches through the addon and decides what it suspends at (N4, N6, O1 to O5).
 */
export class Tree {
  readonly #native: Native;
  readonly #writer: WriterHandle;
  readonly #warnings: Warnings;
  readonly #result = new Int32Array(16);
  readonly #name = new Uint8Array(NAME_BYTES);
  readonly #control = new Batch();
  readonly flags: number;
  listener: TreeListener | null = null;
  /** Asked between the steps of what may take long: throws when nobody wants it any more. */
  throwIfAborted: () => void = () => {};

  /** @param flags those of {@link FLAG} that every command of the layer carries */
  constructor(native: Native, writer: WriterHandle, warnings: Warnings, flags: number) {
    this.#native = native;
    this.#writer = writer;
    this.#warnings = warnings;
    this.flags = flags;
  }

  /** For batches that this tree will run. */
  plainMembers(): PlainMembers {
    return new PlainMembers(this.#native, this.flags);
  }

  /** Runs all commands and empties the batch, also when one fails. @param slab what DATA words count from */
  run(batch: Batch, slab: Uint8Array): void {
    try {
      for (let at = 0; at < batch.count;) at = this.#runFrom(batch, slab, at);
    } finally {
      batch.reset();
    }
  }

  /** @returns index of the command to go on with */
  #runFrom(batch: Batch, slab: Uint8Array, at: number): number {
    const { words, arena, count } = batch;
    const end = this.#native.writerRun(this.#writer, slab, arena, words, at, count, this.#result, this.#name);
    if (this.#result[RESULT.STATUS] === STATUS.DONE) this.#noteOdd(batch, end - 1);
    else this.#resolve(batch, end);
    return end;
  }

  /** @param withParents make what is missing on the way to the parent (N4, N6) */
  stat(path: Uint8Array, withParents = false): Found {
    this.#one(OP.STAT, path, withParents ? FLAG.PARENTS : 0);
    const inode = (BigInt(this.#result[RESULT.INODE + 1]! >>> 0) << 32n) | BigInt(this.#result[RESULT.INODE]! >>> 0);
    const isOnWay = this.#result[RESULT.AT_LEAF] === 0;
    const size = this.#result[RESULT.SIZE + 1]! * TWO_32 + (this.#result[RESULT.SIZE]! >>> 0);
    return { kind: this.#result[RESULT.KIND]!, inode, canonical: isOnWay ? path.slice() : this.#canonical(), size };
  }

  /** Removes whatever is there, after the listener had its say. */
  remove(path: Uint8Array): void {
    this.listener?.beforeRemoval(path);
    this.#one(OP.REMOVE, path);
  }

  /**
   * @returns `taken` when something stands at the path already, or stands in its way; `full` when the target can have no
   * more names (H10)
   */
  link(target: Uint8Array, path: Uint8Array): 'made' | 'taken' | 'full' {
    this.throwIfAborted();
    const batch = this.#linkCommand(OP.LINK, target, path);
    const end = this.#native.writerRun(this.#writer, NO_SLAB, batch.arena, batch.words, 0, 1, this.#result, this.#name);
    if (end === 0 && this.#result[RESULT.STATUS] !== STATUS.SUSPENDED) throw this.#failure(batch, 0);
    batch.reset();
    if (end === 1) return 'made';
    return this.#result[RESULT.ERRNO] === EMLINK ? 'full' : 'taken';
  }

  /** Makes a file of its own that is what the target is now (H10). */
  copy(target: Uint8Array, path: Uint8Array): void {
    this.#runControl(this.#linkCommand(OP.COPY, target, path));
  }

  /**
   * Gives a hard link's inode the link entry's metadata, and its attributes in addition (H7).
   * @param kind what the inode is, one of {@link KIND}
   */
  setInodeMetadata(path: Uint8Array, kind: number, metadata: Metadata, { bytes, count }: PackedXattrs): void {
    const batch = this.#withMetadata(this.#command(OP.INODE_META, path, bytes.length), metadata);
    batch.set(0, WORD.XATTR, batch.copy(bytes, 0, bytes.length));
    batch.set(0, WORD.XATTR_COUNT, count);
    batch.set(0, WORD.KIND, kind);
    batch.set(0, WORD.FLAGS, this.flags);
    this.#runControl(batch);
  }

  /** A comment line after the entry's own (§13). @param text in vis form */
  note(path: Uint8Array, text: string): void {
    const batch = this.#command(OP.NOTE, path);
    const bytes = Buffer.from(text);
    batch.set(0, WORD.LINK, batch.copy(bytes, 0, bytes.length));
    batch.set(0, WORD.LINK_LENGTH, bytes.length);
    this.#runControl(batch);
  }

  /** A hard link whose target lies in a lower layer (H6). */
  noteDeferred(path: Uint8Array, target: Uint8Array, metadata: Metadata, entry: number): void {
    const batch = this.#withMetadata(this.#command(OP.NOTE, path), metadata);
    batch.set(0, WORD.FLAGS, FLAG.DEFERRED);
    batch.set(0, WORD.ENTRY, entry);
    batch.set(0, WORD.LINK, batch.copy(target, 0, target.length));
    batch.set(0, WORD.LINK_LENGTH, target.length);
    this.#runControl(batch);
  }

  /** An empty marker file of ours: an opaque mark that takes a whiteout's place (W4). */
  makeMarker(path: Uint8Array): void {
    const batch = this.#command(OP.FILE, path);
    batch.set(0, WORD.MODE, 0o644);
    batch.set(0, WORD.KIND, KIND.FILE);
    batch.set(0, WORD.FLAGS, FLAG.LAST | FLAG.MARKER | this.flags);
    this.#runControl(batch);
  }

  setRoot(metadata: Metadata): void {
    const batch = this.#withMetadata(this.#command(OP.DIR_META, NO_SLAB), metadata);
    batch.set(0, WORD.KIND, KIND.DIR);
    batch.set(0, WORD.FLAGS, this.flags);
    this.#runControl(batch);
  }

  #resolve(batch: Batch, index: number): void {
    if (this.#result[RESULT.STATUS] !== STATUS.SUSPENDED) throw this.#failure(batch, index);
    const where = this.#canonical();
    const errno = this.#result[RESULT.ERRNO]!;
    if (this.#result[RESULT.AT_LEAF] === 1 && errno === EEXIST) return this.#replace(batch, index, where);
    if (errno === ENOENT) {
      if (!this.listener?.beforeImplied()) this.#makeImplied(where);
    } else if (errno === ENOTDIR) {
      this.#warn('N6', 'a file gives way to a directory that a later name needs', batch, index);
      this.remove(where);
      this.#makeImplied(where);
    } else if (errno === EAGAIN) this.throwIfAborted();
    else throw this.#failure(batch, index);
  }

  /**
   * The O table: a directory over a directory keeps its children, everything else replaces what is there. What is
   * replaced may be a symlink that the way to it leads through, so the command goes on with the path as resolved (N3).
   */
  #replace(batch: Batch, index: number, where: Uint8Array): void {
    const op = index * STRIDE + WORD.OP;
    if (batch.words[op] === OP.DIR && this.#result[RESULT.KIND] === KIND.DIR) batch.words[op] = OP.DIR_META;
    else {
      this.remove(where);
      batch.setPath(index, where);
    }
  }

  #makeImplied(path: Uint8Array): void {
    this.listener?.implied();
    const batch = this.#command(OP.DIR, path);
    batch.set(0, WORD.KIND, KIND.DIR);
    batch.set(0, WORD.MODE, 0o755);
    batch.set(0, WORD.FLAGS, FLAG.IMPLIED);
    this.#runControl(batch);
  }

  #one(op: number, path: Uint8Array, flags = 0): void {
    const batch = this.#command(op, path);
    batch.set(0, WORD.FLAGS, flags);
    this.#runControl(batch);
  }

  #linkCommand(op: number, target: Uint8Array, path: Uint8Array): Batch {
    const batch = this.#command(op, path);
    batch.set(0, WORD.LINK, batch.copy(target, 0, target.length));
    batch.set(0, WORD.LINK_LENGTH, target.length);
    return batch;
  }

  /** @param more arena bytes to come, beside names */
  #command(op: number, path: Uint8Array, more = 0): Batch {
    const batch = this.#control.count === 0 ? this.#control : new Batch();
    if (!batch.fits(NAME_BYTES + more)) batch.grow(NAME_BYTES + more);
    const at = batch.add(op, 0, 0);
    batch.set(at, WORD.PATH, batch.copy(path, 0, path.length));
    batch.set(at, WORD.PATH_LENGTH, path.length);
    return batch;
  }

  #withMetadata(batch: Batch, { mode, uid, gid, mtime, mtimeNs }: Metadata): Batch {
    batch.set(0, WORD.MODE, mode);
    batch.set(0, WORD.UID, uid);
    batch.set(0, WORD.GID, gid);
    batch.set64(0, WORD.MTIME, mtime);
    batch.set(0, WORD.MTIME_NS, mtimeNs);
    return batch;
  }

  #runControl(batch: Batch): void {
    this.run(batch, NO_SLAB);
  }

  #canonical(): Uint8Array {
    return this.#name.slice(0, this.#result[RESULT.NAME_LENGTH]!);
  }

  /** By the name as the writer resolved it: what the writer did, though not all that was asked (M16), or not as all readers like it (M9). */
  #noteOdd(batch: Batch, index: number): void {
    const path = this.#result[RESULT.NAME_LENGTH]! > 0 ? this.#canonical() : batch.path(index);
    const warn = (rule: string, message: string): void =>
      this.#warnings.add(rule, message, path, batch.offsets[index]!);
    if (this.#result[RESULT.XATTRS_KEPT]! > 0) warn('M16', 'an extended attribute could not be set');
    if (this.#result[RESULT.OVERRIDE_IS_LONG] === 1) warn('M9', 'owner, mode and device are too long for some readers');
  }

  #warn(rule: string, message: string, batch: Batch, index: number): void {
    this.#warnings.add(rule, message, this.#pathOf(batch, index), batch.offsets[index]!);
  }

  /** The name that a command gives; WRITE has none, and the writer says which file is open. */
  #pathOf(batch: Batch, index: number): Uint8Array {
    return batch.words[index * STRIDE + WORD.OP] === OP.WRITE ? this.#canonical() : batch.path(index);
  }

  #failure(batch: Batch, index: number): SluiceError {
    const errno = this.#result[RESULT.ERRNO]!;
    const syscall = SYSCALLS[this.#result[RESULT.SYSCALL]!] ?? '';
    const path = this.#pathOf(batch, index);
    const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? String(errno);
    const { code, rule, why = `${syscall} ${name}` } = classify(errno, syscall);
    return new SluiceError(code, {
      message: `writing "${printable(path)}": ${why}`,
      ...(rule && { rule }),
      ...entryNamed(path),
      offset: batch.offsets[index]!,
      syscall,
      errno: name,
    });
  }
}

/** An EEXIST that is no suspension: a name is there by other bytes alone (E15). */
function classify(errno: number, syscall: string): { code: ErrorCode; rule?: string; why?: string } {
  if (errno === EEXIST)
    return { code: 'NAME_COLLISION', rule: 'E15', why: 'the file system takes another name for it' };
  if (errno === ELOOP) return { code: 'NAME_REFUSED', rule: 'X4' };
  if (errno === ENAMETOOLONG) return { code: 'NAME_REFUSED', rule: 'X3' };
  if (errno === EOPNOTSUPP && syscall === 'fsetxattr') return { code: 'XATTR_UNSUPPORTED', rule: 'M10' };
  return { code: errno === ENOSPC || errno === EDQUOT ? 'DISK_FULL' : 'STORE_FAILED' };
}
