import { rename } from 'node:fs/promises';
import { errnoOf, fileSystemError } from '../errors.js';
import { indexPath } from './layout.js';

/**
 * Sets a damaged store index aside as `oci.db.corrupt-<time>`, so that the next opening makes a new one, which adopts
 * the layers on disk (compat I16). No store may be open on the home.
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
