import { Sluice, SluiceError } from '../index.js';
import type { CommonOptions } from './options.js';
import { printPieces } from './output.js';
import { openOptions } from './session.js';

export interface MtreeOptions extends CommonOptions {
  readonly layerPath?: string;
  readonly host?: boolean;
}

/** `sluice mtree DIGEST`: the sidecar of a layer. */
export async function mtree(digest: string, options: MtreeOptions): Promise<number> {
  const { layerPath, host, json } = options;
  if (json) {
    const message = 'an mtree and JSON cannot both go to standard output';
    throw new SluiceError('CONFIG_INVALID', { message, hint: 'Leave out --json.' });
  }
  await using sluice = await Sluice.open(openOptions(options));
  const query = { ...(layerPath !== undefined && { layerPath }), ...(host !== undefined && { host }) };
  await printPieces(sluice.sidecar(digest, query));
  return 0;
}
