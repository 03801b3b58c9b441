import { Sluice } from '../index.js';
import type { CommonOptions } from './options.js';
import { openOptions } from './session.js';

export interface PinOptions extends CommonOptions {
  readonly platform?: string;
  readonly remove?: boolean;
}

/** `sluice pin REF...`: keeps images from being pruned, or no longer. */
export async function pin(references: readonly string[], options: PinOptions): Promise<number> {
  const { platform, remove = false } = options;
  const query = { ...(platform !== undefined && { platform }) };
  await using sluice = await Sluice.open(openOptions(options));
  for (const reference of references) await (remove ? sluice.unpin(reference, query) : sluice.pin(reference, query));
  return 0;
}
