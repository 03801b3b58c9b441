import { createRandom, type Random } from '../../src/testing/index.js';

const POOL_BYTES = 4 * 1024 * 1024;

/** What files hold: `text` packs to about a third, as real images do; `noise` does not pack at all. */
export type ContentKind = 'text' | 'noise';

/** Hands out files' contents that come again with the same seed. */
export interface Content {
  next(sizeBytes: number): Buffer;
}

const POOL_SEED = 1;
const pools = new Map<ContentKind, Buffer>();

/** @param seed of where contents are cut from the pool of their kind */
export function createContent(kind: ContentKind, seed: number): Content {
  const random = createRandom(seed);
  const pool = pools.get(kind) ?? makePool(kind);
  pools.set(kind, pool);
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

function makePool(kind: ContentKind): Buffer {
  const random = createRandom(POOL_SEED);
  return kind === 'noise' ? random.bytes(POOL_BYTES) : textPool(random);
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
