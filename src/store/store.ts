import { existsSync } from 'node:fs';
import { type Digest, isDigest } from '../oci/digest.js';
import type { ResolvedImage } from '../oci/manifest.js';
import { SluiceError } from '../errors.js';
import type { LayerFacts, PartialBlob, StatFormat } from '../transfer/protocol.js';
import { unmarkReplaced } from './adopt.js';
import { commitLayer, type CommitStep, setLayerAside } from './commit.js';
import { findImage, findLayer, type Lookups } from './find.js';
import type { StatementHook } from './index/database.js';
import { selectImage, selectImages } from './index/images.js';
import { selectLayers } from './index/layers.js';
import { findDamage } from './index/damage.js';
import { isOurIndex } from './index/open.js';
import { recordImage, stackLayers } from './index/record-image.js';
import { formatTime, type LayerRow, parseTime } from './index/rows.js';
import { chooseHome, homeLocation, type HomeSources, indexPath, layerDirectory, makeHome } from './layout.js';
import { isLeased, Leases } from './lease.js';
import { lockLayer, lockLayers, type LockKind } from './lock.js';
import { openLocations, type Locations } from './locations.js';
import { type Pruned, prune, type PruneRequest, type PruneResult } from './prune/prune.js';
import { removeImage } from './prune/remove-image.js';
import { readStoredLayer } from './layer-state.js';
import { dropPartial, openPartial } from './partial.js';
import { keepPins, setPins } from './pins.js';
import { openOrRepairIndex, type OpenedIndex } from './repair.js';
import { discardStaging, openStaging } from './staging.js';
import { listDirectory } from './trash.js';
import type {
  ImageSummary,
  LayerLock,
  LostImage,
  LayersLocation,
  Lookup,
  PulledImage,
  RecordedLayer,
  Staging,
  Store,
  StoredImage,
  StoredLayer,
  Wanted,
  WantedLayer,
} from './types.js';

export type * from './types.js';

/** How a store is opened; the home is chosen as compat F1 says. */
export interface OpenStoreOptions extends HomeSources {
  /** Set a damaged index aside and begin a new one, with a notice (compat I16). */
  readonly repairIndex?: boolean | undefined;
  /** Called before the index is made, where there is none: whatever will be asked for is not there. */
  readonly onEmpty?: (() => void) | undefined;
  /** The clock, for times in the index. */
  readonly now?: () => Date;
  /** Sees every statement before it runs; what it throws is that statement's failure. For tests. */
  readonly onStatement?: StatementHook;
  /** Sees every step of a layer's commit before it is done; what it throws ends the commit there. For tests. */
  readonly onStep?: (step: CommitStep) => void;
}

/**
 * Opens the store: makes the home when it is absent, brings the index to our schema, sweeps and probes the layers'
 * location.
 * @throws SluiceError INDEX_FOREIGN | INDEX_TOO_NEW | INDEX_BUSY | INDEX_CORRUPT | STORE_FAILED | DISK_FULL
 */
export async function openStore(options: OpenStoreOptions = {}): Promise<Store> {
  const home = await chooseHome(options, isOurIndex);
  await makeHome(home);
  if (options.onEmpty && !existsSync(indexPath(home))) options.onEmpty();
  const index = await openOrRepairIndex(home, options);
  try {
    const locations = await openLocations(home);
    await keepPins(index.database, home);
    return new OpenStore(home, index, locations, options);
  } catch (error) {
    await index.database[Symbol.asyncDispose]();
    await index.hold[Symbol.asyncDispose]();
    throw error;
  }
}

class OpenStore implements Store {
  readonly home: string;
  readonly notices: readonly string[];
  readonly lost: readonly LostImage[];
  readonly #lookups: Lookups;
  readonly #locations: Locations;
  readonly #leases = new Leases();
  readonly #hold: AsyncDisposable;
  #released: PromiseLike<void> | undefined;
  readonly #onStep: ((step: CommitStep) => void) | undefined;

