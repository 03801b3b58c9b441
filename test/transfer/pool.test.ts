import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../src/oci/digest.js';
import { file, layer } from '../../src/testing/index.js';
import { openControl } from '../../src/transfer/control.js';
import { openPool, type Pool } from '../../src/transfer/pool.js';
import type { ExtractTask, Task } from '../../src/transfer/protocol.js';
import { createRing } from '../../src/transfer/ring.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

function pool(t: TestContext, threads = 2): Pool {
  const opened = openPool(threads);
  t.after(async () => {
    await opened[Symbol.asyncDispose]();
  });
  return opened;
}

const TAR = layer(file('f', 'x'));

function extractTask(t: TestContext, more: Partial<ExtractTask> = {}): ExtractTask {
  const directory = temporaryDirectory(t, 'sluice-pool');
  const staging = join(directory, 'staging');
  mkdirSync(join(staging, 'tree'), { recursive: true });
  const path = join(directory, 'blob');
  writeFileSync(path, TAR);
  return {
    kind: 'extract',
    control: openControl().buffer,
    usage: openUsage().buffer,
    blob: { kind: 'file', path, offset: 0, length: TAR.length },
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

test('a layer is extracted in a thread', async (t) => {
  const task = extractTask(t);
  const outcome = await pool(t).run(task);
  assert.deepEqual(outcome, {
    kind: 'done',
    facts: { unpackedBytes: TAR.length, entries: 1, composeRequired: false },
    warnings: [],
  });
  assert.ok(existsSync(join(task.staging, 'tree', 'f')));
});

test('a failure is an outcome, with its code and detail', async (t) => {
  const outcome = await pool(t).run(extractTask(t, { digest: digestOf(Buffer.from('other')) }));
  assert.ok(outcome.kind === 'failed');
  assert.deepEqual(
    [outcome.error.code, outcome.error.detail.rule, outcome.error.detail.got],
    ['DIGEST_MISMATCH', 'D1', digestOf(TAR)],
  );
});

const BROKEN: readonly (readonly [string, (task: ExtractTask) => unknown])[] = [
  ['whose digest is none', (task) => ({ ...task, digest: 5 })],
  ['whose ring is too small', (task) => ({ ...task, blob: { kind: 'ring', ring: new SharedArrayBuffer(8) } })],
  ['that is nothing', () => null],
  ['that cannot be sent', (task) => ({ ...task, budget: { maxEntries: () => 1 } })],
];

for (const [title, breakIt] of BROKEN) {
  test(`a task ${title} is a failed outcome, and the pool goes on`, async (t) => {
    const opened = pool(t, 1);
    const outcome = await opened.run(breakIt(extractTask(t)) as Task);
    assert.ok(outcome?.kind === 'failed', JSON.stringify(outcome));
    assert.equal((await opened.run(extractTask(t))).kind, 'done');
  });
}

test('a task that needs more memory than a thread may have is a failed outcome, and the pool goes on', async (t) => {
  const opened = openPool(1, new URL('./dying-worker.js', import.meta.url), 32);
  t.after(() => opened[Symbol.asyncDispose]());
  const outcome = await opened.run(extractTask(t, { mediaType: 'hoards' }));
  assert.ok(outcome.kind === 'failed');
  assert.equal(outcome.error.code, 'LAYER_FAILED');
  assert.match(outcome.error.detail.hint ?? '', /32 MiB/);
  assert.equal((await opened.run(extractTask(t))).kind, 'done');
});

test('more tasks than threads are all done', async (t) => {
  const opened = pool(t, 2);
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => opened.run(extractTask(t))));
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    Array(8).fill('done'),
  );
});

test('leftovers are removed, what is not there is no failure', async (t) => {
  const directory = temporaryDirectory(t);
  mkdirSync(join(directory, 'a/b'), { recursive: true });
  writeFileSync(join(directory, 'a/b/c'), 'x');
  const outcome = await pool(t).run({ kind: 'discard', paths: [join(directory, 'a'), join(directory, 'absent')] });
  assert.equal(outcome.kind, 'done', JSON.stringify(outcome));
  assert.equal(existsSync(join(directory, 'a')), false);
});

test('a pool that is ended while a layer runs gives a failed outcome', async (t) => {
  const opened = openPool(1);
  const ring = createRing(100);
  const running = opened.run(extractTask(t, { blob: { kind: 'ring', ring: ring.buffer } }));
  await new Promise((resolve) => setImmediate(resolve));
  await opened[Symbol.asyncDispose]();
  const outcome = await running;
  assert.ok(outcome.kind === 'failed' && outcome.error.code === 'LAYER_FAILED');
});
