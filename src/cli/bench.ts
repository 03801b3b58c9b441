import { tmpdir } from 'node:os';
import type { CommonOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';

export interface BenchOptions extends Pick<CommonOptions, 'json' | 'quiet'> {
  readonly rounds: number;
  readonly work?: string;
  readonly plainHttp?: boolean;
}

/** `sluice bench SOURCE`: times Sluice beside whoever of its peers is installed, on the user's own image. */
export async function bench(source: string, options: BenchOptions, signal: AbortSignal): Promise<number> {
  const { benchOwnImage } = await import('../../bench/own-image.js');
  const { markdown, records, isMeasured } = await benchOwnImage(source, {
    rounds: options.rounds,
    directory: options.work ?? tmpdir(),
    isPlainHttp: options.plainHttp ?? false,
    defaultRegistry: process.env['OCI_REGISTRY_DOMAIN'],
    signal,
    onLine: (line) => {
      if (!options.quiet) noteLine(line);
    },
  });
  if (options.json) printJson(records);
  else printLine(markdown);
  return isMeasured ? 0 : 1;
}
