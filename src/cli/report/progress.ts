import type { SluiceEvent } from '../../index.js';

export type LayerPhase = 'waiting' | 'extracting' | 'done' | 'present' | 'failed' | 'aborted';

/** How far one layer is. */
export interface LayerProgress {
  readonly digest: string;
  readonly totalBytes: number;
  packedBytes: number;
  unpackedBytes: number;
  phase: LayerPhase;
}

/** What the events have told so far of all images; a layer that several share counts once. */
export interface Progress {
  readonly images: Map<string, 'resolving' | 'resolved' | 'failed'>;
  readonly layers: Map<string, LayerProgress>;
}

export function createProgress(): Progress {
  return { images: new Map(), layers: new Map() };
}

export function applyEvent({ images, layers }: Progress, event: SluiceEvent): void {
  const layer = 'layer' in event && event.layer !== undefined ? layers.get(event.layer) : undefined;
  switch (event.kind) {
    case 'resolve':
      images.set(event.image, 'resolving');
      break;
    case 'resolved':
      images.set(event.image, 'resolved');
      for (const { digest, packedBytes: totalBytes } of event.layers) {
        if (!layers.has(digest)) {
          layers.set(digest, { digest, totalBytes, packedBytes: 0, unpackedBytes: 0, phase: 'waiting' });
        }
      }
      break;
    case 'layer-present':
      if (layer) Object.assign(layer, { packedBytes: layer.totalBytes, phase: 'present' });
      break;
    case 'layer-start':
      if (layer) Object.assign(layer, { packedBytes: 0, unpackedBytes: 0, phase: 'extracting' });
      break;
    case 'layer-progress':
      if (layer) Object.assign(layer, { packedBytes: event.packedBytes, unpackedBytes: event.unpackedBytes });
      break;
    case 'layer-done':
      if (layer)
        Object.assign(layer, { packedBytes: layer.totalBytes, unpackedBytes: event.unpackedBytes, phase: 'done' });
      break;
    case 'layer-failed':
      if (layer) layer.phase = event.error.code === 'ABORTED' ? 'aborted' : 'failed';
      break;
    default:
      break;
  }
}

export function failImage({ images }: Progress, image: string): void {
  if (images.get(image) === 'resolving') images.set(image, 'failed');
}

function isExtracted({ phase }: LayerProgress): boolean {
  return phase === 'done' || phase === 'present';
}

/** The line of U10: one image's mark, or a count where there are several. */
export function resolveLine({ images }: Progress): string {
  const states = [...images.values()];
  const open = states.filter((state) => state === 'resolving').length;
  const count = states.length > 1 ? ` ${states.length - open} / ${states.length}` : '';
  const mark = open > 0 ? '' : states.includes('failed') ? ' ✗' : ' ✓';
  return `Fetch image details${count}${mark}`;
}

/** The two lines of U11. */
export function countLines({ layers }: Progress): [download: string, extract: string] {
  const all = [...layers.values()];
  const read = all.filter((layer) => isExtracted(layer) || layer.packedBytes >= layer.totalBytes).length;
  const extracted = all.filter(isExtracted).length;
  return [`Download layers ${read} / ${all.length}`, `Extracting layers ${extracted} / ${all.length}`];
}
