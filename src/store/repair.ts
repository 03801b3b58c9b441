import { rename } from 'node:fs/promises';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import { Database, type StatementHook } from './index/database.js';
import { findDamage } from './index/damage.js';
import { openIndex, type OpenIndex } from './index/open.js';
import { holdIndex, takeIndex } from './index-lock.js';
import { indexPath } from './layout.js';
import { restorePins } from './pins.js';
import type { LostImage, OpenStoreOptions } from './store.js';

/** An open index, and what went with the one before it. */
export interface OpenedIndex extends OpenIndex {
  readonly lost: readonly LostImage[];
  /** To be given up once the database is closed. */
  readonly hold: AsyncDisposable;
}

/**
 * Opens the index. With `repairIndex`, one that is damaged is set aside first, and a new one made; layers on disk are adopted
 * by it, pins are taken over, images come back with their next pull (compat I16).
 * @throws SluiceError as {@link openIndex}; INDEX_BUSY when a damaged one is open in another process
 */
export async function openOrRepairIndex(
  home: string,
  { onStatement, repairIndex = false }: Pick<OpenStoreOptions, 'onStatement' | 'repairIndex'>,
): Promise<OpenedIndex> {
  const { notices, lost } = repairIndex ? await repairDamage(home) : NOTHING;
  const hold = await holdIndex(home);
  try {
    const index = await open(home, onStatement);
    return { ...index, notices: [...notices, ...index.notices], lost, hold };
  } catch (error) {
    await hold[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whoever makes the index takes over the pins. */
function open(home: string, hook?: StatementHook): Promise<OpenIndex> {
  return openIndex(indexPath(home), { hook, onMade: (connection) => restorePins(connection, home) });
}

type Repaired = Pick<OpenedIndex, 'notices' | 'lost'>;

const NOTHING: Repaired = { notices: [], lost: [] };

async function repairDamage(home: string): Promise<Repaired> {
  const path = indexPath(home);
  {
    await using _hold = await holdIndex(home);
    if ((await readDamage(home)) === null) return NOTHING;
  }
  await using alone = await takeIndex(home);
  if (alone === null)
    throw new SluiceError('INDEX_BUSY', {
      message: 'repairing the damaged store index: another process has it open; end that first',
      rule: 'compat I16',
    });
  const damage = await readDamage(home); // another process may have repaired it meanwhile
  if (damage === null) return NOTHING;
  const lost = await salvageImages(path);
  const aside = await setIndexAside(home);
  const notice = `the store index is damaged (${damage.replaceAll('\n', ' ')}): it was set aside as ${JSON.stringify(aside)}, and a new one begun`;
  return { notices: [notice], lost };
}

/** @returns what is wrong with an index; null for a sound one, or none */
async function readDamage(home: string): Promise<string | null> {
  try {
    const { database } = await open(home);
    try {
      const [first = null] = await database.use('checking the store index', (connection) =>
        findDamage(connection, true),
      );
      return first;
    } finally {
      await database[Symbol.asyncDispose]();
    }
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'INDEX_CORRUPT') return error.message;
    throw error;
  }
}

/** Images whose rows can still be read; none of a file that is no database any more. */
async function salvageImages(path: string): Promise<readonly LostImage[]> {
  try {
    await using database = await Database.open(path, 'read');
    return await database.use('reading a damaged index', (connection) =>
      connection.all<LostImage>('SELECT reference, source FROM images WHERE manifest_id IS NOT NULL'),
    );
  } catch {
    return [];
  }
}

/**
 * Sets a damaged store index aside as `oci.db.corrupt-<time>`, so that the next opening makes a new one, which adopts
 * the layers on disk (compat I16). No store may be open on the home, see {@link takeIndex}.
 * @returns where it went
 * @throws SluiceError STORE_FAILED
 */
export async function setIndexAside(home: string, now: Date = new Date()): Promise<string> {
  const path = indexPath(home);
  const aside = `${path}.corrupt-${now.toISOString().replaceAll(/[-:]/g, '')}`;
  await move(path, aside);
  for (const suffix of ['-wal', '-shm']) await move(`${path}${suffix}`, `${aside}${suffix}`);
  return aside;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw fileSystemError(`setting ${JSON.stringify(from)} aside`, error);
  }
}
