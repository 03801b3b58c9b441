import { unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Digest, isDigest } from '../../oci/digest.js';
import type { Database } from '../index/database.js';
import { deleteImages, selectUsage, type Usage, type UsedImage } from '../index/usage.js';
import { isMadeHere } from '../made-here.js';
import { foreignTrash, layerDirectory, layerLockFile, leaseFile, type LocationPaths } from '../layout.js';
import { isLocked, tryLockFile } from '../lock.js';
import { listDirectory, moveToTrash } from '../trash.js';
import { dropPartial } from '../partial.js';
import { type DoomedImage, planPrune, type PruneLimits, type PruneReason } from './plan.js';
import { removeLayers } from './remove-layers.js';

/** What is pruned. */
export interface PruneRequest extends PruneLimits {
  readonly location: LocationPaths;
  /** Also directories that Sluice did not make and put aside (compat F6). */
  readonly foreign: boolean;
  /** Tell what would go, and change nothing. */
  readonly dryRun: boolean;
  /** Ends it between two images or layers, without an error: the caller has to know what went. */
  readonly signal: AbortSignal;
}

/** What went, or with `dryRun` would go. */
export interface Pruned {
  readonly images: readonly { readonly reference: string; readonly reason: PruneReason | 'asked' }[];
  /** Layers on disk that no image uses. */
  readonly layers: readonly PrunedLayer[];
  /** What would go, but for this. */
  readonly kept: readonly { readonly name: string; readonly reason: 'pinned' | 'in-use' }[];
  /** Directories that other programs made, by name. */
  readonly foreign: readonly string[];
}

export interface PrunedLayer {
  readonly digest: Digest;
  /** Length of its tar stream; null for a layer that the index does not know. */
  readonly unpackedBytes: number | null;
}

/** {@link Pruned}, and where it lies now. */
export interface PruneResult extends Pruned {
  readonly trash: readonly string[];
}

/** See {@link Store.prune}. */
export async function prune(database: Database, request: PruneRequest): Promise<PruneResult> {
  const { location, dryRun, signal } = request;
  const usage = await database.snapshot('reading what is used', selectUsage);
  const plan = await planPrune(usage, request, (image) => isImageInUse(image, location));
  const going = dryRun ? plan.doomed : await removeImages(database, plan.doomed, request);
  const unused = await listUnused(usage, new Set(going.map(({ image }) => image)), location);
  const layers = dryRun ? await wouldRemove(unused, location) : await removeLayers(database, unused, location, signal);
  const foreign = request.foreign && !signal.aborted ? await listDirectory(foreignTrash(location)) : [];
  const trash = dryRun ? [] : [...layers.trash, ...(await moveForeign(foreign, location))];
  if (!dryRun && !signal.aborted) {
    await sweepPartials(location);
    await sweepLockFiles(location, usage);
  }
  const sizes = new Map(usage.layers.map(({ digest, unpackedBytes }) => [digest, unpackedBytes]));
  return {
    images: going.map(({ image, reason }) => ({ reference: image.reference, reason })),
    layers: layers.removed.map((digest) => ({ digest, unpackedBytes: sizes.get(digest) ?? null })),
    kept: [
      ...plan.kept.map(({ image, reason }) => ({ name: image.reference, reason })),
      ...layers.inUse.map((digest) => ({ name: digest, reason: 'in-use' as const })),
    ],
    foreign,
    trash,
  };
}

async function isImageInUse({ digest }: UsedImage, location: LocationPaths): Promise<boolean> {
  return digest !== null && (await isLocked(leaseFile(location, digest)));
}

/** An image whose lease is held by then, or that was used by then, stays. */
async function removeImages(
  database: Database,
  doomed: readonly DoomedImage[],
  { location, signal }: PruneRequest,
): Promise<readonly DoomedImage[]> {
  const going: DoomedImage[] = [];
  for (const one of doomed) {
    if (signal.aborted) break;
    const { image } = one;
    const lease = image.digest === null ? null : await tryLockFile(leaseFile(location, image.digest));
    if (image.digest !== null && lease === null) continue;
    try {
      const deleted = await database.transaction('removing an image', (connection) =>
        deleteImages(connection, [image]),
      );
      if (deleted.has(image.id)) going.push(one);
    } finally {
      await lease?.close();
    }
  }
  return going;
}

