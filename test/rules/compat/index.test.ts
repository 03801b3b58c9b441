import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database, type Value } from '../../../src/store/index/database.js';
import { openIndex } from '../../../src/store/index/open.js';
import { SCHEMA_VERSION } from '../../../src/store/index/schema.js';
import { setIndexAside } from '../../../src/store/repair.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { needs } from '../../helpers/needs.js';
import { type Cleanup, temporaryDirectory } from '../../helpers/temporary.js';
import {
  openTestStore,
  PLATFORM,
  readAsSeed,
  resolvedImage,
  reverseSortedLayers,
  SEED_QUERIES,
  sql,
  storeImage,
  storeLayer,
  wantedLayer,
} from '../../store/fixtures.js';
import { makeSeedHome, pullAsSeed, SEED_COLUMNS, SEED_INDEXES, SEED_MIGRATIONS } from '../../store/seed-home.js';

const KEY = 'docker.io/library/app:1';
const [A, B, C] = [wantedLayer('a'), wantedLayer('b'), wantedLayer('c')];

const reasonOf = async (store: Store, key: string = KEY): Promise<string> => {
  const location = await store.location();
  const lookup = await store.find(key, PLATFORM, { location, stat: 'containers', touch: false });
  return lookup.kind === 'hit' ? 'hit' : lookup.reason;
};

const digestsOf = async (store: Store, key: string = KEY): Promise<readonly string[] | undefined> =>
  (await store.readImage(key))?.layers.map((layer) => layer.digest);

/** The whole schema, as SQLite keeps it. */
const schemaOf = (home: string): Promise<readonly unknown[]> =>
  sql(home, 'SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name');

/** Every row of every table. */
async function contentOf(home: string): Promise<unknown> {
  const content: Record<string, unknown> = {};
  for (const table of Object.keys(SEED_COLUMNS)) content[table] = await sql(home, `SELECT * FROM ${table} ORDER BY id`);
  return content;
}

async function assertSound(home: string): Promise<void> {
  assert.deepEqual(await sql(home, 'PRAGMA foreign_key_check'), []);
  assert.deepEqual(await sql(home, 'PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
}

const fileHash = (home: string): string =>
  createHash('sha256')
    .update(readFileSync(join(home, 'oci.db')))
    .digest('hex');

/** A program that makes an index at a path. */
const MAKE_INDEX = `const { openIndex } = await import(${JSON.stringify(new URL('../../../src/store/index/open.js', import.meta.url))});
await (await openIndex(process.argv[1])).database[Symbol.asyncDispose]();`;

const busy = (): Error => Object.assign(new Error('SQLITE_BUSY: database is locked'), { code: 'SQLITE_BUSY' });

test("compat I1 a new file has the seed's tables, columns and indexes, and ours after them", async (t) => {
  const { home } = await openTestStore(t);
  const added: Readonly<Record<string, readonly string[]>> = {
    images: ['manifest_id', 'resolved_digest', 'platform', 'source'],
    indexes: ['digest'],
    manifests: ['digest', 'body'],
    configs: ['digest', 'body'],
    layers: ['extracted_at', 'unpacked_bytes', 'entries', 'format', 'stat', 'compose_required'],
    manifest_layers: ['position', 'compose_required'],
  };
  for (const [table, columns] of Object.entries(SEED_COLUMNS)) {
    const info = await sql<{ name: string }>(home, `PRAGMA table_info(${table})`);
    assert.deepEqual(
      info.map(({ name }) => name),
      [...columns, ...added[table]!],
      table,
    );
  }
  const names = (await sql<{ name: string }>(home, "SELECT name FROM sqlite_master WHERE type = 'index'")).map(
    ({ name }) => name,
  );
  assert.deepEqual(
    SEED_INDEXES.filter((name) => !names.includes(name)),
    [],
  );
  assert.deepEqual(await sql(home, "SELECT name FROM sqlite_master WHERE name = '_sqlx_migrations'"), []);
});

test("compat I1 the seed's migrations run over our file change nothing", async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B] });
  const before = [await schemaOf(store.home), await contentOf(store.home)];
  for (const statement of SEED_MIGRATIONS) await sql(store.home, statement);
  assert.deepEqual([await schemaOf(store.home), await contentOf(store.home)], before);
  assert.equal(await reasonOf(store), 'hit');
});

