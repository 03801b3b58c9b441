import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, file, layer } from '../../src/testing/index.js';
import { openLab } from '../helpers/sluice.js';
import { NEVER, openTestStore, wantedLayer } from './fixtures.js';

const { digest } = wantedLayer('a');

test('compat F20 readers share a layer’s lock, and keep out who would change the layer', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const first = await store.lockLayers([digest], location, NEVER, 'shared');
  const second = await store.lockLayers([digest], location, NEVER, 'shared');
  const stop = new AbortController();
  const waiting = store.lockLayers([digest], location, stop.signal);
  await first[Symbol.asyncDispose]();
  stop.abort();
  await assert.rejects(waiting, { code: 'ABORTED' }, 'one reader is left');
  await second[Symbol.asyncDispose]();
  await using _alone = await store.lockLayers([digest], location, NEVER);
  const late = store.lockLayers([digest], location, AbortSignal.timeout(1), 'shared');
  await assert.rejects(late, { code: 'ABORTED' });
});

test('compat F20 whoever waits for a lock leaves the event loop free, and gets it when it is', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const held = await store.lockLayers([digest], location, NEVER);
  let isHeld = true;
  const waiting = store.lockLayers([digest], location, NEVER).then((lock) => {
    assert.equal(isHeld, false);
    return lock;
  });
  for (let turns = 0; turns < 200; turns++) await new Promise((resolve) => void setTimeout(resolve, 1));
  isHeld = false;
  await held[Symbol.asyncDispose]();
  await (await waiting)[Symbol.asyncDispose]();
});

test('compat F20 who reads the store waits for nobody that changes a layer', async (t) => {
  const lab = await openLab(t);
  const bottom = { tar: layer(file('bottom', 'x')) };
  const reference = lab.registry.push('held', '1', buildImage({ layers: [bottom] }));
  const image = await lab.pull(reference);
  const other = await openTestStore(t, { home: lab.home });
  await using _held = await other.lockLayers([image.layers[0]!.digest], await other.location(), NEVER);
  assert.deepEqual(await lab.pull(reference), image);
  assert.deepEqual((await lab.sluice.list()).length, 1);
  const above = buildImage({ layers: [bottom, { tar: layer(file('top', 'y')) }] });
  assert.equal((await lab.pull(lab.registry.push('above', '1', above))).layers.length, 2);
});
