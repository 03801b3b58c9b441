import { STRIDE, WORD } from './commands.js';

const MAX_COMMANDS = 256;
const ARENA_BYTES = 128 * 1024;
/** Beyond so many bytes a view costs less than a loop. */
const LONG_COPY_BYTES = 256;
const TWO_32 = 4294967296;

/** Commands for the writer and the bytes they refer to, filled and run again and again. */
export class Batch {
  readonly words: Int32Array = new Int32Array(MAX_COMMANDS * STRIDE);
  /** Offset in the tar stream of each command's entry, for errors. */
  readonly offsets: Float64Array = new Float64Array(MAX_COMMANDS);
  arena: Uint8Array = new Uint8Array(ARENA_BYTES);
  arenaLength = 0;
  count = 0;

  get isFull(): boolean {
    return this.count === MAX_COMMANDS;
  }

  /** Whether so many more arena bytes fit without growing. */
  fits(length: number): boolean {
    return this.arenaLength + length <= this.arena.length;
  }

  /** Makes room, and forgets what the arena holds. */
  grow(length: number): void {
    this.arena = new Uint8Array(Math.max(length, this.arena.length * 2));
  }

  /** Begins a command with all words zero. @returns its index of word 0 */
  add(op: number, entry: number, offset: number): number {
    const at = this.count * STRIDE;
    this.words.fill(0, at, at + STRIDE);
    this.words[at + WORD.OP] = op;
    this.words[at + WORD.ENTRY] = entry;
    this.offsets[this.count] = offset;
    this.count++;
    return at;
  }

  /** Index of word 0 of the last command. */
  get last(): number {
    return (this.count - 1) * STRIDE;
  }

  set(at: number, word: number, value: number): void {
    this.words[at + word] = value;
  }

  /** Sets a 64-bit word pair. @param value a safe integer, or ±Infinity, which becomes ±2^62 */
  set64(at: number, word: number, value: number): void {
    const bounded = value > Number.MAX_SAFE_INTEGER ? 2 ** 62 : value < -Number.MAX_SAFE_INTEGER ? -(2 ** 62) : value;
    const high = Math.floor(bounded / TWO_32);
    this.words[at + word] = bounded - high * TWO_32;
    this.words[at + word + 1] = high;
  }

  copy(bytes: Uint8Array, start: number, end: number): number {
    const at = this.arenaLength;
    if (end - start > LONG_COPY_BYTES) this.arena.set(bytes.subarray(start, end), at);
    else for (let i = start; i < end; i++) this.arena[at + i - start] = bytes[i]!;
    this.arenaLength += end - start;
    return at;
  }

  path(index: number): Uint8Array {
    const at = index * STRIDE;
    const start = this.words[at + WORD.PATH]!;
    return this.arena.subarray(start, start + this.words[at + WORD.PATH_LENGTH]!);
  }

  /** Gives a command that did not run another path. */
  setPath(index: number, path: Uint8Array): void {
    if (!this.fits(path.length)) {
      const { arena } = this;
      this.grow(arena.length + path.length);
      this.arena.set(arena);
    }
    const at = index * STRIDE;
    this.set(at, WORD.PATH, this.copy(path, 0, path.length));
    this.set(at, WORD.PATH_LENGTH, path.length);
  }

  reset(): void {
    this.count = 0;
    this.arenaLength = 0;
  }
}
