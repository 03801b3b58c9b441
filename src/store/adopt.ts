import { isDeepStrictEqual } from 'node:util';
import type { Database } from './index/database.js';
import { markExtracted, unmarkExtracted } from './index/layers.js';
import type { LocationPaths } from './layout.js';
import { type LayerState, readStoredLayer } from './layer-state.js';
import type { StoredLayer } from './types.js';

/**
 * Brings the rows of complete layers up to what their sidecars say (compat F13). A layer without a row stays so: its
 * image gives it one, bottom first (compat I8). Layers outside the home have no say in the index (compat F5). While another
 * process writes, it is left to the next lookup.
 */
export async function adoptLayers(
  database: Database,
  states: readonly LayerState[],
  location: LocationPaths,
  now: Date,
): Promise<void> {
  const found = states.flatMap((state) => (state.kind === 'complete' && state.isUnrecorded ? [state.layer] : []));
  if (found.length === 0 || !location.isHome) return;
  await database.transactionUnlessBusy('adopting layers', async (connection) => {
    for (const layer of found) await markExtracted(connection, layer, now);
  });
  await unmarkReplaced(database, found, location);
}

/**
 * To be called by whoever records layers without holding their locks: another process may have replaced one meanwhile, and
 * recorded it before. A row that its sidecar contradicts says nothing, so that the disk decides (compat F6).
 */
export async function unmarkReplaced(
  database: Database,
  recorded: readonly StoredLayer[],
  location: LocationPaths,
): Promise<void> {
  for (const layer of recorded) {
    if (isDeepStrictEqual(await readStoredLayer(layer.digest, location), layer)) continue;
    await database.transaction('recording a layer', (connection) => unmarkExtracted(connection, layer.digest));
  }
}
