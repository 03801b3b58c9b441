import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import type { LocationPaths } from './layout.js';
import { takeHold } from './lock.js';
import { listDirectory, moveToTrash } from './trash.js';
import type { Staging } from './types.js';

const TRIES = 16;
/** Files in staging that have a name are this old only when a process died over them. */
const FILE_AGE_MS = 60_000;

/** Directory inside a staging directory that becomes the layer. */
export function stagedTree(staging: Staging): string {
  return join(staging.path, 'tree');
}

/** File inside a staging directory that becomes the sidecar. */
export function stagedSidecar(staging: Staging): string {
  return join(staging.path, 'mtree');
}

/**
 * Makes a staging directory `<name>.<random>` (0700) with an empty `tree/`, held by a lock on its own descriptor so
 * that no sweep takes it (compat F21).
 * @throws SluiceError ADDON_MISSING | STORE_FAILED | DISK_FULL
 */
export async function openStaging(name: string, location: LocationPaths): Promise<Staging> {
  for (let tries = 0; tries < TRIES; tries++) {
    const path = join(location.staging, `${name}.${randomBytes(8).toString('hex')}`);
    const handle = await makeHeld(path);
    if (!handle) continue;
    const staging: Staging = { path, trash: location.trash, hold: { [Symbol.asyncDispose]: () => handle.close() } };
    await mkdir(stagedTree(staging), { mode: 0o700 }).catch(async (error: unknown) => {
      await handle.close();
      throw fileSystemError(`making ${JSON.stringify(path)}`, error);
    });
    return staging;
  }
  throw new SluiceError(
    'STORE_FAILED',
    `making a directory in ${JSON.stringify(location.staging)}: others keep taking it away`,
  );
}

/** Null when a sweep of another process came between making and locking. */
async function makeHeld(path: string): Promise<FileHandle | null> {
  let handle: FileHandle;
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    throw fileSystemError(`making ${JSON.stringify(path)}`, error);
  }
  try {
    handle = await openDirectory(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileSystemError(`opening ${JSON.stringify(path)}`, error);
  }
  if (await takeHold(handle, path)) return handle;
  await handle.close();
  return null;
}

function openDirectory(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
}

/**
 * Gives up a staging directory that a commit has emptied.
 * @returns where it went when it was not empty after all
 */
export async function closeStaging(staging: Staging): Promise<string | null> {
  try {
    await rmdir(staging.path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') return await discardStaging(staging);
  }
  await staging.hold[Symbol.asyncDispose]();
  return null;
}

/**
 * Gives up a staging directory with what is in it.
 * @returns where it went, null when it was gone
 */
export async function discardStaging(staging: Staging): Promise<string | null> {
  const path = await moveToTrash(staging.path, staging);
  await staging.hold[Symbol.asyncDispose]();
  return path;
}

/**
 * Moves what dead processes left in `staging/` into the trash (compat F21). What a living one holds stays.
 * @returns where it went
 */
export async function sweepStaging(location: LocationPaths): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const name of await listDirectory(location.staging)) {
    const path = await sweepOne(join(location.staging, name), location);
    if (path) swept.push(path);
  }
  return swept;
}

async function sweepOne(path: string, location: LocationPaths): Promise<string | null> {
  let handle: FileHandle;
  try {
    handle = await openDirectory(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return null;
    if (errno === 'ENOTDIR' || errno === 'ELOOP') return await sweepFile(path, location);
    throw fileSystemError(`opening ${JSON.stringify(path)}`, error);
  }
  const swept = (await takeHold(handle, path)) ? await moveToTrash(path, location) : null;
  await handle.close();
  return swept;
}

/** A young file may be one that is about to lose its name; nothing holds it meanwhile. */
async function sweepFile(path: string, location: LocationPaths): Promise<string | null> {
  const found = await lstat(path).catch(() => null);
  return found && Date.now() - found.mtimeMs > FILE_AGE_MS ? await moveToTrash(path, location) : null;
}