  constructor(home: string, index: OpenedIndex, locations: Locations, options: OpenStoreOptions) {
    this.home = home;
    this.notices = index.notices;
    this.lost = index.lost;
    this.#hold = index.hold;
    this.#lookups = { database: index.database, now: options.now ?? (() => new Date()) };
    this.#locations = locations;
    this.#onStep = options.onStep;
  }

  location(layerPath?: string): Promise<LayersLocation> {
    return this.#locations.open(layerPath);
  }

  find(key: string, platform: string, wanted: Wanted): Promise<Lookup> {
    return findImage(this.#lookups, key, platform, wanted);
  }

  findLayer(layer: WantedLayer, location: LayersLocation, stat: StatFormat): Promise<StoredLayer | null> {
    return findLayer(this.#lookups, layer, { location, stat });
  }

  lockLayer(digest: Digest, location: LayersLocation, signal: AbortSignal): Promise<LayerLock> {
    return lockLayer(digest, location, signal);
  }

  lockLayers(
    digests: readonly Digest[],
    location: LayersLocation,
    signal: AbortSignal,
    kind?: LockKind,
  ): Promise<AsyncDisposable> {
    return lockLayers(digests, location, signal, kind);
  }

  openStaging(name: string, location: LayersLocation): Promise<Staging> {
    return openStaging(name, location);
  }

  async commitLayer(
    layer: WantedLayer,
    staging: Staging,
    facts: LayerFacts,
    location: LayersLocation,
    options: { readonly sync?: boolean } = {},
  ): Promise<StoredLayer> {
    const { database, now } = this.#lookups;
    const isSynced = options.sync ?? true;
    const commit = { layer, staging, facts, location, isSynced, now: now(), onStep: this.#onStep };
    const committed = await commitLayer(database, commit);
    this.#locations.trash.push(...committed.trash);
    return committed.layer;
  }

  openPartial(digest: Digest, sizeBytes: number, location: LayersLocation): Promise<PartialBlob | null> {
    return openPartial(digest, sizeBytes, location);
  }

  dropPartial(digest: Digest, location: LayersLocation): Promise<void> {
    return dropPartial(digest, location);
  }

  async discardStaging(staging: Staging): Promise<void> {
    const path = await discardStaging(staging);
    if (path) this.#locations.trash.push(path);
  }

  async takeTrash(): Promise<readonly string[]> {
    const free: string[] = [];
    for (const path of this.#locations.trash.splice(0)) {
      if (await isLeased(path)) this.#locations.trash.push(path);
      else free.push(path);
    }
    return free;
  }

  async commitImage(
    key: string,
    image: ResolvedImage,
    layers: readonly StoredLayer[],
    options: { readonly composeLinks?: ReadonlySet<Digest>; readonly source?: string } = {},
  ): Promise<PulledImage> {
    const { database, now } = this.#lookups;
    const stack = stackLayers(image, layers, options.composeLinks ?? new Set());
    const isInHome = (layer: StoredLayer): boolean => this.#isInHome(layer);
    const recorded = { key, image, stack, now: now(), source: options.source ?? null, isInHome };
    await database.transaction(`recording image ${key}`, (connection) => recordImage(connection, recorded));
    const inHome = stack.flatMap(({ layer }) => (isInHome(layer) ? [layer] : []));
    await unmarkReplaced(database, inHome, homeLocation(this.home));
    return {
      reference: key,
      digest: image.manifest.digest,
      resolvedDigest: image.resolvedDigest,
      platform: image.platform,
      layers: stack.map(({ layer }) => layer),
      composeRequired: stack.some(({ layer, composeRequired }) => composeRequired || layer.composeRequired),
      config: image.config.value,
    };
  }

  lease(digests: readonly Digest[], location: LayersLocation, signal: AbortSignal): Promise<AsyncDisposable> {
    return this.#leases.take(digests, location, signal);
  }

  readLayer(digest: Digest, location: LayersLocation): Promise<StoredLayer | null> {
    return readStoredLayer(digest, location);
  }

  async listLayers({ layers }: LayersLocation): Promise<readonly Digest[]> {
    const names = (await listDirectory(layers)).map((name) => name.replace(/\.(extracted|mtree)$/, ''));
    return [...new Set(names)].filter(isDigest).toSorted();
  }

  async setLayerAside(digest: Digest, location: LayersLocation): Promise<void> {
    const path = await setLayerAside(this.#lookups.database, digest, location);
    if (path !== null) this.#locations.trash.push(path);
  }

  async forgetImage(key: string): Promise<void> {
    await this.#lookups.database.use(`forgetting image ${key}`, (connection) =>
      connection.all('DELETE FROM images WHERE reference = ?', key),
    );
  }

  checkIndex(quick: boolean): Promise<readonly string[]> {
    return this.#lookups.database.use('checking the store index', (connection) => findDamage(connection, quick));
  }

  async prune(request: PruneRequest): Promise<Pruned> {
    throwIfAborted(request.signal);
    return this.#pruned(await prune(this.#lookups.database, request), request.signal);
  }

  async removeImage(name: string, location: LayersLocation, signal: AbortSignal): Promise<Pruned | null> {
    throwIfAborted(signal);
    const result = await removeImage(this.#lookups.database, { name, home: this.home, location, signal });
    return result && this.#pruned(result, signal);
  }

  setPinned(key: string, isPinned: boolean): Promise<void> {
    return this.#lookups.database.transaction(`pinning ${key}`, (connection) =>
      setPins(connection, this.home, [key], isPinned),
    );
  }

  #pruned({ trash, ...pruned }: PruneResult, signal: AbortSignal): Pruned {
    this.#locations.trash.push(...trash);
    throwIfAborted(signal);
    return pruned;
  }

  async listImages(options: { readonly all?: boolean } = {}): Promise<readonly ImageSummary[]> {
    const rows = await this.#lookups.database.use('listing images', selectImages);
    const images = rows.map((row): ImageSummary => {
      const lastUsed = parseTime(row.last_used_at);
      return {
        reference: row.reference,
        digest: row.digest,
        platform: row.platform,
        sizeBytes: row.size_bytes,
        layers: row.layers,
        lastUsedAt: lastUsed && formatTime(lastUsed),
        isPinned: row.is_pinned === 1,
        isForeign: row.is_current === 0,
      };
    });
    return images.filter((image) => options.all || !image.isForeign);
  }

  async readImage(key: string): Promise<StoredImage | null> {
    const row = await this.#lookups.database.use(`reading image ${key}`, (connection) => selectImage(connection, key));
    if (row === null || row === 'foreign') return null;
    return {
      reference: row.reference,
      platform: row.platform,
      resolvedDigest: row.resolved_digest,
      manifestDigest: row.manifest_digest,
      source: row.source,
      stat: row.layers.find((layer) => layer.stat !== null)?.stat ?? null,
      manifest: row.manifest_body,
      config: row.config_body,
      layers: row.layers.map((layer) => this.#recorded(layer)),
    };
  }

  async readLayers(digests: readonly Digest[]): Promise<readonly RecordedLayer[]> {
    const rows = await this.#lookups.database.use('reading layers', (connection) => selectLayers(connection, digests));
    const byDigest = new Map(rows.map((row) => [row.digest, row]));
    return digests.map((digest) => {
      const row = byDigest.get(digest);
      if (!row)
        throw new SluiceError('IMAGE_NOT_FOUND', { message: 'reading layers', rule: 'compat Q7', layer: digest });
      return this.#recorded(row);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lookups.database[Symbol.asyncDispose]();
    await (this.#released ??= this.#hold[Symbol.asyncDispose]());
  }

  #recorded(row: LayerRow): RecordedLayer {
    const isOurs = row.extracted_at !== null;
    return {
      digest: row.digest,
      diffId: row.diff_id,
      path: layerDirectory(homeLocation(this.home), row.digest),
      packedBytes: row.size_bytes,
      unpackedBytes: isOurs ? row.unpacked_bytes : null,
      entries: isOurs ? row.entries : null,
    };
  }

  #isInHome(layer: StoredLayer): boolean {
    return layer.path === layerDirectory(homeLocation(this.home), layer.digest);
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new SluiceError('ABORTED', 'removing what nobody uses: cancelled');
}
