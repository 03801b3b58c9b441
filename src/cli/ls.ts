import { Sluice, type ImageSummary } from '../index.js';
import type { CommonOptions } from './options.js';
import { printJson, printLine } from './output.js';
import { openOptions } from './session.js';
import { formatBytes, formatTable, printable, shortDigest } from './text.js';

export interface ListOptions extends CommonOptions {
  readonly all?: boolean;
}

const HEAD = ['REFERENCE', 'PLATFORM', 'DIGEST', 'SIZE', 'LAYERS', 'LAST USED'];

/** `sluice ls`: the images of the store, one a line. */
export async function list(options: ListOptions): Promise<number> {
  await using sluice = await Sluice.open(openOptions(options));
  const images = await sluice.list({ all: options.all ?? false });
  if (options.json) printJson(images);
  else for (const line of formatTable([HEAD, ...images.map(cellsOf)])) printLine(line);
  return 0;
}

function cellsOf({ reference, platform, digest, sizeBytes, layers, lastUsedAt }: ImageSummary): string[] {
  const short = digest === null ? '-' : shortDigest(digest, 12);
  return [printable(reference), platform ?? '-', short, formatBytes(sizeBytes), String(layers), lastUsedAt ?? '-'];
}
