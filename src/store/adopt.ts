import type { Database } from './index/database.js';
import { markExtracted } from './index/layers.js';
import type { LocationPaths } from './layout.js';
import type { LayerState } from './layer-state.js';

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
  await database.useUnlessBusy('adopting layers', async (connection) => {
    for (const layer of found) await markExtracted(connection, layer, now);
  });
}
