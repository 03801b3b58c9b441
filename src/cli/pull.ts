import type { TransferOptions } from './options.js';
import { printJson } from './output.js';
import { withSession } from './session.js';

/** `sluice pull NAME`: silent on standard output, and altogether when the image is there (compat U2). */
export async function pull(name: string, options: TransferOptions, signal: AbortSignal): Promise<number> {
  const image = await withSession(options, signal, ({ bring }) => bring(`docker://${name}`));
  if (options.json) printJson({ result: image });
  return 0;
}
