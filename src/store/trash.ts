import { randomBytes } from 'node:crypto';
import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, fileSystemError } from '../errors.js';
import { foreignTrash, type LocationPaths } from './layout.js';

/**
 * Moves something of ours out of the way; a task of the pool removes it.
 * @returns where it went, null when it was gone
 */
export function moveToTrash(path: string, location: Pick<LocationPaths, 'trash'>): Promise<string | null> {
  return move(path, join(location.trash, `${basename(path)}.${randomBytes(8).toString('hex')}`));
}

/**
 * Moves a directory that Sluice did not make out of the way. Nobody removes it unasked: the seed's sandboxes may have
 * it mounted (compat F6).
 * @param name the layer's digest
 */
export async function moveToForeignTrash(path: string, name: string, location: LocationPaths): Promise<void> {
  for (let timeMs = Date.now(); ; timeMs++) {
    const time = new Date(timeMs).toISOString().replaceAll(/[-:]/g, '');
    try {
      await move(path, join(foreignTrash(location), `${name}.${time}`));
      return;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
}

/** What lies in the trash and may be removed: foreign directories are left out. */
export async function listTrash(location: LocationPaths): Promise<readonly string[]> {
  const names = await listDirectory(location.trash);
  return names.map((name) => join(location.trash, name)).filter((path) => path !== foreignTrash(location));
}

/** Names in a directory; none when it does not exist. */
export async function listDirectory(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw fileSystemError(`listing ${JSON.stringify(path)}`, error);
  }
}

async function move(from: string, to: string): Promise<string | null> {
  try {
    await rename(from, to);
    return to;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileSystemError(`moving ${JSON.stringify(from)} into the trash`, error);
  }
}

function isTaken(error: unknown): boolean {
  const errno = (error as { detail?: { errno?: string } }).detail?.errno;
  return errno === 'ENOTEMPTY' || errno === 'EEXIST' || errno === 'ENOTDIR';
}