test('compat I2 I3 a file of the seed gains columns and a version; its own columns and rows stay', async (t) => {
  const { home } = await makeSeedHome(t);
  const read = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    for (const [table, columns] of Object.entries(SEED_COLUMNS)) {
      const info = await sql<{ name: string }>(home, `PRAGMA table_info(${table})`);
      found.push(
        info.filter(({ name }) => columns.includes(name)),
        await sql(home, `SELECT ${columns.join()} FROM ${table}`),
      );
    }
    return [...found, await sql(home, 'SELECT * FROM _sqlx_migrations')];
  };
  const before = await read();
  await openTestStore(t, { home });
  assert.deepEqual(await read(), before);
  assert.deepEqual(await sql(home, 'PRAGMA user_version'), [{ user_version: SCHEMA_VERSION }]);
  assert.deepEqual(await sql(home, "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"), []);
  for (const [table, columns] of Object.entries(SEED_COLUMNS)) {
    const info = await sql<{ name: string; notnull: number; dflt_value: string | null }>(
      home,
      `PRAGMA table_info(${table})`,
    );
    for (const column of info.filter(({ name }) => !columns.includes(name)))
      assert.deepEqual([column.notnull, column.dflt_value], [0, null], `${table}.${column.name}`);
  }
});

test('compat I1 I2 a new file and one of the seed end with the same columns and references', async (t) => {
  const [{ home: grown }, { home: made }] = [await makeSeedHome(t), await openTestStore(t)];
  await openTestStore(t, { home: grown });
  for (const table of Object.keys(SEED_COLUMNS))
    for (const pragma of ['table_info', 'foreign_key_list']) {
      const read = async (home: string): Promise<unknown> => {
        const rows = await sql(home, `PRAGMA ${pragma}(${table})`);
        return rows.map(({ id: _id, cid: _cid, ...rest }) => JSON.stringify(rest)).toSorted();
      };
      assert.deepEqual(await read(made), await read(grown), `${pragma} ${table}`);
    }
});

test('compat I2 a migration that ends at any statement leaves the file as it was, and runs again', async (t) => {
  const { home } = await makeSeedHome(t);
  const before = await schemaOf(home);
  let count = 0;
  for (let at = 1; ; at++) {
    let isMigrating = false;
    count = 0;
    const hook = (statement: string): void => {
      isMigrating ||= statement === 'BEGIN IMMEDIATE';
      if (isMigrating && ++count === at) throw new Error('killed');
    };
    const opening = openIndex(join(home, 'oci.db'), { hook });
    if (
      (await opening.then(
        () => 'opened',
        () => 'failed',
      )) === 'opened'
    ) {
      await (await opening).database[Symbol.asyncDispose]();
      break;
    }
    assert.deepEqual([await schemaOf(home), await sql(home, 'PRAGMA user_version')], [before, [{ user_version: 0 }]]);
  }
  assert.ok(count > 10, `${count} statements`);
  assert.deepEqual(await sql(home, 'PRAGMA user_version'), [{ user_version: SCHEMA_VERSION }]);
});

test('compat I2 a file of an earlier version goes through the steps that it lacks, and keeps its images', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B] });
  await store[Symbol.asyncDispose]();
  for (const statement of [
    'DROP TABLE sluice_pins',
    'ALTER TABLE images DROP COLUMN source',
    'PRAGMA user_version = 1',
  ])
    await sql(store.home, statement);
  const again = await openTestStore(t, { home: store.home });
  assert.deepEqual(await sql(store.home, 'PRAGMA user_version'), [{ user_version: SCHEMA_VERSION }]);
  assert.deepEqual(await sql(store.home, 'SELECT * FROM sluice_pins'), []);
  assert.equal(await reasonOf(again), 'hit');
});

