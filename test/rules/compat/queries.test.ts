import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Digest, digestOf } from '../../../src/oci/digest.js';
import { Database } from '../../../src/store/index/database.js';
import type { Store } from '../../../src/store/store.js';
import { needs } from '../../helpers/needs.js';
import {
  openTestStore,
  PLATFORM,
  readAsSeed,
  resolvedImage,
  reverseSortedLayers,
  SEED_QUERIES,
  sql,
  storeImage,
  wantedLayer,
} from '../../store/fixtures.js';
import { makeSeedHome, pullAsSeed } from '../../store/seed-home.js';

const KEY = 'docker.io/library/app:1';
const [A, B, C] = [wantedLayer('a'), wantedLayer('b'), wantedLayer('c')];
const skip = needs('python3');
const SQLITE_TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

const digestsOf = async (store: Store, key: string = KEY): Promise<readonly string[] | undefined> =>
  (await store.readImage(key))?.layers.map((layer) => layer.digest);

test('compat Q1 an image is upserted: its id and created_at stay, modified_at moves', async (t) => {
  let now = new Date('2024-01-01T00:00:00Z');
  const store = await openTestStore(t, { now: () => now });
  const read = (): Promise<readonly unknown[]> =>
    sql(store.home, 'SELECT id, created_at, modified_at, last_used_at FROM images');
  await storeImage(store, KEY, { layers: [A] });
  now = new Date('2024-01-02T00:00:00Z');
  await storeImage(store, KEY, { layers: [B] });
  assert.deepEqual(await read(), [
    {
      id: 1,
      created_at: '2024-01-01 00:00:00',
      modified_at: '2024-01-02 00:00:00',
      last_used_at: '2024-01-02 00:00:00',
    },
  ]);
});

test('compat Q2 the rows of former documents go, the new ones hold the bytes', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A] });
  await storeImage(store, KEY, { layers: [A, B] });
  const image = resolvedImage({ layers: [A, B] });
  assert.deepEqual(await sql(store.home, 'SELECT digest, body FROM manifests'), [
    { digest: image.manifest.digest, body: Buffer.from(image.manifest.bytes) },
  ]);
  assert.deepEqual(await sql(store.home, 'SELECT digest, body FROM configs'), [
    { digest: image.config.digest, body: Buffer.from(image.config.bytes) },
  ]);
  assert.deepEqual(await sql(store.home, 'SELECT digest FROM indexes'), [{ digest: image.index?.digest }]);
});

test('compat Q3 a layer that another store records at the same time is no collision; its diffId is the verified one', async (t) => {
  const { home, hubReference, layers } = await makeSeedHome(t);
  await sql(home, "UPDATE layers SET diff_id = 'sha256:unverified', size_bytes = 1");
  const [store, other] = [await openTestStore(t, { home }), await openTestStore(t, { home })];
  const location = await store.location();
  await storeImage(store, hubReference, { layers });
  const stored = await Promise.all(
    layers.map(async (layer) => (await store.findLayer(layer, location, 'containers'))!),
  );
  await Promise.all(
    [store, other].map((one, place) => one.commitImage(`${KEY}-${place}`, resolvedImage({ layers }), stored)),
  );
  const rows = await sql(
    home,
    'SELECT digest, diff_id, size_bytes FROM layers WHERE extracted_at IS NOT NULL ORDER BY digest',
  );
  const expected = layers.map(({ digest, diffId, packedBytes }) => ({
    digest,
    diff_id: diffId,
    size_bytes: packedBytes,
  }));
  assert.deepEqual(
    rows,
    expected.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
  );
});

test('compat Q4 links have their place', async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(3);
  await storeImage(store, KEY, { layers, order: layers.toReversed() });
  assert.deepEqual(
    await sql(
      store.home,
      'SELECT digest, position FROM manifest_layers JOIN layers ON layers.id = layer_id ORDER BY position',
    ),
    layers.map(({ digest }, position) => ({ digest, position })),
  );
});

