import type { Random } from '../../src/testing/index.js';
import { pick } from './mutate-bytes.js';

/** More pushes than that of one byte each take too long. */
const MOST_SINGLE_BYTES = 8000;

/** Sizes of pushes, to be used again and again. */
export function chooseChunks(random: Random, length: number): readonly number[] {
  const some = Array.from({ length: 8 }, () => 1 + random.integer(pick(random, [16, 600, 3000])));
  return pick(random, [length <= MOST_SINGLE_BYTES ? [1] : [7], [511], [512], [513], [1, 512], some, some]);
}
