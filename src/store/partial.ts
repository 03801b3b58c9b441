import { mkdir, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fileSystemError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { LocationPaths } from './layout.js';
import type { PartialBlob } from '../transfer/protocol.js';

/** Where the packed bytes of an interrupted layer are kept (registry R91). */
export function partialFile(location: LocationPaths, digest: Digest): string {
  return join(location.partial, digest);
}

/**
 * What is kept of a blob; the layer's lock must be held.
 * @returns null when the rest of it would not fit the disk
 * @throws SluiceError STORE_FAILED
 */
export async function openPartial(
  digest: Digest,
  sizeBytes: number,
  location: LocationPaths,
): Promise<PartialBlob | null> {
  const path = partialFile(location, digest);
  try {
    await mkdir(location.partial, { recursive: true, mode: 0o700 });
    const length = await lengthOf(path);
    if (length > sizeBytes) await rm(path);
    const kept = length > sizeBytes ? 0 : length;
    const { bavail, bsize } = await statfs(location.partial);
    return sizeBytes - kept > bavail * bsize ? null : { path, length: kept };
  } catch (error) {
    throw fileSystemError(`looking at ${JSON.stringify(path)}`, error).with({ layer: digest });
  }
}

/** Removes what is kept of a blob. @throws SluiceError STORE_FAILED */
export async function dropPartial(digest: Digest, location: LocationPaths): Promise<void> {
  const path = partialFile(location, digest);
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw fileSystemError(`removing ${JSON.stringify(path)}`, error).with({ layer: digest });
  }
}

async function lengthOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
