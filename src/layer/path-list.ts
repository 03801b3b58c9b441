import { SluiceError } from '../errors.js';
import { leafStart, MAX_PATH_BYTES } from './path.js';

const BLOCK_BYTES = 1024 * 1024;
/** Memory outside the heap, which no limit of a thread bounds. */
const MOST_BLOCKS = 1024;
const SLASH = 0x2f;

/** Paths in the order of their coming; millions of them cost their bytes alone, and those in one directory their names. */
export interface PathList {
  /** @param path relative and clean; not kept */
  add(path: Uint8Array): void;
  all(): Iterable<Uint8Array>;
}

/**
 * Each path is ended by NUL, which no path holds, and written as `/name` where its directory is that of the one before.
 * @param mostBlocks how many MiB they may take
 */
export function createPathList(mostBlocks: number = MOST_BLOCKS): PathList {
  const blocks: Uint8Array[] = [];
  const directory = new Uint8Array(MAX_PATH_BYTES);
  let directoryLength = -1;
  let length = BLOCK_BYTES;
  const write = (bytes: Uint8Array): void => {
    if (length + bytes.length >= BLOCK_BYTES) {
      if (blocks.length === mostBlocks) throw tooMany(mostBlocks);
      blocks.push(new Uint8Array(BLOCK_BYTES));
      length = 0;
    }
    blocks.at(-1)!.set(bytes, length);
    length += bytes.length + 1;
  };
  return {
    add(path) {
      const slash = leafStart(path, 0, path.length) - 1;
      const parent = path.subarray(0, Math.max(0, slash));
      if (slash > 0 && Buffer.compare(parent, directory.subarray(0, Math.max(0, directoryLength))) === 0) {
        write(path.subarray(slash));
        return;
      }
      write(path);
      directory.set(parent);
      directoryLength = parent.length;
    },
    *all() {
      let parent: Uint8Array = new Uint8Array(0);
      for (const block of blocks) {
        for (let at = 0; block[at] !== undefined && block[at] !== 0;) {
          const end = block.indexOf(0, at);
          const written = block.subarray(at, end);
          const path = written[0] === SLASH ? Buffer.concat([parent, written]) : written;
          parent = path.subarray(0, Math.max(0, leafStart(path, 0, path.length) - 1));
          at = end + 1;
          yield path;
        }
      }
    },
  };
}

function tooMany(mebibytes: number): SluiceError {
  return new SluiceError('LAYER_FAILED', {
    message: `remembering the names of whiteouts: they take more than ${mebibytes} MiB`,
    hint: 'No real image has so many; extract it with a smaller "maxEntries" to refuse it earlier.',
  });
}
