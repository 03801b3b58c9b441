import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Database } from '../../src/store/index/database.js';
import { type Cleanup, temporaryDirectory } from '../helpers/temporary.js';

async function openTable(t: Cleanup): Promise<Database> {
  const database = await Database.open(join(temporaryDirectory(t), 'db'), 'create');
  t.after(() => database[Symbol.asyncDispose]());
  await database.use('testing', (connection) => connection.all('CREATE TABLE t (a)'));
  return database;
}

const count = (database: Database): Promise<number> =>
  database.use(
    'testing',
    async (connection) => (await connection.all<{ n: number }>('SELECT COUNT(*) AS n FROM t'))[0]!.n,
  );

test('nobody sees the middle of a transaction of the same process', async (t) => {
  const database = await openTable(t);
  const writing = database.transaction('testing', async (connection) => {
    await connection.all('INSERT INTO t VALUES (1)');
    await connection.all('INSERT INTO t VALUES (2)');
    throw new Error('failed');
  });
  const seen = count(database);
  await assert.rejects(writing, { code: 'STORE_FAILED' });
  assert.equal(await seen, 0);
});

test('work after a failure runs, and transactions after it are whole', async (t) => {
  const database = await openTable(t);
  const insert = (isGood: boolean): Promise<unknown> =>
    database.transaction('testing', async (connection) => {
      await connection.all('INSERT INTO t VALUES (1)');
      if (!isGood) await connection.all('NO SUCH STATEMENT');
    });
  const results = await Promise.allSettled([insert(true), insert(false), insert(true)]);
  assert.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(await count(database), 2);
});

test('an index that another connection holds is INDEX_BUSY', async (t) => {
  const path = join(temporaryDirectory(t), 'db');
  await using holder = await Database.open(path, 'create');
  await using other = await Database.open(path, 'create');
  await other.use('testing', (connection) => connection.all('PRAGMA busy_timeout = 0'));
  await holder.transaction('testing', async () => {
    const writing = other.use('testing', (connection) => connection.all('CREATE TABLE t (a)'));
    await assert.rejects(writing, { code: 'INDEX_BUSY' });
  });
  await other.use('testing', (connection) => connection.all('CREATE TABLE t (a)'));
});

test('work that waits for nobody is null while another connection writes, and only it waits for nobody', async (t) => {
  const path = join(temporaryDirectory(t), 'db');
  await using holder = await Database.open(path, 'create');
  await using other = await Database.open(path, 'create');
  const write = (): Promise<number | null> =>
    other.useUnlessBusy('testing', async (connection) => {
      await connection.all('CREATE TABLE t (a)');
      return 1;
    });
  await holder.transaction('testing', async () => assert.equal(await write(), null));
  assert.equal(await write(), 1);
  await assert.rejects(write(), { code: 'STORE_FAILED' }, 'what else goes wrong is told');
  const [timeout] = await other.use('testing', (connection) => connection.all('PRAGMA busy_timeout'));
  assert.deepEqual(timeout, { timeout: 5000 });
});

test('a snapshot shows one moment, and keeps nobody from writing', async (t) => {
  const path = join(temporaryDirectory(t), 'db');
  await using reader = await Database.open(path, 'create');
  await using writer = await Database.open(path, 'create');
  for (const sql of ['PRAGMA journal_mode = WAL', 'CREATE TABLE t (a)'])
    await writer.use('testing', (connection) => connection.all(sql));
  const counts = await reader.snapshot('testing', async (connection) => {
    const first = await connection.all('SELECT COUNT(*) AS n FROM t');
    await writer.use('testing', (other) => other.all('INSERT INTO t VALUES (1)'));
    return [first, await connection.all('SELECT COUNT(*) AS n FROM t')];
  });
  assert.deepEqual(counts, [[{ n: 0 }], [{ n: 0 }]]);
  assert.equal(await count(reader), 1);
});
