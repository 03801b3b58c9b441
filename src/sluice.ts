import { availableParallelism } from 'node:os';
import type { Writable } from 'node:stream';
import { SluiceError } from './errors.js';
import { Events, type EventListener } from './events.js';
import { createFlights } from './flights.js';
import { isDigest, parseDigest } from './oci/digest.js';
import { parseDefaultRegistry, parseReference, parseSource, formatReference } from './oci/reference.js';
import {
  parseOpenOptions,
  parsePullOptions,
  parseVerifyOptions,
  type OpenOptions,
  type PruneOptions,
  type PullOptions,
  type VerifyOptions,
} from './options.js';
import { checkPlatform } from './native.js';
import { imageKey, type PullContext } from './prepare.js';
import { pull } from './pull.js';
import type { Composing } from './rootfs/compose-image.js';
import { exportImage } from './rootfs/export-image.js';
import { makeRootfs, type Rootfs } from './rootfs/make-rootfs.js';
import { readLayerSidecar } from './rootfs/read-sidecar.js';
import { whyEnded } from './source/abort.js';
import { createRegistryClient } from './source/registry/registry-client.js';
import { openStore } from './store/store.js';
import type { Pruned } from './store/prune/prune.js';
import type { ImageSummary, PulledImage, StoredImage, StoredLayer } from './store/types.js';
import { openPool } from './transfer/pool.js';
import { createSchedule } from './transfer/schedule.js';
import { leaseImage, leaseLayers, type Lease } from './upkeep/lease.js';
import type { Budget } from './transfer/protocol.js';
import { pruneStore, removeFromStore } from './upkeep/prune.js';
import { verifyStore, type Verified } from './upkeep/verify.js';

/** Which of an image's rows is meant. */
export interface ImageQuery {
  /** `os/arch[/variant]` or `any`; default: the plain name's. */
  readonly platform?: string;
  /** Directory that takes the place of `<home>/layers`. */
  readonly layerPath?: string;
  /** The form that the layers were extracted in (extraction M5). */
  readonly statFormat?: 'containers' | 'libkrun';
}

/** Options of {@link Sluice.rootfs} and {@link Sluice.export}. */
export interface RootfsOptions extends ImageQuery {
  /** False: do not sync a root file system that need not survive a power failure. */
  readonly sync?: boolean;
  /** What the root file system may cost (extraction B2 to B4); defaults as of a pull. */
  readonly budget?: Partial<Pick<Budget, 'maxUnpackedBytes' | 'maxFileBytes' | 'maxEntries'>>;
  readonly signal?: AbortSignal;
}

/** Options of {@link Sluice.lease}. */
export interface LeaseOptions extends ImageQuery {
  readonly signal?: AbortSignal;
}

/** Options of {@link Sluice.remove}. */
export interface RemoveOptions extends ImageQuery {
  /** Ends it between two layers; those that are left, `prune` removes. */
  readonly signal?: AbortSignal;
}

/** Options of {@link Sluice.sidecar}. */
export interface SidecarOptions {
  /** Directory that takes the place of `<home>/layers`. */
  readonly layerPath?: string;
  /** Only what `mtree -p <layer directory>` finds on the host: owners, modes and devices stand in xattrs there. */
  readonly host?: boolean;
}

/**
 * A store of images and what brings images into it. Open one for each home and process, share it, and close it.
 * Concurrent calls for one image or layer share one flight, which is cancelled when its last caller leaves.
 */
export class Sluice implements AsyncDisposable {
  readonly #context: PullContext;
  #emptied: Promise<void> = Promise.resolve();

  private constructor(context: PullContext) {
    this.#context = context;
  }

  /**
   * Opens the store, making it when it is absent; leftovers of killed processes are removed in the background.
   * @throws SluiceError CONFIG_INVALID | INDEX_* | STORE_FAILED | DISK_FULL | PLATFORM_UNSUPPORTED
   */
  static async open(options: OpenOptions = {}): Promise<Sluice> {
    checkPlatform();
    const { home, jobs, walk, repairIndex, pullFollows } = parseOpenOptions(options);
    const defaultRegistry = parseDefaultRegistry(process.env['OCI_REGISTRY_DOMAIN']);
    const pool = openPool(2 * jobs);
    const onEmpty = pullFollows ? pool.warm : undefined;
    const store = await openStore({ home, repairIndex, onEmpty }).catch(async (error: unknown) => {
      await pool[Symbol.asyncDispose]();
      throw error;
    });
    const sluice = new Sluice({
      engine: {
        store,
        pool,
        schedule: createSchedule(jobs, availableParallelism()),
        layerFlights: createFlights(),
        jobs,
        walk,
      },
      client: createRegistryClient(),
      imageFlights: createFlights(),
      events: new Events(),
      defaultRegistry,
    });
    return sluice;
  }

