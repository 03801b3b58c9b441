import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UsedImage } from '../../src/store/index/usage.js';
import { planPrune, type PruneLimits, type PrunePlan } from '../../src/store/prune/plan.js';
import { wantedLayer } from './fixtures.js';

const NONE: PruneLimits = { usedBefore: null, maxImages: null, maxBytes: null };

function image(name: string, day: number, layers: readonly number[], more: Partial<UsedImage> = {}): UsedImage {
  return {
    id: day,
    reference: `docker.io/library/${name}:1`,
    digest: wantedLayer(name).digest,
    lastUsedAt: `2026-01-${String(day).padStart(2, '0')} 00:00:00`,
    isPinned: false,
    layers,
    ...more,
  };
}

/** Four images, used on four days; the base is everybody's. */
const IMAGES = [image('new', 4, [1, 5]), image('old', 1, [1, 2]), image('mid', 2, [1, 3]), image('late', 3, [1, 4])];
const LAYERS = [1, 2, 3, 4, 5].map((id) => ({
  id,
  digest: wantedLayer(String(id)).digest,
  packedBytes: 10,
  unpackedBytes: 100,
}));

async function plan(limits: Partial<PruneLimits>, images: readonly UsedImage[] = IMAGES): Promise<readonly string[]> {
  const nameOf = ({ reference }: UsedImage): string => reference.replace(/^docker\.io\/library\/|:1$/g, '');
  const made: PrunePlan = await planPrune({ images, layers: LAYERS }, { ...NONE, ...limits }, async ({ reference }) =>
    reference.includes('held'),
  );
  return [
    ...made.doomed.map((one) => `${nameOf(one.image)} ${one.reason}`),
    ...made.kept.map((one) => `${nameOf(one.image)} kept ${one.reason}`),
  ];
}

const CASES: readonly (readonly [what: string, Partial<PruneLimits>, readonly UsedImage[], readonly string[]])[] = [
  ['without a limit no image goes', {}, IMAGES, []],
  ['by age', { usedBefore: '2026-01-03 00:00:00' }, IMAGES, ['old age', 'mid age']],
  ['by count, oldest first', { maxImages: 3 }, IMAGES, ['old count']],
  ['none may stay', { maxImages: 0 }, IMAGES, ['old count', 'mid count', 'late count', 'new count']],
  ['by size, a shared layer counts once', { maxBytes: 300 }, IMAGES, ['old size', 'mid size']],
  ['a size that is met', { maxBytes: 500 }, IMAGES, []],
  ['several limits', { usedBefore: '2026-01-02 00:00:00', maxImages: 2 }, IMAGES, ['old age', 'mid count']],
  [
    'what is pinned or held stays, and others go for it',
    { maxImages: 1 },
    [image('pinned', 1, [1], { isPinned: true }), image('held', 2, [1]), image('c', 3, [2]), image('d', 4, [3])],
    ['c count', 'd count', 'pinned kept pinned', 'held kept in-use'],
  ],
  [
    'compat I12 rows of another program go by their names alone',
    { maxImages: 0 },
    [
      image('theirs', 1, [1], { digest: null }),
      image('x', 2, [1], { digest: null, reference: 'latest' }),
      image('p', 3, [1], { reference: 'docker.io/library/p:1#linux/arm64' }),
    ],
    ['latest not-canonical', 'p:1#linux/arm64 count'],
  ],
];

for (const [what, limits, images, expected] of CASES)
  test(`${what.startsWith('compat') ? '' : 'a plan of pruning: '}${what}`, async () => {
    assert.deepEqual(await plan(limits, images), expected);
  });