test('compat I2 a second opening writes nothing', async (t) => {
  const { home } = await openTestStore(t);
  const statements: string[] = [];
  const { database } = await openIndex(join(home, 'oci.db'), {
    hook: (statement) => void statements.push(statement),
  });
  await database[Symbol.asyncDispose]();
  assert.deepEqual(
    statements.filter((statement) => !/^(PRAGMA|SELECT)/.test(statement)),
    [],
  );
});

/** Runs statements on a file and asserts that opening it fails with the code and leaves it byte for byte. */
async function assertRefused(home: string, code: string, ...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql(home, statement);
  const before = fileHash(home);
  await assert.rejects(openStore({ home }), { code });
  assert.equal(fileHash(home), before, 'written to');
}

test('compat I2 a newer version is refused and not written to', async (t) => {
  const { home } = await makeSeedHome(t);
  await assertRefused(home, 'INDEX_TOO_NEW', `PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
});

for (const [what, statement] of [
  ['without indexes', 'DROP TABLE indexes'],
  ['without manifests.index_id', 'ALTER TABLE manifests RENAME COLUMN index_id TO other_id'],
  [
    'with a later migration',
    "INSERT INTO _sqlx_migrations VALUES (20250128014906, 'later', CURRENT_TIMESTAMP, 1, x'00', 1)",
  ],
] as const) {
  test(`compat I4 a file ${what} belongs to a newer microsandbox`, async (t) => {
    const { home } = await makeSeedHome(t);
    await assertRefused(home, 'INDEX_FOREIGN', statement);
    await assert.rejects(openStore({ home }), { hint: /SLUICE_HOME/ });
  });
  test(`compat I4 a file of ours ${what} was taken over`, async (t) => {
    const { home } = await makeSeedHome(t);
    await (await openStore({ home }))[Symbol.asyncDispose]();
    await assertRefused(home, 'INDEX_FOREIGN', statement);
  });
}

test('compat I4 the six migrations of the seed are accepted', async (t) => {
  const { home } = await makeSeedHome(t);
  assert.deepEqual(await sql(home, 'SELECT COUNT(*) AS count, MAX(version) AS last FROM _sqlx_migrations'), [
    { count: 6, last: 20_250_128_014_905 },
  ]);
  await openTestStore(t, { home });
});

test('compat I5 the pragmas of a connection', async (t) => {
  const { database, notices } = await openIndex(join(temporaryDirectory(t), 'oci.db'));
  t.after(() => database[Symbol.asyncDispose]());
  const read = (pragma: string): Promise<unknown> =>
    database.use(
      'testing',
      async (connection) => Object.values((await connection.all<object>(`PRAGMA ${pragma}`))[0]!)[0],
    );
  assert.deepEqual(
    [await read('foreign_keys'), await read('busy_timeout'), await read('journal_mode'), await read('synchronous')],
    [1, 5000, 'wal', 1],
  );
  assert.deepEqual(notices, []);
});

test('compat I5 where WAL is refused the journal stays as it is, with one notice', async (t) => {
  const store = await openTestStore(t, {
    onStatement: (statement) => {
      if (/journal_mode = WAL/.test(statement)) throw busy();
    },
  });
  assert.equal(store.notices.length, 1);
  assert.match(store.notices[0]!, /journal mode delete/);
  await storeImage(store, KEY, { layers: [A] });
  assert.equal(await reasonOf(store), 'hit');
});

test('compat I5 deleting an image takes its manifests, configs and links along', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B] });
  await sql(store.home, 'DELETE FROM images');
  for (const table of ['indexes', 'manifests', 'configs', 'manifest_layers'])
    assert.deepEqual(await sql(store.home, `SELECT * FROM ${table}`), [], table);
  assert.equal((await sql(store.home, 'SELECT * FROM layers')).length, 2);
});

test('compat I6 stores that open one new home at once all succeed and truncate nothing', async (t) => {
  const home = join(temporaryDirectory(t), 'home');
  const stores = await Promise.all(Array.from({ length: 4 }, () => openTestStore(t, { home })));
  for (const [place, store] of stores.entries())
    await storeImage(store, `docker.io/library/app:${place}`, { layers: [A] });
  assert.equal((await stores[0]!.listImages()).length, 4);
  await assertSound(home);
});

test('compat I6 I4 an index that another process makes at any moment of an opening is ours', async (t) => {
  let [isMade, at] = [true, 0];
  while (isMade) {
    const path = join(temporaryDirectory(t), 'oci.db');
    let [count, isBegun] = [0, false];
    [isMade, at] = [false, at + 1];
    const hook = (sql: string): void => {
      isBegun ||= sql === 'BEGIN IMMEDIATE';
      if (isBegun || ++count !== at) return;
      assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', MAKE_INDEX, path]).status, 0);
      isMade = true;
    };
    const { database } = await openIndex(path, { hook });
    await database[Symbol.asyncDispose]();
  }
  assert.ok(at > 5, `${at} moments`);
});

/** A store with an image, and one more layer ready for its next version. */
async function storeWithNext(
  t: Cleanup,
  onStatement: (sql: string) => void,
): Promise<{ store: Store; commit: () => Promise<unknown> }> {
  const store = await openTestStore(t, { onStatement });
  const location = await store.location();
  const old = await storeImage(store, KEY, { layers: [A, B] });
  const next = [old.layers[0]!, await storeLayer(store, C, location)];
  return { store, commit: () => store.commitImage(KEY, resolvedImage({ layers: [A, C] }), next) };
}

test('compat I7 a commit that fails at any statement leaves the old image, whole', async (t) => {
  let [count, at] = [0, Infinity];
  const { store, commit } = await storeWithNext(t, () => {
    if (++count === at) throw new Error('failed');
  });
  const before = await contentOf(store.home);
  for (at = 1; ; at++) {
    count = 0;
    const isDone = await commit().then(
      () => true,
      (error: { code: string }) => assert.equal(error.code, 'STORE_FAILED'),
    );
    if (isDone) break;
    count = Number.NEGATIVE_INFINITY;
    assert.deepEqual(await contentOf(store.home), before, `statement ${at}`);
    assert.equal(await reasonOf(store), 'hit');
  }
  assert.ok(at > 12, `${at} statements`);
  at = Infinity;
  assert.deepEqual(await digestsOf(store), [A.digest, C.digest]);
  await assertSound(store.home);
});

test('compat I7 a process killed at any statement leaves the old image or the new one', async (t) => {
  const home = join(temporaryDirectory(t), 'home');
  const script = join(import.meta.dirname, '..', '..', 'store', 'killed-commit.js');
  const run = (at: number, names: readonly string[]): { signal: string | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [script, home, KEY, String(at), ...names], { encoding: 'utf8' });
  assert.equal(run(0, ['a', 'b']).stderr, '');

  const statements = Number(run(0, ['a', 'c']).stdout);
  assert.equal(run(0, ['a', 'b']).stderr, '');
  assert.ok(statements > 12, `${statements} statements`);
  for (const at of [1, 3, 5, statements - 1, statements]) {
    assert.equal(run(at, ['a', 'c']).signal, 'SIGKILL', `statement ${at}`);
    const store = await openTestStore(t, { home });
    assert.deepEqual(await digestsOf(store), [A.digest, B.digest], `statement ${at}`);
    assert.equal(await reasonOf(store), 'hit');
    await assertSound(home);
    await store[Symbol.asyncDispose]();
  }
});

test('compat I7 a busy index is tried five times, then INDEX_BUSY', async (t) => {
  let refusals = 0;
  let begins = 0;
  const { store, commit } = await storeWithNext(t, (statement) => {
    if (statement !== 'BEGIN IMMEDIATE') return;
    begins++;
    if (refusals-- > 0) throw busy();
  });
  [refusals, begins] = [4, 0];
  await commit();
  assert.equal(begins, 5);
  assert.deepEqual(await digestsOf(store), [A.digest, C.digest]);

  [refusals, begins] = [Infinity, 0];
  await assert.rejects(commit(), { code: 'INDEX_BUSY' });
  assert.equal(begins, 5);
});

test('compat I7 an index that gets busy half-way is tried from the start', async (t) => {
  let refusals = 0;
  const { store, commit } = await storeWithNext(t, (statement) => {
    if (/INSERT INTO manifest_layers/.test(statement) && refusals-- > 0) throw busy();
  });
  refusals = 2;
  await commit();
  assert.deepEqual(await digestsOf(store), [A.digest, C.digest]);
  assert.equal((await sql(store.home, 'SELECT * FROM manifests')).length, 1);
});

test('compat I7 commits of one process at the same time do not mix', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const layers = [
    await storeLayer(store, A, location),
    await storeLayer(store, B, location),
    await storeLayer(store, C, location),
  ];
  const images = [resolvedImage({ layers: [A, B] }), resolvedImage({ layers: [B, C] }), resolvedImage({ layers: [C] })];
  const lookups: Promise<string>[] = [];
  await Promise.all(
    Array.from({ length: 12 }, async (_, turn) => {
      const committing = store.commitImage(KEY, images[turn % 3]!, layers);
      lookups.push(reasonOf(store));
      await committing;
    }),
  );
  const reasons = new Set(await Promise.all(lookups));
  assert.deepEqual(
    [...reasons].filter((reason) => reason !== 'hit' && reason !== 'absent'),
    [],
  );
  assert.deepEqual(await digestsOf(store), [C.digest]);
  assert.equal((await sql(store.home, 'SELECT * FROM manifests')).length, 1);
});

test('compat I7 ids of images and layers stay through pulls; old manifests go', async (t) => {
  const store = await openTestStore(t);
  const ids = (table: string, column: string): Promise<readonly unknown[]> =>
    sql(store.home, `SELECT id, ${column} FROM ${table} ORDER BY id`);
  await storeImage(store, KEY, { layers: [A, B] });
  const before = [await ids('images', 'reference'), await ids('layers', 'digest')];
  await storeImage(store, KEY, { layers: [B, A] });
  assert.deepEqual([await ids('images', 'reference'), await ids('layers', 'digest')], before);
  for (const table of ['indexes', 'manifests', 'configs']) assert.equal((await ids(table, 'digest')).length, 1, table);
  assert.equal((await ids('manifest_layers', 'position')).length, 2);
});

test('compat I7 an image without an index leaves no index row', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A] });
  const image = await storeImage(store, KEY, { layers: [A], hasIndex: false });
  assert.deepEqual(await sql(store.home, 'SELECT * FROM indexes'), []);
  assert.deepEqual(await sql(store.home, 'SELECT index_id, digest FROM manifests'), [
    { index_id: null, digest: image.digest },
  ]);
  assert.equal(image.resolvedDigest, image.digest);
});

test('compat I7 rows stay constant through a hundred pulls of a moving tag', async (t) => {
  const store = await openTestStore(t);
  for (let turn = 0; turn < 100; turn++) await storeImage(store, KEY, { layers: turn % 2 ? [A, B] : [A, C] });
  for (const [table, count] of Object.entries({
    images: 1,
    indexes: 1,
    manifests: 1,
    configs: 1,
    layers: 3,
    manifest_layers: 2,
  }))
    assert.equal((await sql(store.home, `SELECT * FROM ${table}`)).length, count, table);
  await assertSound(store.home);
});

test("compat I8 layers that finish in any order have ids in the manifest's order", async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(5);
  await storeImage(store, KEY, { layers, order: [3, 0, 4, 2, 1].map((place) => layers[place]!) });
  const rows = await sql<{ digest: string }>(store.home, 'SELECT digest FROM layers ORDER BY id');
  assert.deepEqual(
    rows.map(({ digest }) => digest),
    layers.map(({ digest }) => digest),
  );
});

test('compat I8 the old reader finds one manifest and the right order', { skip: needs('python3') }, async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(4);
  await storeImage(store, KEY, { layers: [A, B] });
  await storeImage(store, KEY, { layers, order: layers.toReversed() });
  const [rows] = await readAsSeed(store.home, [SEED_QUERIES.imageLayers, KEY]);
  assert.deepEqual(
    rows!.map((row) => row['digest']),
    layers.map(({ digest }) => digest),
  );
});

test('compat I9 a layer named several times has one link, at its topmost place', async (t) => {
  const store = await openTestStore(t);
  const image = await storeImage(store, KEY, { layers: [A, B, A, C, A] });
  const expected = [B.digest, C.digest, A.digest];
  assert.deepEqual(
    image.layers.map((layer) => layer.digest),
    expected,
  );
  assert.deepEqual(await digestsOf(store), expected);
  assert.deepEqual(
    await sql(store.home, 'SELECT position FROM manifest_layers ORDER BY position'),
    [1, 3, 4].map((position) => ({ position })),
  );
  const manifest = JSON.parse(Buffer.from((await store.readImage(KEY))!.manifest).toString()) as {
    layers: { digest: string }[];
  };
  assert.deepEqual(
    manifest.layers.map(({ digest }) => digest),
    [A, B, A, C, A].map(({ digest }) => digest),
  );
});

test('compat I10 every time is UTC in the form that the old reader knows', async (t) => {
  const store = await openTestStore(t, { now: () => new Date('2024-02-29T23:59:58.999Z') });
  await storeImage(store, KEY, { layers: [A] });
  const columns = Object.keys(SEED_COLUMNS).flatMap((table) => [`${table}.created_at`, `${table}.modified_at`]);
  for (const column of [...columns, 'images.last_used_at', 'layers.extracted_at']) {
    const [table, name] = column.split('.');
    assert.deepEqual(
      await sql(store.home, `SELECT ${name} AS time FROM ${table}`),
      [{ time: '2024-02-29 23:59:58' }],
      column,
    );
  }
});

for (const [created, expected] of [
  ['2024-01-02T03:04:05Z', '2024-01-02T03:04:05Z'],
  ['2024-01-02T03:04:05.123456789+02:00', '2024-01-02T03:04:05.123456789+02:00'],
  ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00Z'],
  ['2024-02-30T00:00:00Z', null],
  ['2024-01-02T25:00:00Z', null],
  ['2024-01-02T03:04:05+99:00', null],
  ['2024-01-02 03:04:05', null],
  ['yesterday', null],
  ['', null],
  [undefined, null],
] as const)
  test(`compat I10 configs.created for ${JSON.stringify(created)} is ${expected ? 'kept' : 'NULL'}`, async (t) => {
    const store = await openTestStore(t);
    await storeImage(store, KEY, { layers: [], config: { created } });
    assert.deepEqual(await sql(store.home, 'SELECT created FROM configs'), [{ created: expected }]);
  });

test('compat I11 the columns of a config hold what the seed reads in them', async (t) => {
  const store = await openTestStore(t);
  const annotations = { 'org.example': 'x' };
  const history = [{ created_by: 'sh', empty_layer: true }];
  const config = {
    'os.version': '10.0',
    history,
    config: {
      User: 'me',
      Env: ['A=1', 'B=2'],
      Cmd: ['a'],
      Entrypoint: ['/e', '-x'],
      WorkingDir: '/w',
      Volumes: { '/v': {}, '/w': {} },
      ExposedPorts: { '80/tcp': {} },
    },
  };
  await storeImage(store, KEY, { layers: [A], config, annotations, platform: 'linux/arm64/v8' });
  const names = SEED_COLUMNS['configs']!.filter((name) => !/^(id|manifest_id|created|.*_at)$/.test(name));
  assert.deepEqual(await sql(store.home, `SELECT ${names.join()} FROM configs`), [
    {
      media_type: 'application/vnd.oci.image.config.v1+json',
      architecture: 'arm64',
      os: 'linux',
      os_variant: '10.0',
      config_env_json: '["A=1","B=2"]',
      config_cmd_json: '["a"]',
      config_working_dir: '/w',
      config_entrypoint_json: '["/e","-x"]',
      config_volumes_json: '["/v","/w"]',
      config_exposed_ports_json: '["80/tcp"]',
      config_user: 'me',
      rootfs_type: 'layers',
      rootfs_diff_ids_json: JSON.stringify([A.diffId]),
      history_json: JSON.stringify(history),
    },
  ]);
  assert.deepEqual(
    await sql(
      store.home,
      'SELECT schema_version, media_type, platform_os, platform_arch, platform_variant, annotations_json FROM indexes',
    ),
    [
      {
        schema_version: 2,
        media_type: 'application/vnd.oci.image.index.v1+json',
        platform_os: 'linux',
        platform_arch: 'arm64',
        platform_variant: 'v8',
        annotations_json: '{"org.example":"x"}',
      },
    ],
  );
  assert.deepEqual(await sql(store.home, 'SELECT schema_version, annotations_json FROM manifests'), [
    { schema_version: 2, annotations_json: '{"org.example":"x"}' },
  ]);
});

test('compat I11 what a config leaves out is SQL NULL, never the text null', async (t) => {
  const store = await openTestStore(t);
  const image = resolvedImage({ layers: [A] });
  const stored = [await storeLayer(store, A, await store.location())];
  await store.commitImage(
    KEY,
    { ...image, config: { ...image.config, mediaType: '' }, manifest: { ...image.manifest, mediaType: '' } },
    stored,
  );
  const [row] = await sql(store.home, 'SELECT * FROM configs');
  const absent = [
    'created',
    'os_variant',
    'history_json',
    ...Object.keys(row!).filter((name) => name.startsWith('config_')),
  ];
  assert.equal(absent.length, 10);
  for (const name of absent) assert.equal(row![name], null, name);
  assert.equal(row!['media_type'], 'application/vnd.oci.image.config.v1+json', 'the OCI type when none is named');
  assert.deepEqual(await sql(store.home, 'SELECT media_type, annotations_json FROM manifests'), [
    { media_type: 'application/vnd.oci.image.manifest.v1+json', annotations_json: null },
  ]);
});

test('compat I12 rows of the seed are a miss, and the next pull replaces their manifests', async (t) => {
  const { home, hubReference, layers } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  assert.equal(await reasonOf(store, hubReference), 'foreign-row');
  assert.equal(await store.readImage(hubReference), null);
  const [before] = await sql(home, 'SELECT id FROM images WHERE reference = ?', hubReference);

  await storeImage(store, hubReference, { layers });
  assert.equal(await reasonOf(store, hubReference), 'hit');
  assert.deepEqual(
    await digestsOf(store, hubReference),
    layers.map(({ digest }) => digest),
  );
  const [after, ...more] = await sql(
    home,
    'SELECT images.id FROM images JOIN manifests ON image_id = images.id WHERE reference = ?',
    hubReference,
  );
  assert.deepEqual([after, more], [before, []]);
  await assertSound(home);
});

test('compat I12 an image that the seed pulled after us is a miss', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B] });
  await using database = await Database.open(join(store.home, 'oci.db'), 'create');
  await database.use('pulling as the seed', (connection) => pullAsSeed(connection, KEY, [A]));
  assert.equal(await reasonOf(store), 'foreign-row');
  await storeImage(store, KEY, { layers: [A, B] });
  assert.equal(await reasonOf(store), 'hit');
});

test('compat I12 rows that Sluice did not write last are listed with all alone', async (t) => {
  const { home, hubReference } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  const image = await storeImage(store, KEY.replace('app', 'ours'), { layers: [A, B] });
  assert.deepEqual(await store.listImages(), [
    {
      reference: image.reference,
      digest: image.digest,
      platform: PLATFORM,
      sizeBytes: A.packedBytes + B.packedBytes,
      layers: 2,
      lastUsedAt: (await sql(home, 'SELECT last_used_at FROM images WHERE reference = ?', image.reference))[0]![
        'last_used_at'
      ],
      isPinned: false,
      isForeign: false,
    },
  ]);
  const all = await store.listImages({ all: true });
  assert.deepEqual(
    all.map(({ reference, isForeign, layers }) => [reference, isForeign, layers]),
    [
      ['2', true, 1],
      [hubReference, true, 3],
      [image.reference, false, 2],
    ],
  );
});

test('compat I13 another platform is an image of its own', async (t) => {
  const store = await openTestStore(t);
  const other = `${KEY}#linux/arm64`;
  await storeImage(store, KEY, { layers: [A] });
  await storeImage(store, other, { layers: [B], platform: 'linux/arm64' });
  assert.deepEqual([await digestsOf(store), await digestsOf(store, other)], [[A.digest], [B.digest]]);
  assert.deepEqual(
    (await store.listImages()).map(({ reference, platform }) => [reference, platform]),
    [
      [KEY, PLATFORM],
      [other, 'linux/arm64'],
    ],
  );
});

test('compat I14 the size of an image counts each of its layers once', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A, B, A] });
  assert.deepEqual(await sql(store.home, 'SELECT size_bytes FROM images'), [
    { size_bytes: A.packedBytes + B.packedBytes },
  ]);
});

