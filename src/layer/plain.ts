import type { Native } from '../native.js';
import type { Batch } from './batch.js';

/** Words of the addon's `counts` (`native/src/plain.c`). */
const COUNT = {
  /** What the batch holds, before and after. */
  COMMANDS: 0,
  ARENA_USED: 1,
  /** Number of the next entry. */
  ENTRIES: 2,
  /** Those of {@link FLAG} that every command of the layer carries. */
  FLAGS: 3,
  /** Bytes of all files that were added, and of the largest. */
  FILE_BYTES: 4,
  LARGEST_FILE: 5,
} as const;
const COUNTS = 6;

/** More of the arena than names and target of one plain member take: a prefix, a slash, and two fields. */
export const LONGEST_PLAIN_BYTES = 512;

/** What a stretch of plain members costs. */
export interface PlainCost {
  readonly entries: number;
  readonly fileBytes: number;
  readonly largestFileBytes: number;
}

/** Reads members with nothing odd about them into a batch, in the addon: nearly all that layers consist of. */
export class PlainMembers implements PlainCost {
  readonly #native: Native;
  readonly #counts = new Int32Array(COUNTS);

  entries = 0;
  fileBytes = 0;
  largestFileBytes = 0;

  /** @param flags those of {@link FLAG} that every command of the layer carries */
  constructor(native: Native, flags: number) {
    this.#native = native;
    this.#counts[COUNT.FLAGS] = flags;
  }

  /**
   * Adds what is plain from `start` on, as far as it is whole in `bytes` and the batch has room; the fields say what it costs.
   * @param base offset of `bytes` in the tar stream
   * @param entry number of the next entry
   * @returns where it ended
   */
  read(batch: Batch, bytes: Uint8Array, start: number, base: number, entry: number): number {
    const counts = this.#counts;
    counts[COUNT.COMMANDS] = batch.count;
    counts[COUNT.ARENA_USED] = batch.arenaLength;
    counts[COUNT.ENTRIES] = entry;
    counts[COUNT.FILE_BYTES] = 0;
    counts[COUNT.LARGEST_FILE] = 0;
    const end = this.#native.plainMembers(bytes, start, base, batch.words, batch.offsets, batch.arena, counts);
    this.entries = counts[COUNT.COMMANDS]! - batch.count;
    this.fileBytes = counts[COUNT.FILE_BYTES]!;
    this.largestFileBytes = counts[COUNT.LARGEST_FILE]!;
    batch.count = counts[COUNT.COMMANDS]!;
    batch.arenaLength = counts[COUNT.ARENA_USED]!;
    return end;
  }
}
