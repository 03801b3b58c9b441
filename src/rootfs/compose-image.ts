import type { Events } from '../events.js';
import type { LayersLocation, PulledImage } from '../store/types.js';
import { openControl } from '../transfer/control.js';
import type { Budget } from '../transfer/protocol.js';
import { placeOf, type RootfsEngine, runAlone } from './engine.js';

/** An image that is composed, and with what. */
export interface Composing {
  readonly engine: RootfsEngine;
  readonly image: PulledImage;
  /** Where the image's layers are. */
  readonly location: LayersLocation;
  readonly budget: Budget;
  readonly sync: boolean;
  readonly events: Events;
  readonly signal: AbortSignal;
}

/**
 * Composes an image into `<staging>/tree`, with its sidecar `<staging>/mtree` (extraction W8); nobody replaces its layers
 * meanwhile.
 * @param staging an empty directory
 * @param folds whether its file system takes different names for one
 * @throws SluiceError ENTRY_REFUSED (H6, H8) | BUDGET_EXCEEDED (B2 to B4) | ABORTED | STORE_FAILED | DISK_FULL | SIDECAR_CORRUPT
 */
export async function composeImage(composing: Composing, staging: string, folds: boolean): Promise<void> {
  const { engine, image, location, budget, sync, events, signal } = composing;
  const digests = image.layers.map(({ digest }) => digest);
  await using _locks = await engine.store.lockLayers(digests, location, signal, 'shared');
  const control = openControl();
  signal.addEventListener('abort', control.abort, { once: true });
  try {
    const layers = image.layers.map(placeOf);
    const { walk } = engine;
    const group = sync ? await engine.pool.syncGroupOf(staging) : null;
    const { warnings } = await runAlone(composing, () =>
      engine.pool.run({ kind: 'compose', control: control.buffer, layers, staging, walk, folds, budget, sync: group }),
    );
    for (const warning of warnings) events.emit({ kind: 'warning', image: image.reference, ...warning });
  } finally {
    signal.removeEventListener('abort', control.abort);
  }
}
