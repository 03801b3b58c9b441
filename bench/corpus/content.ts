import { createRandom, type Random } from '../../src/testing/index.js';

const POOL_BYTES = 4 * 1024 * 1024;

/** What files hold: `text` packs to about a third, as real images do; `noise` does not pack at all. */
export type ContentKind = 'text' | 'noise';

/** Hands out files' contents that come again with the same seed. */
export interface Content {
  next(sizeBytes: number): Buffer;
}

/** @param seed of the pool that contents are cut from, and of where they are cut */
export function createContent(kind: ContentKind, seed: number): Content {
  const random = createRandom(seed);
  const pool = kind === 'noise' ? random.bytes(POOL_BYTES) : textPool(random);
  return {
    next: (sizeBytes) => {
      const bytes = Buffer.allocUnsafe(sizeBytes);
      for (let filled = 0; filled < sizeBytes;) {
        const start = random.integer(POOL_BYTES);
        filled += pool.copy(bytes, filled, start, Math.min(POOL_BYTES, start + sizeBytes - filled));
      }
      return bytes;
    },
  };
}

/** Words of a made-up vocabulary with numbers between; the pool is far larger than deflate's window. */
function textPool(random: Random): Buffer {
  const words = Array.from({ length: 3000 }, () =>
    random
      .bytes(6)
      .toString('base64url')
      .slice(0, 2 + random.integer(7)),
  );
  const pool = Buffer.alloc(POOL_BYTES);
  for (let filled = 0; filled < POOL_BYTES;) {
    const rank = random.integer(words.length) * random.integer(words.length);
    const word = words[Math.floor(rank / words.length)]!;
    const text = random.integer(6) === 0 ? `${word}(${random.integer(1000)});\n` : `${word} `;
    filled += pool.write(text, filled, 'latin1');
  }
  return pool;
}
