import { gunzipSync } from 'node:zlib';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { compress, createRandom, type Random } from '../../src/testing/index.js';
import type { Budget, ExtractTask } from '../../src/transfer/protocol.js';
import { chooseChunks } from './chunks.js';
import { pick } from './mutate-bytes.js';
import { mutatePacked, mutateTar } from './mutate-tar.js';
import { chooseSeedLayer } from './seed-layers.js';

/** One blob and the two ways in which it is extracted: the outcome must be one. */
export interface LayerCase {
  readonly blob: Buffer;
  /** Of what zlib makes of the blob; of something else where zlib refuses it. */
  readonly diffId: Digest;
  /** Whether the diffId is right if the blob can be extracted at all. */
  readonly isPromiseTrue: boolean;
  readonly mediaType: string;
  readonly budget: Partial<Budget>;
  readonly privilegedXattrs: boolean;
  readonly ways: readonly [Way, Way];
}

export interface Way extends Pick<ExtractTask, 'walk' | 'decoder'> {
  readonly chunkBytes: readonly number[];
}

const ROOMY: Partial<Budget> = {
  maxFileBytes: 2 ** 20,
  maxUnpackedBytes: 2 ** 24,
  maxEntries: 3000,
  maxMetaBytes: 65_536,
};
const TIGHT: readonly Partial<Budget>[] = [{ maxEntries: 5 }, { maxFileBytes: 600 }, { maxMetaBytes: 700 }];

export function makeLayerCase(seed: number): LayerCase {
  const random = createRandom(seed);
  const tar = mutateTar(chooseSeedLayer(random), random, chooseSeedLayer(random));
  const compression = pick(random, ['none', 'none', 'gzip', 'gzip-members', 'gzip-header'] as const);
  const packed = compress(tar, compression);
  const isDamaged = compression !== 'none' && random.integer(3) === 0;
  const blob = isDamaged ? mutatePacked(packed, random, compress(chooseSeedLayer(random), 'gzip')) : packed;
  const unpacked = unpack(blob);
  return {
    blob,
    diffId: digestOf(unpacked ?? tar),
    isPromiseTrue: unpacked !== null,
    mediaType: `application/vnd.oci.image.layer.v1.tar${compression === 'none' ? '' : '+gzip'}`,
    budget: { ...ROOMY, ...(random.integer(8) === 0 && pick(random, TIGHT)) },
    privilegedXattrs: random.integer(4) === 0,
    ways: [{ walk: false, decoder: 'zlib', chunkBytes: [Math.max(1, blob.length)] }, chooseWay(random, blob.length)],
  };
}

function chooseWay(random: Random, length: number): Way {
  return {
    walk: random.integer(2) === 0,
    decoder: pick(random, ['zlib', 'pako'] as const),
    chunkBytes: chooseChunks(random, length),
  };
}

/** What the bytes hold, by magic as C7 has it; null where they are damaged. */
function unpack(blob: Buffer): Buffer | null {
  if (blob[0] !== 0x1f || blob[1] !== 0x8b) return blob;
  try {
    return gunzipSync(blob);
  } catch {
    return null;
  }
}
