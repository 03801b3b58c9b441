import { lstat, open, rename, unlink } from 'node:fs/promises';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { SidecarHead } from '../oci/sidecar-head.js';
import type { LayerFacts } from '../transfer/protocol.js';
import type { Database } from './index/database.js';
import { markExtracted, unmarkExtracted } from './index/layers.js';
import { layerDirectory, layerSidecar, type LocationPaths } from './layout.js';
import { isMadeHere, noteMadeHere } from './made-here.js';
import { readSidecar } from './sidecar.js';
import { closeStaging, stagedSidecar, stagedTree } from './staging.js';
import { moveToForeignTrash, moveToTrash } from './trash.js';
import type { Staging, StoredLayer, WantedLayer } from './types.js';

/** Steps of a commit, in their order; between any two the process may end (extraction §12). */
export type CommitStep =
  | 'note'
  | 'unrecord'
  | 'remove old sidecar'
  | 'move old directory'
  | 'place tree'
  | 'place sidecar'
  | 'sync'
  | 'record'
  | 'close staging';

/** A layer that is to be published. */
export interface LayerCommit {
  readonly layer: WantedLayer;
  readonly staging: Staging;
  readonly facts: LayerFacts;
  readonly location: LocationPaths;
  readonly isSynced: boolean;
  readonly now: Date;
  /** Called before each step; what it throws ends the commit there. For tests. */
  readonly onStep?: ((step: CommitStep) => void) | undefined;
}

/** What came of a commit. */
export interface Committed {
  readonly layer: StoredLayer;
  /** What is to be removed now. */
  readonly trash: readonly string[];
}

/** See {@link Store.commitLayer}. */
export async function commitLayer(database: Database, commit: LayerCommit): Promise<Committed> {
  const { layer, location, staging, onStep = () => undefined } = commit;
  const stored = { ...(await readStaged(commit)), path: layerDirectory(location, layer.digest) };
  try {
    const replaced = await clearPlace(database, layer.digest, location, { onStep, comes: stagedTree(staging) });
    onStep('place tree');
    await rename(stagedTree(staging), stored.path);
    onStep('place sidecar');
    await rename(stagedSidecar(staging), layerSidecar(location, layer.digest));
    onStep('sync');
    if (commit.isSynced) await syncDirectory(location.layers);
    onStep('record');
    if (location.isHome)
      await database.transaction('recording a layer', (connection) => markExtracted(connection, stored, commit.now));
    onStep('close staging');
    const rest = await closeStaging(staging);
    return { layer: stored, trash: [replaced, rest].filter((path) => path !== null) };
  } catch (error) {
    throw fileSystemError(`committing layer ${layer.digest}`, error).with({ layer: layer.digest });
  }
}

/** What is published must be the layer that was asked for, and must say so itself. */
async function readStaged({ layer, staging, facts }: LayerCommit): Promise<SidecarHead> {
  const head = await readSidecar(stagedSidecar(staging), layer.digest);
  const isLayer =
    head?.diffId === layer.diffId &&
    head.packedBytes === layer.packedBytes &&
    head.unpackedBytes === facts.unpackedBytes &&
    head.entries === facts.entries &&
    head.composeRequired === facts.composeRequired;
  if (isLayer) return head;
  throw new SluiceError('SIDECAR_CORRUPT', {
    message: `committing layer ${layer.digest}: the staged sidecar describes another layer`,
    rule: 'extraction §12',
    layer: layer.digest,
  });
}

/** See {@link Store.setLayerAside}. @returns where its directory went */
export async function setLayerAside(
  database: Database,
  digest: Digest,
  location: LocationPaths,
): Promise<string | null> {
  try {
    return await clearPlace(database, digest, location);
  } catch (error) {
    throw fileSystemError(`setting layer ${digest} aside`, error).with({ layer: digest });
  }
}

/**
 * Takes away what stands where the layer goes. The sidecar goes first: it must never be seen beside a directory that it
 * does not describe. The row goes before it, as it vouches for what was there.
 * @returns where an old directory of ours went
 */
async function clearPlace(
  database: Database,
  digest: Digest,
  location: LocationPaths,
  { onStep = () => undefined, comes }: { readonly onStep?: (step: CommitStep) => void; readonly comes?: string } = {},
): Promise<string | null> {
  const [directory, sidecar] = [layerDirectory(location, digest), layerSidecar(location, digest)];
  const [hasSidecar, isThere] = [await exists(sidecar), await exists(directory)];
  const isOurs = hasSidecar || (isThere && (await isMadeHere(directory, digest, location)));
  onStep('note');
  await noteMadeHere([...(isOurs ? [directory] : []), ...(comes === undefined ? [] : [comes])], digest, location);
  if (!isOurs && !isThere) return null;
  onStep('unrecord');
  if (location.isHome)
    await database.transaction('replacing a layer', (connection) => unmarkExtracted(connection, digest));
  onStep('remove old sidecar');
  if (hasSidecar) await unlink(sidecar);
  onStep('move old directory');
  if (isOurs) return await moveToTrash(directory, location);
  await moveToForeignTrash(directory, digest, location);
  return null;
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

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
