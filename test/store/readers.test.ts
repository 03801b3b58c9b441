import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/index/database.js';
import type { Store } from '../../src/store/store.js';
import { NEVER, openTestStore, PLATFORM, sql, storeImage, wantedLayer } from './fixtures.js';

const KEY = 'docker.io/library/app:1';
const DUE = "UPDATE images SET last_used_at = '2024-01-01 00:00:00'";

async function hit(store: Store): Promise<void> {
  const wanted = { location: await store.location(), stat: 'containers', touch: true } as const;
  assert.equal((await store.find(KEY, PLATFORM, wanted)).kind, 'hit');
}

async function planPrune(store: Store): Promise<void> {
  const limits = { usedBefore: null, maxImages: 0, maxBytes: null, foreign: false, dryRun: true, signal: NEVER };
  assert.equal((await store.prune({ ...limits, location: await store.location() })).images.length, 1);
}

for (const [title, before, read] of [
  ['compat I15 a hit whose use is to be noted', DUE, hit],
  ['compat F13 a hit whose layer is to be adopted', 'UPDATE layers SET extracted_at = NULL', hit],
  ['a dry run of prune', DUE, planPrune],
] as const)
  test(`${title} waits for no other process that writes`, async (t) => {
    const store = await openTestStore(t);
    const { home } = store;
    await storeImage(store, KEY, { layers: [wantedLayer('a')] });
    await sql(home, before);
    await using holder = await Database.open(join(home, 'oci.db'), 'create');
    await using writer = await Database.open(join(home, 'oci.db'), 'create');
    await writer.use('testing', (connection) => connection.all('PRAGMA busy_timeout = 5000'));
    const ended: string[] = [];
    let writing: Promise<unknown> | undefined;
    await holder.transaction('writing for long', async () => {
      // It begins to wait before the readers, and gives up when they would.
      writing = writer.use('writing', (connection) => connection.all(before)).finally(() => ended.push('writer'));
      await read(store);
      await read(await openTestStore(t, { home }));
      assert.deepEqual(ended, []);
    });
    await writing;
    await read(store);
    assert.deepEqual(await sql(home, `SELECT * FROM images JOIN layers WHERE extracted_at IS NULL`), []);
  });