test('compat Q4 a link that only this image must compose makes the image so', async (t) => {
  const store = await openTestStore(t);
  const { layers } = await storeImage(store, KEY, { layers: [A, B] });
  const image = resolvedImage({ layers: [A, B] });
  const committed = await store.commitImage(KEY, image, layers, { composeLinks: new Set([B.digest]) });
  assert.equal(committed.composeRequired, true);
  assert.deepEqual(await sql(store.home, 'SELECT compose_required FROM manifest_layers ORDER BY position'), [
    { compose_required: 0 },
    { compose_required: 1 },
  ]);
  const location = await store.location();
  const lookup = await store.find(KEY, PLATFORM, { location, stat: 'containers', touch: false });
  assert.equal(lookup.kind === 'hit' && lookup.image.composeRequired, true);
  assert.equal((await store.commitImage(KEY, image, layers)).composeRequired, false);
});

test('compat Q5 an image exists by its canonical reference, and with a current manifest alone', async (t) => {
  const { home, hubReference } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  assert.equal(await store.readImage(hubReference), null);
  assert.equal(await store.readImage('2'), null);
  await storeImage(store, KEY.replace('app', 'ours'), { layers: [A] });
  assert.notEqual(await store.readImage(KEY.replace('app', 'ours')), null);
  assert.equal(await store.readImage('ours:1'), null);
});

test('compat Q6 Q8 the layers of an image are those of its current manifest, by position', async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(4);
  await storeImage(store, 'docker.io/library/other:1', { layers: layers.toReversed() });
  await storeImage(store, KEY, { layers: [A, ...layers] });
  await storeImage(store, KEY, { layers });
  assert.deepEqual(
    await digestsOf(store),
    layers.map(({ digest }) => digest),
  );
  assert.deepEqual(
    await digestsOf(store, 'docker.io/library/other:1'),
    layers.map(({ digest }) => digest).toReversed(),
  );
  const row = (await store.readImage(KEY))!.layers[0]!;
  const { digest, diffId, packedBytes } = layers[0]!;
  const path = `${store.home}/layers/${digest}.extracted`;
  assert.deepEqual(row, { digest, diffId, path, packedBytes, unpackedBytes: 2048, entries: 1 });
});

test('compat Q7 layers are answered in the order asked, duplicates kept; one that is unknown is an error', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B, C] });
  const asked: readonly Digest[] = [C.digest, A.digest, C.digest, B.digest];
  assert.deepEqual(
    (await store.readLayers(asked)).map((layer) => layer.digest),
    asked,
  );
  const unknown = digestOf(Buffer.from('unknown'));
  await assert.rejects(store.readLayers([A.digest, unknown]), {
    code: 'IMAGE_NOT_FOUND',
    detail: { message: 'reading layers', rule: 'compat Q7', layer: unknown },
  });
});

test('compat Q9 the config is that of the current manifest, byte for byte', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A], config: { config: { Env: ['OLD=1'] } } });
  await storeImage(store, KEY, { layers: [A], config: { config: { Env: ['NEW=1'] } } });
  const { config, manifest, ...image } = (await store.readImage(KEY))!;
  const expected = resolvedImage({ layers: [A], config: { config: { Env: ['NEW=1'] } } });
  assert.deepEqual([Buffer.from(config), Buffer.from(manifest)], [expected.config.bytes, expected.manifest.bytes]);
  assert.deepEqual(
    [image.manifestDigest, image.resolvedDigest, image.platform, image.reference],
    [expected.manifest.digest, expected.resolvedDigest, PLATFORM, KEY],
  );
});

test('compat Q10 a time that cannot be read is null', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A] });
  for (const time of ['yesterday', '2024-13-01 00:00:00', '2024-01-01T00:00:00Z']) {
    await sql(store.home, 'UPDATE images SET last_used_at = ?', time);
    assert.equal((await store.listImages())[0]!.lastUsedAt, null, time);
  }
});