  /** Directory of the store. */
  get home(): string {
    return this.#context.engine.store.home;
  }

  /** What opening the store found worth saying, each once. */
  get notices(): readonly string[] {
    return this.#context.engine.store.notices;
  }

  /**
   * Brings an image of a registry into the store.
   * @param reference `[host/]path[:tag][@digest]`
   * @returns the image with every layer complete and synced
   * @throws SluiceError REFERENCE_INVALID | CONFIG_INVALID, by registry §12 and extraction §1, or of the store
   */
  async pull(reference: string, options: PullOptions = {}): Promise<PulledImage> {
    const { defaultRegistry } = this.#context;
    return this.#pull(parseReference(reference, { defaultRegistry }), options);
  }

  /**
   * Brings an image of any source into the store.
   * @param source `docker://REFERENCE` or `oci:DIR[:TAG]`
   * @throws SluiceError as {@link pull}
   */
  async import(source: string, options: PullOptions = {}): Promise<PulledImage> {
    const { defaultRegistry } = this.#context;
    return this.#pull(parseSource(source, { defaultRegistry }), options);
  }

  /** Images in the order of their names. @param options `all`: rows that other programs wrote too */
  async list(options: { readonly all?: boolean } = {}): Promise<readonly ImageSummary[]> {
    return this.#context.engine.store.listImages(options);
  }

  /**
   * The stored documents of an image, byte for byte.
   * @throws SluiceError IMAGE_NOT_FOUND
   */
  async inspect(reference: string, query: ImageQuery = {}): Promise<StoredImage> {
    const key = this.#keyOf(reference, query);
    const image = await this.#context.engine.store.readImage(key);
    if (!image)
      throw new SluiceError('IMAGE_NOT_FOUND', { message: `looking for "${key}": it is not in the store`, image: key });
    return image;
  }

  /**
   * The directories of an image's layers, bottom to top, each complete.
   * @throws SluiceError IMAGE_NOT_FOUND when the image or one of its layers is not there
   */
  async layers(reference: string, query: ImageQuery = {}): Promise<readonly StoredLayer[]> {
    const { layers } = await this.pull(reference, { ...query, policy: 'never' });
    return layers;
  }

