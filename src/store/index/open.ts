import { access } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, SluiceError } from '../../errors.js';
import { BUSY_TIMEOUT_MS, type Connection, Database, isBusy, type StatementHook } from './database.js';
import { migrate, readOwner, readVersion, SCHEMA_VERSION } from './schema.js';

/** An open store index. */
export interface OpenIndex {
  readonly database: Database;
  /** Said once to the user: the file system refuses what we would like. */
  readonly notices: readonly string[];
}

/** Options of {@link openIndex}. */
export interface OpenIndexOptions {
  readonly hook?: StatementHook | undefined;
  /** Runs in the transaction that gives a file of nobody's, or of the seed's, our tables. */
  readonly onMade?: (connection: Connection) => Promise<void>;
}

const WAL_TRIES = 5;
const WAL_PAUSE_MS = 50;

/**
 * Opens or makes the store index and brings it to our schema (compat I1 to I6). A file of a newer program is not
 * written to.
 * @throws SluiceError INDEX_FOREIGN | INDEX_TOO_NEW | INDEX_BUSY | INDEX_CORRUPT | STORE_FAILED
 */
export async function openIndex(
  path: string,
  { hook, onMade = () => Promise.resolve() }: OpenIndexOptions = {},
): Promise<OpenIndex> {
  const database = await Database.open(path, 'create', hook);
  const doing = `opening store index ${JSON.stringify(path)}`;
  try {
    await database.use(doing, (connection) => refuseOthers(connection, doing));
    const notices = await database.use(doing, configure);
    if (await database.use(doing, isOld))
      await database.transaction(doing, async (connection) => {
        const isNew = (await readVersion(connection)) === 0;
        await migrate(connection);
        if (isNew) await onMade(connection);
      });
    return { database, notices };
  } catch (error) {
    await database[Symbol.asyncDispose]().catch(() => undefined);
    throw error;
  }
}

/**
 * Whether a store index exists that no newer microsandbox took over (compat F1, I4). One that cannot be read counts:
 * opening it will say why.
 */
export async function isOurIndex(path: string): Promise<boolean> {
  try {
    await access(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return false;
    return true;
  }
  try {
    await using database = await Database.open(path, 'read');
    return (await database.use('looking at a store index', readOwner)) !== 'newer-microsandbox';
  } catch {
    return true;
  }
}

async function refuseOthers(connection: Connection, doing: string): Promise<void> {
  await connection.all(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  const owner = await readOwner(connection);
  if (owner === 'newer-microsandbox')
    throw new SluiceError('INDEX_FOREIGN', {
      message: `${doing}: its tables are a newer microsandbox's`,
      rule: 'compat I4',
    });
  if (owner === 'newer-sluice') {
    const got = String(await readVersion(connection));
    const message = `${doing}: it has a newer version than this Sluice`;
    throw new SluiceError('INDEX_TOO_NEW', { message, rule: 'compat I2', expected: String(SCHEMA_VERSION), got });
  }
}

/** @returns notices */
async function configure(connection: Connection): Promise<readonly string[]> {
  await connection.all('PRAGMA foreign_keys = ON');
  const mode = await useWriteAheadLog(connection);
  await connection.all('PRAGMA synchronous = NORMAL');
  return mode === 'wal' ? [] : [`the store index keeps journal mode ${mode}: write-ahead logging is refused here`];
}

/** SQLite does not wait for others here in all cases, so we do. */
async function useWriteAheadLog(connection: Connection): Promise<string> {
  for (let tries = 1; tries <= WAL_TRIES; tries++) {
    try {
      return await readMode(connection, 'PRAGMA journal_mode = WAL');
    } catch (error) {
      if (!isBusy(error)) throw error;
      await sleep(WAL_PAUSE_MS);
    }
  }
  return await readMode(connection, 'PRAGMA journal_mode');
}

async function readMode(connection: Connection, sql: string): Promise<string> {
  const [row] = await connection.all<{ journal_mode: string }>(sql);
  return row?.journal_mode ?? 'unknown';
}

async function isOld(connection: Connection): Promise<boolean> {
  return (await readVersion(connection)) < SCHEMA_VERSION;
}
