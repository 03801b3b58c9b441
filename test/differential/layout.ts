import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A layer of an OCI layout on disk. */
export interface LayoutLayer {
  /** Path of its blob. */
  readonly blob: string;
  readonly digest: string;
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly mediaType: string;
}

/** Every distinct layer of every image in a layout, bottom to top. */
export function layersOf(layout: string): readonly LayoutLayer[] {
  const pathOf = ({ digest }: Descriptor): string => join(layout, 'blobs', digest.replace(':', '/'));
  const read = <T>(descriptor: Descriptor): T => JSON.parse(readFileSync(pathOf(descriptor), 'utf8')) as T;
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const layers = index.manifests.flatMap((image) => {
    const manifest = read<{ layers: Descriptor[]; config: Descriptor }>(image);
    const config = read<{ rootfs: { diff_ids: string[] } }>(manifest.config);
    return manifest.layers.map((layer, at) => ({
      blob: pathOf(layer),
      digest: layer.digest,
      diffId: config.rootfs.diff_ids[at]!,
      sizeBytes: layer.size,
      mediaType: layer.mediaType,
    }));
  });
  return [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
}
