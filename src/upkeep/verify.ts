import { type ErrorData, SluiceError } from '../errors.js';
import { algorithmOf, type Digest, digestOf } from '../oci/digest.js';
import type { VerifySettings } from '../options.js';
import type { PullContext } from '../prepare.js';
import { placeOf, runAlone } from '../rootfs/engine.js';
import type { LayersLocation, StoredImage, StoredLayer } from '../store/types.js';
import type { CheckedLayer } from '../transfer/check-task.js';
import { openControl } from '../transfer/control.js';
import { repairStore } from './repair.js';

/** Something of a store that is not as it was recorded. */
export interface VerifyProblem {
  readonly kind: 'index' | 'image' | 'layer';
  /** Reference of an image or digest of a layer; empty for the index. */
  readonly name: string;
  readonly message: string;
  /** What is wrong within the layer. */
  readonly found?: CheckedLayer;
  /** Images that use the layer. */
  readonly images: readonly string[];
  /** Whether it is as it was recorded again, or gone where nobody needs it. */
  readonly isRepaired: boolean;
  /** Why it could not be repaired. */
  readonly error?: ErrorData;
}

/** What {@link Sluice.verify} found. */
export interface Verified {
  readonly images: number;
  readonly layers: number;
  readonly entries: number;
  /** Bytes of files that were read. */
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

/** What is verified, and with what. */
export interface Verifying {
  readonly context: PullContext;
  readonly settings: VerifySettings;
  readonly location: LayersLocation;
}

/**
 * Holds index, images and layers against what was recorded of them, and repairs what is damaged where that is asked for.
 * @throws SluiceError ABORTED | ADDON_MISSING | STORE_FAILED | INDEX_*
 */
export async function verifyStore(context: PullContext, settings: VerifySettings): Promise<Verified> {
  const { store } = context.engine;
  const verifying = { context, settings, location: await store.location(settings.layerPath) };
  const index = await checkIndex(verifying);
  const images = await readImages(verifying);
  const documents = images.flatMap(checkDocuments);
  const { checked, problems } = await checkLayers(verifying, images);
  const found = [...index, ...documents, ...problems];
  return {
    images: images.length,
    layers: checked.length,
    entries: checked.reduce((sum, { entries }) => sum + entries, 0),
    bytes: checked.reduce((sum, { bytes }) => sum + bytes, 0),
    problems: settings.repair ? await repairStore(found, images, verifying) : found,
  };
}

async function checkIndex({ context, settings }: Verifying): Promise<VerifyProblem[]> {
  const { store } = context.engine;
  const damage = await store.checkIndex(settings.quick);
  const lost = store.lost.map(({ reference }) => problem('image', reference, 'its row was lost with the index'));
  return [...damage.map((message) => problem('index', '', message)), ...lost];
}

async function readImages({ context }: Verifying): Promise<readonly StoredImage[]> {
  const { store } = context.engine;
  const images: StoredImage[] = [];
  for (const { reference } of await store.listImages()) {
    const image = await store.readImage(reference);
    if (image) images.push(image);
  }
  return images;
}

/** The manifest is what the row says, and the config what the manifest says. */
function checkDocuments({ reference, manifestDigest, manifest, config }: StoredImage): readonly VerifyProblem[] {
  if (digestOf(manifest, algorithmOf(manifestDigest)) !== manifestDigest)
    return [problem('image', reference, 'its stored manifest has another digest')];
  const descriptor = (JSON.parse(Buffer.from(manifest).toString()) as { config: { digest: Digest } }).config;
  if (digestOf(config, algorithmOf(descriptor.digest)) === descriptor.digest) return [];
  return [problem('image', reference, 'its stored config has another digest')];
}

/** Every layer on disk, and those that an image misses; as many at once as are extracted at once. */
async function checkLayers(
  verifying: Verifying,
  images: readonly StoredImage[],
): Promise<{ readonly checked: readonly CheckedLayer[]; readonly problems: readonly VerifyProblem[] }> {
  const { context, location } = verifying;
  const users = new Map<Digest, string[]>();
  if (location.isHome)
    for (const { reference, layers } of images)
      for (const { digest } of layers) users.set(digest, [...(users.get(digest) ?? []), reference]);
  const wanted = new Set([...users.keys(), ...(await context.engine.store.listLayers(location))]);
  const [checked, problems]: [CheckedLayer[], VerifyProblem[]] = [[], []];
  const queue = [...wanted].toSorted().values();
  const checkSome = async (): Promise<void> => {
    for (const digest of queue) {
      const used = users.get(digest) ?? [];
      const result = await checkLayer(digest, used.length > 0, verifying);
      if (result === null) continue;
      if (typeof result === 'string') {
        problems.push({ ...problem('layer', digest, result), images: used });
        continue;
      }
      checked.push(result);
      if (result.problems === 0) continue;
      const message = `${result.problems} things are not as its sidecar says`;
      problems.push({ ...problem('layer', digest, message), images: used, found: result });
    }
  };
  await Promise.all(Array.from({ length: context.engine.jobs }, checkSome));
  return { checked, problems: problems.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** @returns what is wrong with the layer as a whole; null for a directory that is none of ours and that nobody misses */
async function checkLayer(
  digest: Digest,
  isUsed: boolean,
  verifying: Verifying,
): Promise<CheckedLayer | string | null> {
  const { context, settings, location } = verifying;
  const { engine } = context;
  const { quick, signal } = settings;
  await using _lock = await engine.store.lockLayers([digest], location, signal, 'shared');
  const layer = await readLayer(digest, verifying);
  if (typeof layer === 'string') return layer;
  if (layer === null) return isUsed ? 'it is missing' : null;
  const control = openControl();
  signal.addEventListener('abort', control.abort, { once: true });
  try {
    const task = { kind: 'check' as const, control: control.buffer, layer: placeOf(layer), quick };
    const { facts } = await runAlone({ engine, signal }, () => engine.pool.run(task));
    return facts;
  } finally {
    signal.removeEventListener('abort', control.abort);
  }
}

async function readLayer(digest: Digest, { context, location }: Verifying): Promise<StoredLayer | string | null> {
  try {
    return await context.engine.store.readLayer(digest, location);
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SIDECAR_CORRUPT') return error.message;
    throw error;
  }
}

function problem(kind: VerifyProblem['kind'], name: string, message: string): VerifyProblem {
  return { kind, name, message, images: [], isRepaired: false };
}
