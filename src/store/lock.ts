import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { native } from '../native.js';
import { layerLockFile, type LocationPaths } from './layout.js';
import type { LayerLock } from './types.js';

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 200;

/** `shared`: others may hold it too who only read the layer. */
export type LockKind = 'exclusive' | 'shared';

/**
 * Takes a layer's lock, waiting until it is free; never blocks the thread (compat F20).
 * @throws SluiceError ABORTED (or the signal's own reason) | ADDON_MISSING | STORE_FAILED
 */
export async function lockLayer(
  digest: Digest,
  location: LocationPaths,
  signal: AbortSignal,
  kind: LockKind = 'exclusive',
): Promise<LayerLock> {
  const handle = await lockFile(layerLockFile(location, digest), digest, signal, kind);
  return { digest, [Symbol.asyncDispose]: () => handle.close() };
}

/** Waits for the lock of a file, which is made when it is absent; the lock ends with the handle. @see lockLayer */
export async function lockFile(
  path: string,
  digest: Digest | null,
  signal: AbortSignal,
  kind: LockKind,
): Promise<FileHandle> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    throwIfAborted(digest, signal);
    const handle = await openLockFile(path);
    if (await takeHold(handle, path, kind)) return handle;
    await handle.close();
    await sleep(waitMs, undefined, { signal }).catch(() => throwIfAborted(digest, signal));
  }
}

/** Takes the lock of a file, for its holder alone. @returns null when another holds it */
export async function tryLockFile(path: string): Promise<FileHandle | null> {
  const handle = await openLockFile(path);
  if (await takeHold(handle, path)) return handle;
  await handle.close();
  return null;
}

/** Whether another holds the lock of a file; makes nothing. */
export async function isLocked(path: string): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw fileSystemError(`opening lock ${JSON.stringify(path)}`, error);
  }
  try {
    return !native().flock(handle.fd, true);
  } finally {
    await handle.close();
  }
}

/** Takes the locks of several layers in digest order, so that no two callers wait for each other. */
export async function lockLayers(
  digests: readonly Digest[],
  location: LocationPaths,
  signal: AbortSignal,
  kind: LockKind = 'exclusive',
): Promise<AsyncDisposable> {
  const held: AsyncDisposable[] = [];
  const release = async (): Promise<void> => {
    for (const lock of held.splice(0)) await lock[Symbol.asyncDispose]();
  };
  try {
    for (const digest of [...new Set(digests)].toSorted()) held.push(await lockLayer(digest, location, signal, kind));
  } catch (error) {
    await release();
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

/**
 * Tries to lock an open file or directory for as long as the handle is open.
 * @returns false when another holds it, or when the path leads elsewhere by now: a lock on an unlinked file guards
 *   nothing
 */
export async function takeHold(handle: FileHandle, path: string, kind: LockKind = 'exclusive'): Promise<boolean> {
  try {
    return native().flock(handle.fd, kind === 'exclusive') && (await isStillAt(handle, path));
  } catch (error) {
    await handle.close();
    throw fileSystemError(`locking ${JSON.stringify(path)}`, error);
  }
}

async function isStillAt(handle: FileHandle, path: string): Promise<boolean> {
  try {
    const [held, named] = [await handle.stat({ bigint: true }), await stat(path, { bigint: true })];
    return held.ino === named.ino && held.dev === named.dev;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    throw fileSystemError(`opening lock ${JSON.stringify(path)}`, error);
  }
}

function throwIfAborted(digest: Digest | null, signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (signal.reason instanceof SluiceError) throw signal.reason;
  throw new SluiceError(
    'ABORTED',
    { message: 'waiting for a lock', ...(digest && { layer: digest }) },
    { cause: signal.reason },
  );
}
