import { join } from 'node:path';
import type { ImageFiles, LayerFile } from '../corpus/layout.js';

/** Each distinct layer's blob, followed by the directory that it goes to. */
export function pairsOf(images: readonly ImageFiles[], out: string): string[] {
  const distinct = new Map(images.flatMap(({ layers }) => layers).map((layer) => [layer.digest, layer]));
  return [...distinct.values()].flatMap((layer) => [layer.path, directoryOf(out, layer)]);
}

/** The directories of each image's layers, where {@link pairsOf} puts them. */
export function treesIn(out: string, images: readonly ImageFiles[]): string[][] {
  return images.map(({ layers }) => layers.map((layer) => directoryOf(out, layer)));
}

function directoryOf(out: string, { digest }: LayerFile): string {
  return join(out, digest.replace(':', '-'));
}
