import type { Random } from '../../src/testing/index.js';
import { BLOCK_MUTATIONS } from './mutate-blocks.js';
import { BYTE_MUTATIONS, pick, type Mutation } from './mutate-bytes.js';
import { HEADER_MUTATIONS } from './mutate-headers.js';
import { mutatePax } from './mutate-pax.js';

/** Each group is as likely as the others: headers twice, as most rules are about them. */
const GROUPS: readonly (readonly Mutation[])[] = [
  BYTE_MUTATIONS,
  BLOCK_MUTATIONS,
  HEADER_MUTATIONS,
  HEADER_MUTATIONS,
  [mutatePax],
];

const MOST_MUTATIONS = 4;

/** An archive with one to four changes, or now and then none. @param donor another archive, parts of which may get into it */
export function mutateTar(tar: Buffer, random: Random, donor: Buffer): Buffer {
  let changed = tar;
  for (let left = random.integer(MOST_MUTATIONS + 1); left > 0; left--) {
    changed = pick(random, pick(random, GROUPS))(changed, random, donor);
  }
  return changed;
}

/** Packed bytes with one change that knows nothing of what they mean. */
export function mutatePacked(blob: Buffer, random: Random, donor: Buffer): Buffer {
  return pick(random, BYTE_MUTATIONS)(blob, random, donor);
}
