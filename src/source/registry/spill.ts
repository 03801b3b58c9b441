import { randomBytes } from 'node:crypto';
import { closeSync, openSync, read as readFile, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileSystemError } from '../../errors.js';

const MEMORY_BYTES = 8 * 1024 * 1024;
const BLOCK_BYTES = 256 * 1024;

const readAt = promisify(readFile);

/** Bytes of the blob that are kept: in a block of memory, or in the file at their offset in the blob. */
interface Piece {
  start: number;
  end: number;
  /** The block and the offset in the blob of its first byte; null for the file. */
  readonly memory: { readonly block: Buffer; readonly origin: number } | null;
}

/**
 * Keeps bytes of one blob that arrived before anyone asked for them (R79): up to 8 MiB in memory, what is more in an
 * unlinked file. Writing blocks, on purpose: a slow disk then slows the connection, where nothing else may.
 */
export class Spill {
  readonly #directory: string;
  readonly #sizeBytes: number;
  #pieces: Piece[] = [];
  #file: number | null = null;
  #reads = 0;
  #isClosed = false;

  /** @param sizeBytes of the blob: so much is the most that is kept */
  constructor(directory: string, sizeBytes = 0) {
    this.#directory = directory;
    this.#sizeBytes = sizeBytes;
  }

  has(offset: number): boolean {
    return this.#find(offset) !== undefined;
  }

  /** Whether a file had to be opened. */
  get isOnDisk(): boolean {
    return this.#file !== null;
  }

  /** @throws SluiceError DISK_FULL, STORE_FAILED */
  put(offset: number, bytes: Uint8Array): void {
    if (this.#isClosed) return;
    let done = 0;
    while (done < bytes.length) {
      const block = this.#blockFor(offset + done);
      if (block === null) return this.#putIntoFile(offset + done, bytes.subarray(done));
      done += appendTo(block, bytes.subarray(done));
    }
  }

  /**
   * Takes out some of the bytes from the offset on, no further than `end`.
   * @returns valid until the next call; empty when nothing is kept there
   */
  async take(offset: number, end: number): Promise<Uint8Array> {
    const piece = this.#find(offset);
    if (piece === undefined) return Buffer.alloc(0);
    const stop = Math.min(end, piece.end);
    const bytes = piece.memory === null ? await this.#read(offset, stop) : sliceOf(piece.memory, offset, stop);
    this.discard(offset, offset + bytes.length);
    return bytes;
  }

  /** Forgets the bytes `start` up to `end`. */
  discard(start: number, end: number): void {
    this.#pieces = this.#pieces.flatMap((piece) => {
      if (piece.end <= start || piece.start >= end) return [piece];
      const before = piece.start < start ? [{ ...piece, end: start }] : [];
      const after = piece.end > end ? [{ ...piece, start: end }] : [];
      return [...before, ...after];
    });
  }

  /** Frees everything; whoever reads right now still gets its bytes. */
  close(): void {
    this.#isClosed = true;
    this.#pieces = [];
    this.#closeFile();
  }

  #find(offset: number): Piece | undefined {
    return this.#pieces.find((piece) => piece.start <= offset && offset < piece.end);
  }

  /** A piece of memory that takes a byte at the offset; null when memory is used up. */
  #blockFor(offset: number): Piece | null {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.end === offset && roomOf(last) > 0) return last;
    const blocks = new Set(this.#pieces.flatMap((piece) => (piece.memory === null ? [] : [piece.memory.block])));
    if ((blocks.size + 1) * BLOCK_BYTES > MEMORY_BYTES) return null;
    const memory = { block: Buffer.allocUnsafeSlow(BLOCK_BYTES), origin: offset };
    const piece: Piece = { start: offset, end: offset, memory };
    this.#pieces.push(piece);
    return piece;
  }

  #putIntoFile(offset: number, bytes: Uint8Array): void {
    try {
      this.#file ??= openUnlinked(this.#directory, this.#sizeBytes - offset);
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.#file, bytes, done, bytes.length - done, offset + done);
      }
    } catch (error) {
      throw fileSystemError(`keeping a part of a blob in ${JSON.stringify(this.#directory)}`, error);
    }
    const last = this.#pieces.at(-1);
    const end = offset + bytes.length;
    if (last?.memory === null && last.end === offset) last.end = end;
    else this.#pieces.push({ start: offset, end, memory: null });
  }

  async #read(offset: number, end: number): Promise<Uint8Array> {
    if (this.#file === null) return Buffer.alloc(0);
    const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, end - offset));
    this.#reads++;
    try {
      const { bytesRead } = await readAt(this.#file, block, 0, block.length, offset);
      if (bytesRead === 0) throw new Error('the spill file is shorter than what was written to it');
      return block.subarray(0, bytesRead);
    } catch (error) {
      throw fileSystemError('reading back a part of a blob', error);
    } finally {
      this.#reads--;
      if (this.#isClosed) this.#closeFile();
    }
  }

  /** A descriptor must not be closed under a read: its number may be another file's by then. */
  #closeFile(): void {
    if (this.#file === null || this.#reads > 0) return;
    closeSync(this.#file);
    this.#file = null;
  }
}

function roomOf(piece: Piece): number {
  return piece.memory === null ? 0 : piece.memory.origin + BLOCK_BYTES - piece.end;
}

function appendTo(piece: Piece, bytes: Uint8Array): number {
  const { memory } = piece;
  if (memory === null) return 0;
  const part = bytes.subarray(0, roomOf(piece));
  memory.block.set(part, piece.end - memory.origin);
  piece.end += part.length;
  return part.length;
}

function sliceOf(memory: NonNullable<Piece['memory']>, start: number, end: number): Uint8Array {
  return memory.block.subarray(start - memory.origin, end - memory.origin);
}

/** A file without a name, on a disk that has room for the blob (R79): nothing is left behind however the process ends. */
function openUnlinked(directory: string, needed: number): number {
  const { bavail, bsize } = statfsSync(directory);
  if (needed > bavail * bsize) throw Object.assign(new Error('the rest of the blob does not fit'), { code: 'ENOSPC' });
  const path = join(directory, `spill.${randomBytes(8).toString('hex')}`);
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return file;
}