/** Layers that no image uses once `going` are gone: of the index, and of the disk, which may know more. */
async function listUnused(
  { images, layers }: Usage,
  going: ReadonlySet<UsedImage>,
  location: LocationPaths,
): Promise<readonly Digest[]> {
  const used = new Set(images.filter((image) => !going.has(image)).flatMap((image) => image.layers));
  const usedDigests = new Set(layers.filter(({ id }) => used.has(id)).map(({ digest }) => digest));
  const [onDisk, foreign] = [new Set<string>(), new Set<string>()];
  for (const name of await listDirectory(location.layers)) {
    if (name.endsWith('.mtree')) onDisk.add(name.slice(0, -'.mtree'.length));
    else if (name.endsWith('.extracted')) foreign.add(name.slice(0, -'.extracted'.length));
  }
  for (const digest of onDisk) foreign.delete(digest);
  const left = await listLeft([...foreign].filter(isDigest), location);
  for (const digest of left) foreign.delete(digest);
  const unused = (digest: string): digest is Digest => !usedDigests.has(digest as Digest) && isDigest(digest);
  const rows = location.isHome ? layers.map(({ digest }) => digest).filter((digest) => !foreign.has(digest)) : [];
  return [...new Set([...[...onDisk].filter(unused), ...left.filter(unused), ...rows.filter(unused)])].toSorted();
}

/** Directories of ours that a process left without their sidecar when it died. */
async function listLeft(digests: readonly Digest[], location: LocationPaths): Promise<readonly Digest[]> {
  const left: Digest[] = [];
  for (const digest of digests)
    if (await isMadeHere(layerDirectory(location, digest), digest, location)) left.push(digest);
  return left;
}

async function wouldRemove(
  digests: readonly Digest[],
  location: LocationPaths,
): Promise<{ removed: Digest[]; inUse: Digest[]; trash: readonly string[] }> {
  const [removed, inUse]: [Digest[], Digest[]] = [[], []];
  if (digests.length === 0) return { removed, inUse, trash: [] };
  const onDisk = new Set(await listDirectory(location.layers));
  for (const digest of digests.filter((one) => onDisk.has(`${one}.mtree`))) {
    const isHeld = (await isLocked(leaseFile(location, digest))) || (await isLocked(layerLockFile(location, digest)));
    (isHeld ? inUse : removed).push(digest);
  }
  return { removed, inUse, trash: [] };
}

async function moveForeign(names: readonly string[], location: LocationPaths): Promise<readonly string[]> {
  const moved: string[] = [];
  for (const name of names) {
    const path = await moveToTrash(join(foreignTrash(location), name), location);
    if (path !== null) moved.push(path);
  }
  return moved;
}

/** What is kept of layers that nobody transfers right now. */
async function sweepPartials(location: LocationPaths): Promise<void> {
  for (const digest of (await listDirectory(location.partial)).filter(isDigest)) {
    const handle = await tryLockFile(layerLockFile(location, digest));
    if (handle === null) continue;
    try {
      await dropPartial(digest, location);
    } finally {
      await handle.close();
    }
  }
}

/** Lock files of what is gone; they are unlinked while they are held (compat F20). */
async function sweepLockFiles(location: LocationPaths, { images }: Usage): Promise<void> {
  const there = new Set((await listDirectory(location.layers)).map((name) => name.replace(/\.(extracted|mtree)$/, '')));
  for (const { digest } of images) if (digest !== null) there.add(digest);
  for (const name of await listDirectory(location.locks)) {
    if (there.has(basename(name, '.lease')) || !isDigest(basename(name, '.lease'))) continue;
    const path = join(location.locks, name);
    const handle = await tryLockFile(path);
    if (handle === null) continue;
    await unlink(path).catch(() => undefined);
    await handle.close();
  }
}
