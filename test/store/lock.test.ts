import assert from 'node:assert/strict';
import { test } from 'node:test';
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
