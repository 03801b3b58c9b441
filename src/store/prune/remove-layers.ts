import { lstat, unlink, type FileHandle } from 'node:fs/promises';
import { errnoOf, fileSystemError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { Database } from '../index/database.js';
import { deleteLayers, selectReferenced } from '../index/usage.js';
import { layerDirectory, layerLockFile, layerSidecar, leaseFile, type LocationPaths } from '../layout.js';
import { tryLockFile } from '../lock.js';
import { isMadeHere, noteMadeHere } from '../made-here.js';
import { moveToTrash } from '../trash.js';

/** Layers whose locks are held at once. */
const BATCH = 32;

/** What became of layers that nobody seemed to use. */
export interface RemovedLayers {
  /** Those that were on disk. */
  readonly removed: readonly Digest[];
  /** Somebody holds a lease on them, transfers or reads them. */
  readonly inUse: readonly Digest[];
  /** What is to be removed now. */
  readonly trash: readonly string[];
}

/**
 * Removes layers that no image uses: first the row, then the sidecar, then the directory, which goes to the trash. Of each,
 * the lease and the layer's lock are held meanwhile, and never waited for; a layer that an image uses by then stays.
 * @param signal ends it between two layers, without an error: the caller has to know what went
 */
export async function removeLayers(
  database: Database,
  digests: readonly Digest[],
  location: LocationPaths,
  signal: AbortSignal,
): Promise<RemovedLayers> {
  const [removed, inUse, trash]: [Digest[], Digest[], string[]] = [[], [], []];
  for (let at = 0; at < digests.length && !signal.aborted; at += BATCH) {
    await using held = await holdAll(digests.slice(at, at + BATCH), location);
    inUse.push(...held.inUse);
    for (const digest of await forget(database, held.digests, location)) {
      const path = await takeAway(digest, location);
      if (path === null) continue;
      removed.push(digest);
      trash.push(path);
    }
  }
  return { removed, inUse, trash };
}

/** @returns those that no image uses */
async function forget(
  database: Database,
  digests: readonly Digest[],
  location: LocationPaths,
): Promise<readonly Digest[]> {
  return await database.transaction('removing layers', async (connection) => {
    const referenced = await selectReferenced(connection, digests);
    const unused = digests.filter((digest) => !referenced.has(digest));
    if (location.isHome) await deleteLayers(connection, unused);
    return unused;
  });
}

/**
 * The sidecar first: without it, the directory is nothing. A directory without one is not ours (compat F6), but for one
 * that was noted before its sidecar went.
 * @returns where the directory went
 */
async function takeAway(digest: Digest, location: LocationPaths): Promise<string | null> {
  const sidecar = layerSidecar(location, digest);
  const directory = layerDirectory(location, digest);
  try {
    await lstat(sidecar);
    await noteMadeHere([directory], digest, location);
    await unlink(sidecar);
  } catch (error) {
    const isGone = errnoOf(error) === 'ENOENT';
    if (!isGone) throw fileSystemError(`removing layer ${digest}`, error).with({ layer: digest });
    if (!(await isMadeHere(directory, digest, location))) return null;
  }
  return await moveToTrash(directory, location);
}

interface HeldLayers extends AsyncDisposable {
  readonly digests: readonly Digest[];
  readonly inUse: readonly Digest[];
}

/** Lock files are unlinked while they are held; whoever waits for one sees that it guards nothing (compat F20). */
async function holdAll(wanted: readonly Digest[], location: LocationPaths): Promise<HeldLayers> {
  const held: { readonly path: string; readonly handle: FileHandle }[] = [];
  const [digests, inUse]: [Digest[], Digest[]] = [[], []];
  const release = async (): Promise<void> => {
    for (const { path, handle } of held.splice(0)) {
      await unlink(path).catch(() => undefined);
      await handle.close();
    }
  };
  const hold = async (path: string): Promise<boolean> => {
    const handle = await tryLockFile(path);
    if (handle) held.push({ path, handle });
    return handle !== null;
  };
  try {
    for (const digest of wanted) {
      const isFree = (await hold(leaseFile(location, digest))) && (await hold(layerLockFile(location, digest)));
      (isFree ? digests : inUse).push(digest);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { digests, inUse, [Symbol.asyncDispose]: release };
}
