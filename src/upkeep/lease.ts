import { SluiceError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import type { LayersLocation, PulledImage, Store, StoredLayer } from '../store/types.js';

/** Layers that nobody removes. */
export interface Lease extends AsyncDisposable {
  /** Of an image bottom to top; each complete. */
  readonly layers: readonly StoredLayer[];
  /** Ends it; a second call does nothing. It also ends with the process, however that ends. */
  release(): Promise<void>;
}

/** What is leased, where, and until when the lease is waited for. */
export interface Leasing {
  readonly store: Store;
  readonly location: LayersLocation;
  readonly signal: AbortSignal;
}

/** How often an image may change while its lease is taken. */
const TRIES = 5;

/**
 * Leases an image of the store and its layers.
 * @param find answers the image, or throws IMAGE_NOT_FOUND
 */
export async function leaseImage(find: () => Promise<PulledImage>, leasing: Leasing): Promise<Lease> {
  for (let tries = 1; ; tries++) {
    const image = await find();
    const lease = await take([image.digest, ...image.layers.map(({ digest }) => digest)], leasing);
    try {
      const held = await find();
      if (held.digest === image.digest) return leaseOf(held.layers, lease);
      if (tries === TRIES) throw notThere(image.reference, 'it keeps changing');
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    await lease[Symbol.asyncDispose]();
  }
}

/** Leases layers, in the order asked. @throws SluiceError DIGEST_INVALID | IMAGE_NOT_FOUND for one that is not complete */
export async function leaseLayers(digests: readonly string[], leasing: Leasing): Promise<Lease> {
  const wanted = digests.map(parseDigest);
  const lease = await take(wanted, leasing);
  try {
    const layers: StoredLayer[] = [];
    for (const digest of wanted) layers.push(await readComplete(digest, leasing));
    return leaseOf(layers, lease);
  } catch (error) {
    await lease[Symbol.asyncDispose]();
    throw error;
  }
}

function take(digests: readonly Digest[], { store, location, signal }: Leasing): Promise<AsyncDisposable> {
  return store.lease(digests, location, signal);
}

async function readComplete(digest: Digest, { store, location }: Leasing): Promise<StoredLayer> {
  const layer = await store.readLayer(digest, location);
  if (layer === null) throw notThere(digest, 'it is not complete in the store');
  return layer;
}

function leaseOf(layers: readonly StoredLayer[], held: AsyncDisposable): Lease {
  const release = (): Promise<void> => Promise.resolve(held[Symbol.asyncDispose]());
  return { layers, release, [Symbol.asyncDispose]: release };
}

function notThere(name: string, why: string): SluiceError {
  return new SluiceError('IMAGE_NOT_FOUND', `leasing "${name}": ${why}`);
}