test('compat I15 a hit moves last_used_at, at most once a minute', async (t) => {
  let now = Date.parse('2024-01-01T00:00:00Z');
  const statements: string[] = [];
  const store = await openTestStore(t, {
    now: () => new Date(now),
    onStatement: (statement) => statements.push(statement),
  });
  await storeImage(store, KEY, { layers: [A] });
  const used = async (afterMs: number, touch: boolean): Promise<Value> => {
    now += afterMs;
    const lookup = await store.find(KEY, PLATFORM, { location: await store.location(), stat: 'containers', touch });
    assert.equal(lookup.kind, 'hit');
    return (await sql(store.home, 'SELECT last_used_at FROM images'))[0]!['last_used_at']!;
  };
  assert.equal(await used(59_000, true), '2024-01-01 00:00:00');
  assert.equal(await used(2000, false), '2024-01-01 00:00:00');
  assert.equal(await used(0, true), '2024-01-01 00:01:01');
  const before = statements.length;
  assert.equal(await used(1000, true), '2024-01-01 00:01:01');
  assert.equal(statements.length, before + 1, 'nothing was written');
  await sql(store.home, "UPDATE images SET last_used_at = 'unreadable'");
  assert.equal(await used(0, true), '2024-01-01 00:01:02');
});

test('compat I15 a hit does not fail because its use cannot be noted while another writes', async (t) => {
  let isBusy = false;
  const store = await openTestStore(t, {
    now: () => new Date(isBusy ? '2024-01-02' : '2024-01-01'),
    onStatement: (statement) => {
      if (isBusy && statement.startsWith('UPDATE')) throw busy();
    },
  });
  await storeImage(store, KEY, { layers: [A] });
  isBusy = true;
  const lookup = await store.find(KEY, PLATFORM, { location: await store.location(), stat: 'containers', touch: true });
  assert.equal(lookup.kind, 'hit');
});

