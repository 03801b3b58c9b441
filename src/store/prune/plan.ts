import { formatReference, parseReference } from '../../oci/reference.js';
import type { Usage, UsedImage } from '../index/usage.js';

/** What of a store may stay. */
export interface PruneLimits {
  /** Images that were last used before it go; form of the index's times. */
  readonly usedBefore: string | null;
  /** Images beyond so many go, those that were used longest ago first. */
  readonly maxImages: number | null;
  /** Images go, those that were used longest ago first, until the layers of the rest have so many unpacked bytes. */
  readonly maxBytes: number | null;
}

/** Why an image goes. `not-canonical`: it stands under a name that no reference leads to (compat I12). */
export type PruneReason = 'not-canonical' | 'age' | 'count' | 'size';

/** An image that is to go. */
export interface DoomedImage {
  readonly image: UsedImage;
  readonly reason: PruneReason;
}

/** What {@link planPrune} decides. */
export interface PrunePlan {
  readonly doomed: readonly DoomedImage[];
  /** Images that a limit names and that stay all the same. */
  readonly kept: readonly { readonly image: UsedImage; readonly reason: 'pinned' | 'in-use' }[];
}

/**
 * Chooses the images that go. Those of another program that have a canonical name stay: they are not ours to judge.
 * @param isInUse whether somebody holds a lease on the image; asked of those alone that would go
 */
export async function planPrune(
  usage: Usage,
  limits: PruneLimits,
  isInUse: (image: UsedImage) => Promise<boolean>,
): Promise<PrunePlan> {
  const doomed: DoomedImage[] = [];
  const kept: { image: UsedImage; reason: 'pinned' | 'in-use' }[] = [];
  const weight = weigh(usage);
  const staying = new Set(usage.images.filter((image) => image.digest !== null));
  const doom = async (image: UsedImage, reason: PruneReason): Promise<void> => {
    if (image.isPinned) kept.push({ image, reason: 'pinned' });
    else if (await isInUse(image)) kept.push({ image, reason: 'in-use' });
    else {
      doomed.push({ image, reason });
      staying.delete(image);
      weight.remove(image);
    }
  };
  for (const image of usage.images) {
    if (image.digest === null && !isCanonical(image.reference)) await doom(image, 'not-canonical');
  }
  const oldestFirst = [...staying].toSorted((a, b) => compare(a.lastUsedAt ?? '', b.lastUsedAt ?? '') || a.id - b.id);
  for (const image of oldestFirst) {
    const reason = reasonFor(image, limits, staying.size, weight.bytes());
    if (reason) await doom(image, reason);
  }
  return { doomed, kept };
}

function reasonFor(image: UsedImage, limits: PruneLimits, images: number, bytes: number): PruneReason | null {
  if (limits.usedBefore !== null && (image.lastUsedAt ?? '') < limits.usedBefore) return 'age';
  if (limits.maxImages !== null && images > limits.maxImages) return 'count';
  if (limits.maxBytes !== null && bytes > limits.maxBytes) return 'size';
  return null;
}

/** Unpacked bytes of the layers that the images use, each once. */
function weigh({ images, layers }: Usage): { bytes(): number; remove(image: UsedImage): void } {
  const users = new Map<number, number>();
  const sizes = new Map(layers.map(({ id, packedBytes, unpackedBytes }) => [id, unpackedBytes ?? packedBytes]));
  for (const image of images) for (const id of new Set(image.layers)) users.set(id, (users.get(id) ?? 0) + 1);
  let bytes = 0;
  for (const id of users.keys()) bytes += sizes.get(id) ?? 0;
  return {
    bytes: () => bytes,
    remove: (image) => {
      for (const id of new Set(image.layers)) {
        const left = users.get(id)! - 1;
        users.set(id, left);
        if (left === 0) bytes -= sizes.get(id) ?? 0;
      }
    },
  };
}

/** Whether some reference leads to the row, for the default platform or another (compat G5, I13). */
function isCanonical(text: string): boolean {
  const [reference = ''] = text.split('#');
  try {
    return formatReference(parseReference(reference)) === reference;
  } catch {
    return false;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
