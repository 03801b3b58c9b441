import { SluiceError } from '../errors.js';
import { parsePruneOptions, type PruneOptions } from '../options.js';
import { formatTime } from '../store/index/rows.js';
import type { Pruned } from '../store/prune/prune.js';
import type { Store } from '../store/types.js';

/** @throws SluiceError CONFIG_INVALID | ABORTED, or of the store */
export async function pruneStore(store: Store, options: PruneOptions): Promise<Pruned> {
  const { olderThanMs, maxImages, maxBytes, foreign, dryRun, layerPath, signal } = parsePruneOptions(options);
  return await store.prune({
    usedBefore: olderThanMs === undefined ? null : formatTime(new Date(Date.now() - olderThanMs)),
    maxImages: maxImages ?? null,
    maxBytes: maxBytes ?? null,
    foreign,
    dryRun,
    signal,
    location: await store.location(layerPath),
  });
}

/** @param name what an image is recorded as, or a digest @throws SluiceError IMAGE_NOT_FOUND | ABORTED, or of the store */
export async function removeFromStore(
  store: Store,
  name: string,
  { layerPath, signal = new AbortController().signal }: { readonly layerPath?: string; readonly signal?: AbortSignal },
): Promise<Pruned> {
  const removed = await store.removeImage(name, await store.location(layerPath), signal);
  if (removed) return removed;
  throw new SluiceError('IMAGE_NOT_FOUND', { message: `removing "${name}": it is not in the store`, image: name });
}