  /**
   * The sidecar of a layer of the store: a BSD mtree with true owner, mode, device and time of everything in it.
   * @param digest of the layer's blob
   * @returns its text, a piece at a time
   * @throws SluiceError DIGEST_INVALID | IMAGE_NOT_FOUND | SIDECAR_CORRUPT | STORE_FAILED
   */
  async *sidecar(digest: string, options: SidecarOptions = {}): AsyncGenerator<Buffer, void, undefined> {
    const { layerPath, host = false } = options;
    const wanted = parseDigest(digest);
    yield* readLayerSidecar(wanted, await this.#context.engine.store.location(layerPath), host);
  }

  /**
   * Composes an image of the store into one root file system: whiteouts applied, hard links into lower layers made, names
   * resolved inside of it. No root is needed: true owner, mode and device stand in `user.containers.override_stat` and in
   * the sidecar, as in layers.
   * @param directory must be absent or empty; it is put in place complete
   * @throws SluiceError IMAGE_NOT_FOUND | CONFIG_INVALID | ENTRY_REFUSED (extraction H6) | BUDGET_EXCEEDED | ABORTED, or of the store
   */
  async rootfs(reference: string, directory: string, options: RootfsOptions = {}): Promise<Rootfs> {
    return this.#compose(reference, options, (composing) => makeRootfs(composing, directory));
  }

  /**
   * Writes the root file system of an image of the store as a tar, with true owners, modes, devices and attributes.
   * @param target a stream, which is ended, or the path of a file, which is replaced when the archive is complete
   * @throws SluiceError as {@link rootfs}
   */
  async export(reference: string, target: Writable | string, options: RootfsOptions = {}): Promise<void> {
    return this.#compose(reference, options, (composing) => exportImage(composing, target));
  }

  /**
   * Keeps layers from being removed by `prune` or `remove`, here and in other processes, until the lease is released or this
   * process ends: for whoever has them mounted.
   * @param what reference of an image of the store, whose layers and row stay, or digests of layers
   * @throws SluiceError IMAGE_NOT_FOUND | DIGEST_INVALID | ABORTED, or of the store
   */
  async lease(what: string | readonly string[], options: LeaseOptions = {}): Promise<Lease> {
    const { signal = new AbortController().signal, ...query } = options;
    const { store } = this.#context.engine;
    const leasing = { store, location: await store.location(query.layerPath), signal };
    if (typeof what !== 'string') return leaseLayers(what, leasing);
    return leaseImage(() => this.pull(what, { ...query, signal, policy: 'never' }), leasing);
  }

  /**
   * Removes images that pass the given limits, and layers that no image uses. What is pinned or leased, and what a pull that
   * runs needs, stays. Directories are removed in the background; {@link close} waits for that.
   * @throws SluiceError CONFIG_INVALID | ABORTED, or of the store
   */
  async prune(options: PruneOptions = {}): Promise<Pruned> {
    try {
      return await pruneStore(this.#context.engine.store, options);
    } finally {
      void this.#emptyTrash();
    }
  }

  /**
   * Removes an image, and the layers that only it used and nobody leases.
   * @param reference of an image, or the digest of a manifest or image index: then all images of it
   * @throws SluiceError REFERENCE_INVALID | IMAGE_NOT_FOUND | ABORTED, or of the store
   */
  async remove(reference: string, options: RemoveOptions = {}): Promise<Pruned> {
    const name = isDigest(reference) ? reference : this.#keyOf(reference, options);
    try {
      return await removeFromStore(this.#context.engine.store, name, options);
    } finally {
      void this.#emptyTrash();
    }
  }

  /**
   * Holds index, images and layers of the store against what was recorded of them: of every file name, type, size, mode, time,
   * links, target, attributes and content. With `repair`, damaged layers are taken away and brought again, by digest.
   * @returns what was found; a store is sound when no problem is left that is not repaired
   * @throws SluiceError CONFIG_INVALID | ABORTED | ADDON_MISSING, or of the store
   */
  async verify(options: VerifyOptions = {}): Promise<Verified> {
    try {
      return await verifyStore(this.#context, parseVerifyOptions(options));
    } finally {
      void this.#emptyTrash();
    }
  }

  /** Keeps an image from being pruned, also when it is pulled only later. */
  async pin(reference: string, query: ImageQuery = {}): Promise<void> {
    await this.#context.engine.store.setPinned(this.#keyOf(reference, query), true);
  }

  /** Takes {@link pin} back. */
  async unpin(reference: string, query: ImageQuery = {}): Promise<void> {
    await this.#context.engine.store.setPinned(this.#keyOf(reference, query), false);
  }

  /**
   * Kept for callers of microsandbox's image manager.
   * @throws SluiceError NOT_IMPLEMENTED, always (compat U7)
   */
  async pullGroup(_reference: string): Promise<never> {
    throw new SluiceError(
      'NOT_IMPLEMENTED',
      'feature not yet implemented: Sandboxes registry image group pull is not implemented',
    );
  }

  /** Every event of every call. @returns a function that ends the subscription */
  subscribe(listener: EventListener): () => void {
    return this.#context.events.subscribe(listener);
  }

  /** Removes what was left over, then ends threads, connections and the index. Pulls still running fail. */
  async close(): Promise<void> {
    const { engine, client } = this.#context;
    await this.#emptyTrash();
    await engine.pool[Symbol.asyncDispose]();
    await client.close();
    await engine.store[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #pull(reference: Parameters<typeof pull>[1], options: PullOptions): Promise<PulledImage> {
    const settings = parsePullOptions(options);
    try {
      return await pull(this.#context, reference, settings);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      throw whyEnded(error, settings.signal).with({ image: formatReference(reference) });
    } finally {
      await this.#emptyTrash();
    }
  }

  async #compose<T>(
    reference: string,
    { sync = true, budget: limits = {}, signal = new AbortController().signal, ...query }: RootfsOptions,
    work: (composing: Composing) => Promise<T>,
  ): Promise<T> {
    const { engine, events } = this.#context;
    const { budget } = parsePullOptions({ budget: limits });
    const image = await this.pull(reference, { ...query, signal, policy: 'never' });
    const location = await engine.store.location(query.layerPath);
    try {
      return await work({ engine, image, location, budget, sync, events, signal });
    } catch (error) {
      throw error instanceof SluiceError ? error.with({ image: image.reference }) : error;
    } finally {
      await this.#emptyTrash();
    }
  }

  #keyOf(reference: string, { platform }: ImageQuery): string {
    const { defaultRegistry } = this.#context;
    return imageKey(
      formatReference(parseReference(reference, { defaultRegistry })),
      parsePullOptions({ ...(platform !== undefined && { platform }) }),
    );
  }

  /** @returns when all that was handed over so far is gone; what could not be removed, the next opening finds */
  #emptyTrash(): Promise<void> {
    const { store, pool } = this.#context.engine;
    this.#emptied = this.#emptied
      .then(() => store.takeTrash())
      .then((paths) => (paths.length > 0 ? pool.run({ kind: 'discard', paths }) : null))
      .then(noop, noop);
    return this.#emptied;
  }
}

function noop(): void {
  return;
}
