import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openTestStore, plantLayer, wantedLayer } from './fixtures.js';

test('prune ends with its signal between two batches of layers, and leaves what it had not come to', async (t) => {
  const stop = new AbortController();
  const store = await openTestStore(t, {
    onStatement: (statement) => {
      if (statement.startsWith('DELETE FROM layers')) stop.abort();
    },
  });
  const location = await store.location();
  for (let i = 0; i < 40; i++) plantLayer(location.layers, wantedLayer(`layer ${i}`));
  mkdirSync(join(location.trash, 'foreign', 'theirs'));
  const limits = { usedBefore: null, maxImages: null, maxBytes: null, foreign: true, dryRun: false };
  await assert.rejects(store.prune({ ...limits, location, signal: stop.signal }), { code: 'ABORTED' });
  const trash = await store.takeTrash();
  assert.deepEqual([trash.length, (await store.listLayers(location)).length], [32, 8]);
  assert.deepEqual(readdirSync(join(location.trash, 'foreign')), ['theirs']);
});
