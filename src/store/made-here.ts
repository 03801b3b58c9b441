import { lstat, readFile, writeFile } from 'node:fs/promises';
import { errnoOf, fileSystemError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { layerLockFile, type LocationPaths } from './layout.js';

/**
 * Notes, in the layer's lock file, which directories are of our making, before one of them stands without a sidecar: whoever
 * finds it after a crash may remove it, unlike a directory of another program (compat F6). The layer's lock must be held.
 * @param directories the one that is in place, the one that comes; absent ones are left out
 */
export async function noteMadeHere(
  directories: readonly string[],
  digest: Digest,
  location: LocationPaths,
): Promise<void> {
  const identities = await Promise.all(directories.map(identityOf));
  try {
    await writeFile(layerLockFile(location, digest), identities.filter((one) => one !== null).join('\n'));
  } catch (error) {
    throw fileSystemError(`noting what layer ${digest} is made of`, error);
  }
}

/** Whether a directory is one that {@link noteMadeHere} told of. */
export async function isMadeHere(directory: string, digest: Digest, location: LocationPaths): Promise<boolean> {
  const identity = await identityOf(directory);
  if (identity === null) return false;
  try {
    return (await readFile(layerLockFile(location, digest), 'latin1')).split('\n').includes(identity);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw fileSystemError(`reading what layer ${digest} is made of`, error);
  }
}

/** A rename keeps it; another directory has another one, also where inode numbers are used again. */
async function identityOf(path: string): Promise<string | null> {
  try {
    const { dev, ino, birthtimeNs } = await lstat(path, { bigint: true });
    return `${dev}:${ino}:${birthtimeNs}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
  }
}