test('compat Q11 what the seed writes in its order is there to be read', { skip }, async (t) => {
  const { home, hubReference, layers } = await makeSeedHome(t);
  await openTestStore(t, { home });
  const [exists, rows, config] = await readAsSeed(
    home,
    [SEED_QUERIES.imageExists, hubReference],
    [SEED_QUERIES.imageLayers, hubReference],
    [SEED_QUERIES.imageConfig, hubReference],
  );
  assert.deepEqual(exists, [{ count: 1 }]);
  assert.equal(rows!.length, 4, 'the union of both manifests, as the seed sees it');
  assert.ok(layers.every(({ digest }) => rows!.some((row) => row['digest'] === digest)));
  assert.equal(config![0]!['config_env_json'], 'null');
});

test('compat Q12 a warm hit takes at most three queries', async (t) => {
  const statements: string[] = [];
  let now = Date.now();
  const store = await openTestStore(t, {
    now: () => new Date(now),
    onStatement: (statement) => statements.push(statement),
  });
  await storeImage(store, KEY, { layers: reverseSortedLayers(20) });
  const location = await store.location();
  now += 3_600_000;
  statements.length = 0;
  const lookup = await store.find(KEY, PLATFORM, { location, stat: 'containers', touch: true });
  assert.equal(lookup.kind, 'hit');
  assert.ok(statements.length <= 3, statements.join('\n'));
});

test('compat Q5 Q6 Q7 Q8 Q9 the old reader finds on our file what it looks for', { skip }, async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(3);
  const config = { config: { Env: ['A=1'] }, created: '2024-01-02T03:04:05Z' };
  await storeImage(store, KEY, { layers: [A, B] });
  await storeImage(store, KEY, { layers, config });
  const digests = layers.map(({ digest }) => digest);
  const byDigest = 'SELECT digest FROM layers WHERE digest IN (?, ?, ?)';
  const [exists, rows, found, configs] = await readAsSeed(
    store.home,
    [SEED_QUERIES.imageExists, KEY],
    [SEED_QUERIES.imageLayers, KEY],
    [byDigest, ...digests],
    [SEED_QUERIES.imageConfig, KEY],
  );
  assert.deepEqual(exists, [{ count: 1 }]);
  assert.deepEqual(
    rows!.map((row) => row['digest']),
    digests,
  );
  for (const row of [...rows!, ...configs!])
    for (const name of ['created_at', 'modified_at']) assert.match(String(row[name]), SQLITE_TIME);
  assert.equal(found!.length, digests.length, 'enough for its check');
  assert.equal(configs![0]!['config_env_json'], '["A=1"]');
  assert.equal(configs![0]!['created'], '2024-01-02T03:04:05Z');
});

test('compat Q6 the old reader sees an old or a new image while Sluice writes', { skip }, async (t) => {
  const store = await openTestStore(t);
  const images = [
    [A, B],
    [C, A, B],
  ] as const;
  const digestsBySize = new Map<number, string[]>(
    images.map((layers) => [layers.length, layers.map(({ digest }) => digest).toSorted()]),
  );
  await storeImage(store, KEY, { layers: images[0] });
  let isReading = true;
  const writing = (async () => {
    for (let turn = 1; isReading; turn++) await storeImage(store, KEY, { layers: images[turn % 2]! });
  })();
  for (let reads = 0; reads < 3; reads++) {
    const [rows] = await readAsSeed(store.home, [SEED_QUERIES.imageLayers, KEY]);
    const seen = rows!.map((row) => String(row['digest'])).toSorted();
    assert.deepEqual(seen, digestsBySize.get(seen.length), 'a mixture');
  }
  isReading = false;
  await writing;
});

test("compat Q1 Q2 Q3 Q4 the seed's writes still fit our file", async (t) => {
  const { home, hubReference, layers } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  await storeImage(store, hubReference, { layers });
  await using database = await Database.open(`${home}/oci.db`, 'create');
  await database.use('pulling as the seed', (connection) => pullAsSeed(connection, hubReference, [A]));
  assert.deepEqual(await sql(home, 'PRAGMA foreign_key_check'), []);
  assert.equal(
    (await sql(home, 'SELECT * FROM manifests JOIN images ON images.id = image_id WHERE reference = ?', hubReference))
      .length,
    2,
  );
});
