import { Sluice, SluiceError, type Pruned } from '../index.js';
import { failureLines, failureOf } from './failure.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson } from './output.js';
import { printPruned } from './pruned.js';
import { openOptions } from './session.js';

export interface RemoveCommandOptions extends CommonOptions {
  readonly layerPath?: string;
  readonly platform?: string;
}

/** `sluice rm REF...`: goes on past one that fails. */
export async function remove(
  references: readonly string[],
  options: RemoveCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  const { layerPath, platform, json } = options;
  const query = { signal, ...(layerPath !== undefined && { layerPath }), ...(platform !== undefined && { platform }) };
  const failed: unknown[] = [];
  const removed: Pruned[] = [];
  await using sluice = await Sluice.open(openOptions(options));
  for (const reference of references) {
    try {
      const pruned = await sluice.remove(reference, query);
      removed.push(pruned);
      printPruned(pruned, options);
    } catch (error) {
      if (error instanceof SluiceError && error.code === 'ABORTED') throw error;
      failed.push({ reference, error: failureOf(error) });
      if (json) printJson({ kind: 'remove-failed', reference, error: failureOf(error) });
      else for (const line of failureLines(error)) noteLine(line);
    }
  }
  if (json) printJson({ result: { images: removed.flatMap(({ images }) => images), failed } });
  return failed.length > 0 ? 1 : 0;
}
