import { compress as zstd } from 'zstd-napi';
import { decoders } from '../../src/layer/inflate/open-inflater.js';
import { digestOf, type Digest } from '../../src/oci/digest.js';
import { compress, createRandom, type Random } from '../../src/testing/index.js';
import type { Budget, DecoderName, ExtractTask, StatFormat } from '../../src/transfer/protocol.js';
import { inflate } from '../layer/inflate.js';
import { chooseChunks } from './chunks.js';
import { pick } from './mutate-bytes.js';
import { mutatePacked, mutateTar } from './mutate-tar.js';
import { chooseSeedLayer } from './seed-layers.js';

/** One blob and the two ways in which it is extracted: the outcome must be one. */
export interface LayerCase {
  readonly blob: Buffer;
  /** Of what zlib makes of the blob, or zstd; of something else where that is refused. */
  readonly diffId: Digest;
  /** Whether the diffId is right if the blob can be extracted at all. */
  readonly isPromiseTrue: boolean;
  readonly mediaType: string;
  readonly budget: Partial<Budget>;
  readonly privilegedXattrs: boolean;
  readonly stat: StatFormat;
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
  const packing = pick(random, PACKINGS);
  const packed = packing.pack(tar);
  const isDamaged = packing.suffix !== '' && random.integer(3) === 0;
  const blob = isDamaged ? mutatePacked(packed, random, packing.pack(chooseSeedLayer(random))) : packed;
  const unpacked = unpack(blob, 'zlib');
  return {
    blob,
    diffId: digestOf(unpacked ?? tar),
    isPromiseTrue: unpacked !== null,
    mediaType: `application/vnd.oci.image.layer.v1.tar${packing.suffix}`,
    budget: { ...ROOMY, ...(random.integer(8) === 0 && pick(random, TIGHT)) },
    privilegedXattrs: random.integer(4) === 0,
    stat: pick(random, ['containers', 'containers', 'libkrun', 'sidecar'] as const),
    ways: [
      { walk: false, decoder: 'zlib', chunkBytes: [Math.max(1, blob.length)] },
      chooseWay(random, blob, unpacked !== null),
    ],
  };
}

interface Packing {
  readonly suffix: '' | '+gzip' | '+zstd';
  readonly pack: (tar: Buffer) => Buffer;
}

const PACKINGS: readonly Packing[] = [
  { suffix: '', pack: (tar) => tar },
  { suffix: '', pack: (tar) => tar },
  { suffix: '+gzip', pack: (tar) => compress(tar, 'gzip') },
  { suffix: '+gzip', pack: (tar) => compress(tar, 'gzip-members') },
  { suffix: '+gzip', pack: (tar) => compress(tar, 'gzip-header') },
  { suffix: '+zstd', pack: (tar) => compress(tar, 'zstd-stored') },
  { suffix: '+zstd', pack: (tar) => zstd(tar) },
];

function chooseWay(random: Random, blob: Buffer, isGood: boolean): Way {
  const decoder = pick(random, decoders());
  return {
    walk: random.integer(2) === 0,
    // Code lengths of no complete Huffman code are refused by zlib alone: a difference that is known.
    decoder: decoder === 'isal' && !isGood && unpack(blob, 'isal') ? 'zlib' : decoder,
    chunkBytes: chooseChunks(random, blob.length),
  };
}

/** What the bytes hold, by magic as C7 has it; null where they are damaged. */
function unpack(blob: Buffer, decoder: DecoderName): Buffer | null {
  const { verdict, output } = inflate(blob, decoder);
  return verdict === 'done' ? output : null;
}
