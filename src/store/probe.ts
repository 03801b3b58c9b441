import { lstat, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fileSystemError } from '../errors.js';
import { native } from '../native.js';
import type { LocationPaths } from './layout.js';
import { closeStaging, openStaging, stagedTree } from './staging.js';
import type { LocationFacts } from './types.js';

/** Names that are one on a file system that folds case, and on one that folds normal forms. */
const TWINS: readonly (readonly [made: string, asked: string])[] = [
  ['a', 'A'],
  ['\u00e9', 'e\u0301'],
];

/**
 * Tries out the file system that layers are extracted to (extraction M10, E15, N8).
 * @throws SluiceError ADDON_MISSING | STORE_FAILED | DISK_FULL
 */
export async function probeLocation(location: LocationPaths): Promise<LocationFacts> {
  const hasOpenat2 = native().hasOpenat2();
  const staging = await openStaging('probe', location);
  const folder = stagedTree(staging);
  try {
    return {
      hasUserXattrs: await keepsUserXattrs(folder),
      foldsNames: await foldsNames(folder),
      hasOpenat2,
    };
  } catch (error) {
    throw fileSystemError(`trying out ${JSON.stringify(location.staging)}`, error);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await closeStaging(staging);
  }
}

/** Whether a file in `folder` keeps the xattr that holds owner and mode (extraction M2). */
export async function keepsUserXattrs(folder: string): Promise<boolean> {
  const path = join(folder, 'xattr');
  const [name, value] = [Buffer.from('user.containers.override_stat'), Buffer.from('0:0:0100644')];
  await writeFile(path, '');
  try {
    native().xattrSet(Buffer.from(path), name, value);
    return native().xattrGet(Buffer.from(path), name)?.equals(value) ?? false;
  } catch (error) {
    if (['ENOTSUP', 'EOPNOTSUPP'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

/** Whether names that differ in case or normal form alone are one file in `folder`, an empty directory. */
export async function foldsNames(folder: string): Promise<boolean> {
  for (const [made, asked] of TWINS) {
    await writeFile(join(folder, made), '');
    if (await exists(join(folder, asked))) return true;
  }
  return false;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
