import type { Pruned } from '../index.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';
import { formatBytes, printable } from './text.js';

/** Prints what went, a thing a line: on standard output what is gone, on standard error what stays. */
export function printPruned(
  { images, layers, kept, foreign }: Pruned,
  { json, quiet }: Pick<CommonOptions, 'json' | 'quiet'>,
): void {
  if (json) {
    for (const image of images) printJson({ kind: 'image', ...image });
    for (const layer of layers) printJson({ kind: 'layer', ...layer });
    for (const name of foreign) printJson({ kind: 'foreign', name });
    for (const one of kept) printJson({ kind: 'kept', ...one });
    return;
  }
  for (const { reference, reason } of images) printLine(`image ${printable(reference)}${reasonOf(reason)}`);
  for (const { digest, unpackedBytes } of layers)
    printLine(`layer ${digest}${unpackedBytes === null ? '' : ` ${formatBytes(unpackedBytes)}`}`);
  for (const name of foreign) printLine(`foreign ${printable(name)}`);
  if (!quiet) for (const { name, reason } of kept) noteLine(`kept ${printable(name)}: ${reason}`);
}

function reasonOf(reason: Pruned['images'][number]['reason']): string {
  return reason === 'asked' ? '' : ` (${reason})`;
}
