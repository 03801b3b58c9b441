import type { Random } from '../../src/testing/index.js';
import { pick, type Mutation } from './mutate-bytes.js';

const BLOCK = 512;

/** Whole blocks change their places; what is behind the last whole one stays. */
export const BLOCK_MUTATIONS: readonly Mutation[] = [
  onBlocks((blocks, random) => {
    const [one, other] = [random.integer(blocks.length), random.integer(blocks.length)];
    [blocks[one], blocks[other]] = [blocks[other]!, blocks[one]!];
  }),
  onBlocks((blocks, random) => void blocks.splice(random.integer(blocks.length), 0, pick(random, blocks))),
  onBlocks((blocks, random) => void blocks.splice(random.integer(blocks.length), 1 + random.integer(3))),
  onBlocks((blocks, random) => void blocks.splice(random.integer(blocks.length), 0, Buffer.alloc(BLOCK))),
  onBlocks((blocks, random, donors) => {
    const start = random.integer(donors.length);
    const part = donors.slice(start, start + 1 + random.integer(6));
    blocks.splice(random.integer(blocks.length), random.integer(3), ...part);
  }),
  onBlocks((blocks, random, donors) => {
    blocks.length = random.integer(blocks.length);
    blocks.push(...donors.slice(random.integer(donors.length)));
  }),
];

function onBlocks(change: (blocks: Buffer[], random: Random, donors: readonly Buffer[]) => void): Mutation {
  return (bytes, random, donor) => {
    const [blocks, donors] = [blocksOf(bytes), blocksOf(donor)];
    if (blocks.length === 0 || donors.length === 0) return Buffer.from(bytes);
    const rest = bytes.subarray(blocks.length * BLOCK);
    change(blocks, random, donors);
    return Buffer.concat([...blocks, rest]);
  };
}

function blocksOf(bytes: Buffer): Buffer[] {
  const count = Math.floor(bytes.length / BLOCK);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * BLOCK, (index + 1) * BLOCK));
}
