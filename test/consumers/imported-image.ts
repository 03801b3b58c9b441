import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { PulledImage, Sluice } from '../../src/index.js';
import { buildImage, parseLayer, writeOciLayout } from '../../src/testing/index.js';
import { openSluice } from '../helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

/** An image in a store, and the layout that it came from. */
export interface ImportedImage {
  readonly sluice: Sluice;
  /** `DIR:TAG`. */
  readonly layout: string;
  /** Directories of the layers, bottom to top. */
  readonly directories: readonly string[];
  readonly image: PulledImage;
}

/** Imports an image of an OCI layout into a store of its own. @param layers texts of layers, bottom to top */
export async function importLayers(t: Cleanup, layers: readonly string[]): Promise<ImportedImage> {
  isolateEnvironment(t);
  const folder = temporaryDirectory(t, 'sluice-consumer');
  const layout = join(folder, 'layout');
  writeOciLayout(layout, { v1: buildImage({ layers: layers.map((text) => ({ tar: parseLayer(text) })) }) });
  const sluice = await openSluice(t, { home: join(folder, 'home') });
  const image = await sluice.import(`oci:${layout}:v1`, { platform: 'any', sync: false });
  assert.equal(image.layers.length, layers.length);
  return { sluice, layout: `${layout}:v1`, directories: image.layers.map(({ path }) => path), image };
}

/** Everything that pieces hold, a character a byte. */
export async function textOf(pieces: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece.toString('latin1');
  return text;
}
