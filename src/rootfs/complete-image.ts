import type { Events } from '../events.js';
import type { Digest } from '../oci/digest.js';
import type { ResolvedImage } from '../oci/manifest.js';
import { stackLayers } from '../store/index/record-image.js';
import type { LayersLocation, StoredLayer } from '../store/types.js';
import { placeOf, type RootfsEngine, runAlone } from './engine.js';

/** An image whose layers are complete and which is about to be recorded. */
export interface Completion {
  readonly engine: RootfsEngine;
  readonly location: LayersLocation;
  /** Name of the image in events. */
  readonly image: string;
  readonly settings: { readonly sync: boolean };
  readonly events: Events;
  readonly signal: AbortSignal;
}

/**
 * Completes the implied directories of an image's layers, with all their locks held (extraction P3 to P5).
 * @param stored one layer for each digest, in any order
 * @returns the layers that this image cannot simply stack
 * @throws SluiceError ABORTED | STORE_FAILED | DISK_FULL | SIDECAR_CORRUPT
 */
export async function completeImage(
  resolved: ResolvedImage,
  stored: readonly StoredLayer[],
  completion: Completion,
): Promise<ReadonlySet<Digest>> {
  const { engine, location, image, events, signal } = completion;
  const sync = completion.settings.sync ? await engine.pool.syncGroupOf(location.layers) : null;
  const stack = stackLayers(resolved, stored, new Set()).map(({ layer }) => layer);
  const layers = stack.map(placeOf);
  const { facts: implied } = await runAlone(completion, () => engine.pool.run({ kind: 'find-implied', layers }));
  if (implied.length === 0) return new Set();
  await using _locks = await engine.store.lockLayers(
    stack.map(({ digest }) => digest),
    location,
    signal,
  );
  const { facts: completed } = await runAlone(completion, () =>
    engine.pool.run({ kind: 'complete', layers, implied, sync }),
  );
  for (const { digest, warnings } of completed)
    for (const warning of warnings) events.emit({ kind: 'warning', image, layer: digest, ...warning });
  const composed = new Set(completed.flatMap(({ digest, needsCompose }) => (needsCompose ? [digest] : [])));
  return new Set(stack.map(({ digest }) => digest).filter((digest) => composed.has(digest)));
}
