import { Sluice } from '../index.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';
import { openOptions } from './session.js';

export interface LayersOptions extends CommonOptions {
  readonly layerPath?: string;
  readonly platform?: string;
  readonly statFormat?: 'containers' | 'libkrun';
  readonly overlay?: boolean;
}

/** `sluice layers REFERENCE`: directories bottom to top, or one `lowerdir=` text, topmost first. */
export async function layers(reference: string, options: LayersOptions): Promise<number> {
  const { layerPath, platform, statFormat } = options;
  const query = {
    ...(layerPath !== undefined && { layerPath }),
    ...(platform !== undefined && { platform }),
    ...(statFormat !== undefined && { statFormat }),
  };
  await using sluice = await Sluice.open(openOptions(options));
  const stack = await sluice.layers(reference, query);
  const paths = stack.map(({ path }) => path);
  if (!options.overlay) {
    if (options.json) printJson(stack);
    else for (const path of paths) printLine(path);
    return 0;
  }
  if (stack.some(({ composeRequired }) => composeRequired) && !options.quiet) {
    noteLine('warning: a layer links into lower ones; an overlay of these directories is not the whole image');
  }
  const lowerdir = formatLowerdir(paths);
  if (options.json) printJson(lowerdir);
  else printLine(lowerdir);
  return 0;
}

/**
 * The mount option of a stack.
 * @param paths bottom to top
 * @see Linux Documentation/filesystems/overlayfs.rst: colons, commas and backslashes are escaped
 */
export function formatLowerdir(paths: readonly string[]): string {
  const escaped = paths.map((path) => path.replace(/[\\:,]/g, '\\$&'));
  return `lowerdir=${escaped.toReversed().join(':')}`;
}
