import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../src/oci/digest.js';
import { createRandom, file, layer } from '../../src/testing/index.js';
import { startExtraction, type Extraction } from '../../src/transfer/extraction.js';
import { openPool, type Pool } from '../../src/transfer/pool.js';
import { createRing } from '../../src/transfer/ring.js';
import { createSchedule } from '../../src/transfer/schedule.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const TAR = layer(file('f', createRandom(3).bytes(3_000_000)));
type Work = Parameters<typeof startExtraction>[1];

function openTestPool(t: TestContext, threads: number, file?: URL): Pool {
  const pool = openPool(threads, file);
  t.after(async () => {
    await pool[Symbol.asyncDispose]();
  });
  return pool;
}

/** A layer whose bytes are all in its ring, or none. */
function workOf(t: TestContext, { isFed = true, ...more }: Partial<Work> & { readonly isFed?: boolean } = {}): Work {
  const staging = join(temporaryDirectory(t, 'sluice-extraction'), 'staging');
  mkdirSync(join(staging, 'tree'), { recursive: true });
  const ring = createRing(TAR.length);
  if (isFed) {
    ring.write(0, TAR);
    ring.publish(TAR.length);
    ring.end();
  }
  return {
    usage: openUsage().buffer,
    blob: { kind: 'ring', ring: ring.buffer },
    digest: digestOf(TAR),
    diffId: digestOf(TAR),
    sizeBytes: TAR.length,
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    staging,
    decoder: 'auto',
    budget: AMPLE,
    stat: 'containers',
    privilegedXattrs: false,
    walk: false,
    folds: false,
    sync: null,
    ...more,
  };
}

const codeOf = async ({ outcome }: Extraction): Promise<string> => {
  const result = await outcome;
  return result.kind === 'done' ? 'done' : result.error.code;
};

for (const [what, isFed] of [
  ['decodes', false],
  ['applies', true],
] as const) {
  test(`a half that ${what} and dies ends the other, and the pool goes on`, async (t) => {
    const pool = openTestPool(t, 2, new URL('./dying-worker.js', import.meta.url));
    const work = workOf(t, { mediaType: `dies: ${what === 'decodes' ? 'decode' : 'apply'}`, isFed });
    assert.equal(await codeOf(startExtraction(pool, work, 'split')), 'LAYER_FAILED');
    const next = workOf(t);
    assert.equal(await codeOf(startExtraction(pool, next, 'split')), 'done');
    assert.ok(existsSync(join(next.staging, 'tree/f')));
  });
}

test('an abort ends both halves, and leaves no tree', async (t) => {
  const work = workOf(t, { isFed: false });
  const { blob } = work;
  const extraction = startExtraction(openTestPool(t, 2), work, 'split');
  extraction.abort();
  const ring = new Int32Array((blob as { readonly ring: SharedArrayBuffer }).ring);
  const [state, produced, aborted] = [2, 3, 2];
  Atomics.store(ring, state, aborted);
  Atomics.add(ring, produced, 1);
  Atomics.notify(ring, produced);
  assert.equal(await codeOf(extraction), 'ABORTED');
  assert.equal(existsSync(join(work.staging, 'tree')), false);
});

test('more split layers than a small pool has threads for are all done', async (t) => {
  const jobs = 1;
  const pool = openTestPool(t, 2 * jobs);
  const schedule = createSchedule(jobs, 8);
  const codes = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const layer = schedule.announce(index);
      try {
        const { pipeline } = await layer.waitForTurn(index % 3 === 0 ? 'one' : 'split', new AbortController().signal);
        if (index % 5 === 0) void pool.run({ kind: 'discard', paths: [join(temporaryDirectory(t), 'absent')] });
        return await codeOf(startExtraction(pool, workOf(t), pipeline));
      } finally {
        layer.leave();
      }
    }),
  );
  assert.deepEqual(codes, Array(20).fill('done'));
});
