import { Sluice } from '../index.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson } from './output.js';
import { printPruned } from './pruned.js';
import { openOptions } from './session.js';
import { formatBytes } from './text.js';

export interface PruneCommandOptions extends CommonOptions {
  readonly layerPath?: string;
  /** In milliseconds. */
  readonly olderThan?: number;
  readonly maxImages?: number;
  readonly maxBytes?: number;
  readonly foreign?: boolean;
  readonly dryRun?: boolean;
}

/** `sluice prune`: what no image uses goes, and images that pass a limit. */
export async function prune(options: PruneCommandOptions, signal: AbortSignal): Promise<number> {
  const { layerPath, olderThan, maxImages, maxBytes, foreign = false, dryRun = false, json, quiet } = options;
  await using sluice = await Sluice.open(openOptions(options));
  const pruned = await sluice.prune({
    ...(layerPath !== undefined && { layerPath }),
    ...(olderThan !== undefined && { olderThanMs: olderThan }),
    ...(maxImages !== undefined && { maxImages }),
    ...(maxBytes !== undefined && { maxBytes }),
    foreign,
    dryRun,
    signal,
  });
  printPruned(pruned, options);
  const { images, layers } = pruned;
  const unpackedBytes = layers.reduce((sum, layer) => sum + (layer.unpackedBytes ?? 0), 0);
  if (json) printJson({ result: { dryRun, images: images.length, layers: layers.length, unpackedBytes } });
  else if (!quiet)
    noteLine(
      `${dryRun ? 'would remove' : 'removed'} ${images.length} images and ${layers.length} layers, ${formatBytes(unpackedBytes)} unpacked`,
    );
  return 0;
}
