import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshSeed, runCases } from './run-cases.js';
import type { TargetName } from './targets.js';

interface Suite {
  readonly target: TargetName;
  readonly title: string;
  /** Cases of a seed that is always the same, and of one that never is. */
  readonly count: number;
}

const SUITES: readonly Suite[] = [
  {
    target: 'reader',
    title: 'T1 T2 T5 T10 T12 T17 mutated archives are read or refused, and whatever the chunks alike',
    count: 1000,
  },
  {
    target: 'layer',
    title: 'X8 X9 S23 T17 D5 mutated layers are extracted or refused whole, nothing else is touched',
    count: 200,
  },
  {
    target: 'sidecar',
    title: '§13 T14 hostile names come back from the sidecar, and a changed sidecar is read or refused',
    count: 250,
  },
  {
    target: 'ring',
    title: 'S23 T17 bytes come out of a ring as they went in, however they are written and read',
    count: 1000,
  },
];

for (const { target, title, count } of SUITES) {
  for (const [kind, seed] of [
    ['known', 1],
    ['fresh', freshSeed()],
  ] as const) {
    test(`extraction ${title}: ${kind} cases`, async (t) => {
      t.diagnostic(`${target} from case ${seed} on`);
      const { cases } = await runCases({ target, seed, count });
      assert.equal(cases, count);
    });
  }
}

test('a long run is split into processes, and none of its cases is run twice or left out', async () => {
  assert.deepEqual(await runCases({ target: 'ring', seed: 2 ** 32 - 3, count: 5, perProcess: 2 }), {
    cases: 5,
    processes: 3,
    grownKib: 0,
  });
});
