import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRandom } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { openCrashLab, type Action } from './crash-lab.js';

/** Steps that are always tried; a run that is not killed tells all. */
const STEPS: Readonly<Record<Action, readonly string[]>> = {
  pull: [
    'mkdir staging/DIGEST.RANDOM',
    'writerRun',
    'writerFinish',
    'syncfs',
    'unlink layers/DIGEST.mtree',
    'rename layers/DIGEST.extracted to trash/DIGEST.extracted.RANDOM',
    'rename staging/DIGEST.RANDOM/tree to layers/DIGEST.extracted',
    'rename staging/DIGEST.RANDOM/mtree to layers/DIGEST.mtree',
    'fsync',
    'UPDATE layers SET',
    'rmdir staging/DIGEST.RANDOM',
    'setTimes',
    'INSERT INTO images',
    'COMMIT',
    'removeTree',
  ],
  prune: [
    'DELETE FROM images',
    'DELETE FROM layers',
    'unlink layers/DIGEST.mtree',
    'rename layers/DIGEST.extracted to trash/DIGEST.extracted.RANDOM',
    'unlink locks/DIGEST.lease',
    'removeTree',
  ],
  repair: [
    'unlink layers/DIGEST.mtree',
    'rename layers/DIGEST.extracted to trash/DIGEST.extracted.RANDOM',
    'rename staging/DIGEST.RANDOM/tree to layers/DIGEST.extracted',
  ],
};

/** Random moments a test. `SLUICE_CRASH_ROUNDS=100` is a long run, which also dies at every step that a run has. */
const ROUNDS = Number(process.env['SLUICE_CRASH_ROUNDS'] ?? 2);
const isLong = process.env['SLUICE_CRASH_ROUNDS'] !== undefined;

for (const action of ['pull', 'prune', 'repair'] as const) {
  test(`compat K7 F6 F21 a ${action} that is killed at any step leaves nothing half, and the next one is whole`, async (t) => {
    const lab = await openCrashLab(t);
    const log = join(temporaryDirectory(t), 'log');
    const undisturbed = lab.begin(action);
    assert.equal(await lab.run(undisturbed, action, { FAULT_LOG: log }), 'done');
    await lab.assertWhole(undisturbed, action);
    const steps = [...new Set(readFileSync(log, 'utf8').trim().split('\n'))];
    assert.deepEqual(
      STEPS[action].filter((step) => !steps.includes(step)),
      [],
      steps.join('\n'),
    );
    for (const step of isLong ? steps : STEPS[action]) {
      await t.test(step, async () => {
        const home = lab.begin(action);
        assert.equal(await lab.run(home, action, { FAULT_AT: step }), '', 'it was killed');
        await lab.assertWhole(home, action);
        rmSync(home, { recursive: true });
      });
    }
  });

  test(`compat K7 a ${action} that is killed at random moments leaves nothing half`, async (t) => {
    const lab = await openCrashLab(t);
    const began = performance.now();
    await lab.runUntil(lab.begin(action), action, 60_000);
    const longestMs = performance.now() - began;
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const random = createRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const home = lab.begin(action);
      await lab.runUntil(home, action, random.integer(Math.ceil(longestMs)));
      await lab.assertWhole(home, action);
      rmSync(home, { recursive: true });
    }
  });
}