test('compat I16 a lost index: layers are adopted, images come back with their next pull', async (t) => {
  const store = await openTestStore(t);
  const layers = reverseSortedLayers(3);
  const before = await storeImage(store, KEY, { layers });
  await store[Symbol.asyncDispose]();
  for (const name of readdirSync(store.home)) if (name.startsWith('oci.db')) rmSync(join(store.home, name));

  const again = await openTestStore(t, { home: store.home });
  assert.equal(await reasonOf(again), 'absent');
  assert.deepEqual(await storeImage(again, KEY, { layers }), before);
  assert.deepEqual(await again.takeTrash(), [], 'no layer was transferred again');
  assert.equal(await reasonOf(again), 'hit');
});

test('compat I16 a corrupt index is INDEX_CORRUPT, and set aside whole', async (t) => {
  const store = await openTestStore(t);
  const before = await storeImage(store, KEY, { layers: [A] });
  await store[Symbol.asyncDispose]();
  writeFileSync(join(store.home, 'oci.db'), 'x'.repeat(8192));
  await assert.rejects(openStore({ home: store.home }), { code: 'INDEX_CORRUPT' });

  const aside = await setIndexAside(store.home, new Date('2024-01-01T00:00:00Z'));
  assert.equal(aside, join(store.home, 'oci.db.corrupt-20240101T000000.000Z'));
  assert.equal(readFileSync(aside, 'utf8'), 'x'.repeat(8192));
  assert.equal(existsSync(join(store.home, 'oci.db')), false);
  const again = await openTestStore(t, { home: store.home });
  assert.deepEqual(await storeImage(again, KEY, { layers: [A] }), before);
});
