import type { MissReason } from '../events.js';
import type { Digest } from '../oci/digest.js';
import type { ImageConfig, ResolvedImage } from '../oci/manifest.js';
import type { LockKind } from './lock.js';
import type { Pruned, PruneRequest } from './prune/prune.js';
import type { LayerFacts, PartialBlob, StatFormat } from '../transfer/protocol.js';

/** What the file system of a location can do, found by trying. */
export interface LocationFacts {
  /** False: pulls end with XATTR_UNSUPPORTED, or keep owners in the sidecar alone (extraction M10). */
  readonly hasUserXattrs: boolean;
  /** Whether names that differ in case or normal form alone are one file (extraction E15). */
  readonly foldsNames: boolean;
  /** Whether the kernel lets us resolve paths inside a directory; else they are walked (extraction N8). */
  readonly hasOpenat2: boolean;
}

/** Where layers live: `<home>/layers` and its neighbours, or `PATH` with `PATH/.sluice/…` (compat F5). */
export interface LayersLocation {
  readonly layers: string;
  readonly staging: string;
  readonly trash: string;
  readonly locks: string;
  /** Made when something is kept there. */
  readonly partial: string;
  /** False for `-L PATH`: `extracted_at` is not set for it. */
  readonly isHome: boolean;
  /** Null where the addon is missing: such a location can be read alone. */
  readonly facts: LocationFacts | null;
}

/** A layer as the store index knows it. Whether it is on disk, {@link Store.find} says. */
export interface RecordedLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  /** `<layers>/<digest>.extracted` */
  readonly path: string;
  readonly packedBytes: number;
  /** Length of the uncompressed tar stream; null when the layer was never committed to this home. */
  readonly unpackedBytes: number | null;
  readonly entries: number | null;
}

/** A complete layer on disk. */
export interface StoredLayer extends RecordedLayer {
  readonly unpackedBytes: number;
  readonly entries: number;
  /** How owners and modes are kept on its files. */
  readonly stat: StatFormat;
  /** Whether it holds links into lower layers (extraction H6). */
  readonly composeRequired: boolean;
}

/** An image with every layer complete. */
export interface PulledImage {
  /** Canonical reference, with `#<platform>` for one that is not the default; see compat G5, I13. */
  readonly reference: string;
  /** Digest of the manifest. */
  readonly digest: Digest;
  /** What the reference led to: index or manifest. */
  readonly resolvedDigest: Digest;
  readonly platform: string;
  /** Bottom to top, each directory once, at its topmost place (compat I9). */
  readonly layers: readonly StoredLayer[];
  /** Raw layers cannot simply be stacked; compose them (extraction H6, P4, P5). */
  readonly composeRequired: boolean;
  readonly config: ImageConfig;
}

/** Answer to whether an image is complete in the store. */
export type Lookup =
  | { readonly kind: 'hit'; readonly image: PulledImage }
  | {
      readonly kind: 'miss';
      readonly reason: MissReason;
      /** The lowest layer that is the reason. */
      readonly layer?: Digest;
      /** What the current manifest was resolved from, when the row is ours. */
      readonly resolvedDigest?: Digest;
    };

/** A locked, empty place to extract one layer into; see extraction §12. */
export interface Staging {
  /** Directory (0700) that holds `tree/` (empty) and takes the sidecar as `mtree`. */
  readonly path: string;
  /** Where it goes when it is given up. */
  readonly trash: string;
  /** Keeps other processes from sweeping it; given up by the commit or by {@link Store.discardStaging}. */
  readonly hold: AsyncDisposable;
}

/** A layer's lock, held for the whole of its transfer. */
export interface LayerLock extends AsyncDisposable {
  readonly digest: Digest;
}

/** A layer an image asks for, as manifest and config describe it. */
export interface WantedLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly mediaType: string;
  readonly packedBytes: number;
}

/** What a lookup needs beside the image's name. */
export interface Wanted {
  readonly location: LayersLocation;
  readonly stat: StatFormat;
  /** Whether a hit moves `last_used_at` (compat I15). */
  readonly touch: boolean;
}

/** One row of `sluice ls`. */
export interface ImageSummary {
  readonly reference: string;
  readonly digest: Digest | null;
  readonly platform: string | null;
  readonly sizeBytes: number;
  /** Distinct layers. */
  readonly layers: number;
  /** `YYYY-MM-DD HH:MM:SS`, UTC. */
  readonly lastUsedAt: string | null;
  readonly isPinned: boolean;
  /** A row that another program wrote last; its reference may not be canonical (compat I12). */
  readonly isForeign: boolean;
}

/** The documents of an image, byte for byte. */
export interface StoredImage {
  readonly reference: string;
  readonly platform: string;
  readonly resolvedDigest: Digest;
  readonly manifestDigest: Digest;
  /** What it was last brought from, `docker://…` or `oci:…`; null when that is not known. */
  readonly source: string | null;
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
  /** The form that its layers were extracted in, when they are of this store. */
  readonly stat: StatFormat | null;
  /** Bottom to top, each once; the paths are those of the home. */
  readonly layers: readonly RecordedLayer[];
}

/** An image that went with the index. */
export interface LostImage {
  readonly reference: string;
  readonly source: string | null;
}

/** What is on disk: layers, and the index that names them. */
export interface Store extends AsyncDisposable {
  readonly home: string;
  /** What opening found worth saying, each once. */
  readonly notices: readonly string[];
  /** Images of an index that was set aside when the store was opened, as far as they could be read. */
  readonly lost: readonly LostImage[];
  /**
   * The home's own location, or that of `-L PATH`: made, swept and probed on first use.
   * @throws SluiceError STORE_FAILED | DISK_FULL
   */
  location(layerPath?: string): Promise<LayersLocation>;
  /**
   * Whether an image is complete here; no request, at most three queries for a hit (compat F11, Q12). Layers whose
   * row alone is missing are adopted (compat F13).
   * @param platform `os/arch[/variant]`, or `any`
   * @throws SluiceError STORE_FAILED | INDEX_BUSY | INDEX_CORRUPT | SIDECAR_CORRUPT: trouble is never a miss (compat F14)
   */
  find(key: string, platform: string, wanted: Wanted): Promise<Lookup>;
  /**
   * Whether one layer is complete; adopts it into the index when its row says nothing. A layer without any row gets
   * one from {@link commitImage}, so that rows are made bottom first (compat F13, I8).
   * @throws SluiceError DIFF_ID_MISMATCH | SIZE_MISMATCH when the wanted layer contradicts the verified one; else as `find`
   */
  findLayer(layer: WantedLayer, location: LayersLocation, stat: StatFormat): Promise<StoredLayer | null>;
  /** @throws SluiceError ABORTED | ADDON_MISSING | STORE_FAILED */
  lockLayer(digest: Digest, location: LayersLocation, signal: AbortSignal): Promise<LayerLock>;
  /** Locks of several layers, taken in digest order; see {@link lockLayer}. */
  lockLayers(
    digests: readonly Digest[],
    location: LayersLocation,
    signal: AbortSignal,
    kind?: LockKind,
  ): Promise<AsyncDisposable>;
  /**
   * @param name the layer's digest, or what else is made there
   * @throws SluiceError ADDON_MISSING | STORE_FAILED | DISK_FULL
   */
  openStaging(name: string, location: LayersLocation): Promise<Staging>;
  /**
   * Extraction §12, second pass, step 6: renames, sidecar last. The layer's lock must be held.
   * @param options `sync: false` leaves out the fsync of the layers directory
   * @throws SluiceError STORE_FAILED | DISK_FULL | SIDECAR_CORRUPT (what was staged is not this layer) | INDEX_*
   */
  commitLayer(
    layer: WantedLayer,
    staging: Staging,
    facts: LayerFacts,
    location: LayersLocation,
    options?: { readonly sync?: boolean },
  ): Promise<StoredLayer>;
  /**
   * What an earlier process kept of a blob, to go on from (registry R91). The layer's lock must be held.
   * @returns null when the rest would not fit the disk
   */
  openPartial(digest: Digest, sizeBytes: number, location: LayersLocation): Promise<PartialBlob | null>;
  /** Forgets what is kept of a blob. */
  dropPartial(digest: Digest, location: LayersLocation): Promise<void>;
  /** Gives up a staging directory: it moves into the trash, see {@link takeTrash}. */
  discardStaging(staging: Staging): Promise<void>;
  /**
   * Paths in `trash/` that nobody else of this process removes: left over by dead processes, replaced by commits, or
   * discarded. The caller hands them to a {@link DiscardTask}; each is answered once. The former directory of a layer that
   * somebody leases stays until the lease has ended: it may be mounted.
   */
  takeTrash(): Promise<readonly string[]>;
  /**
   * Records an image in one transaction (compat I7). All its layers must be complete.
   * @param layers what `findLayer` or `commitLayer` answered, in any order
   * @param options `composeLinks`: layers that only this image cannot simply stack (extraction P4, P5); `source`:
   *   what it came from, as `parseSource` reads it
   * @throws SluiceError INDEX_BUSY | INDEX_CORRUPT | STORE_FAILED | DISK_FULL
   */
  commitImage(
    key: string,
    image: ResolvedImage,
    layers: readonly StoredLayer[],
    options?: { readonly composeLinks?: ReadonlySet<Digest>; readonly source?: string },
  ): Promise<PulledImage>;
  /**
   * Keeps layers, and images by the digest of their manifest, from being removed by any process until it is disposed of, or
   * the process ends. What is removed right now is waited for: look afterwards whether it is there.
   * @throws SluiceError ABORTED | ADDON_MISSING | STORE_FAILED
   */
  lease(digests: readonly Digest[], location: LayersLocation, signal: AbortSignal): Promise<AsyncDisposable>;
  /** What the sidecar of a complete layer says of it, in whatever form; null when it is not complete. */
  readLayer(digest: Digest, location: LayersLocation): Promise<StoredLayer | null>;
  /**
   * Removes images that pass the limits, and layers that no image uses and nobody leases; see {@link takeTrash}.
   * @throws SluiceError ABORTED | STORE_FAILED | ADDON_MISSING | INDEX_*
   */
  prune(request: PruneRequest): Promise<Pruned>;
  /**
   * Removes images and the layers that only they used and nobody leases.
   * @param name what an image is recorded as, or the digest of its manifest or of what was resolved
   * @returns null when there is none
   * @throws SluiceError ABORTED between two layers, those that are left being nobody's | STORE_FAILED | ADDON_MISSING | INDEX_*
   */
  removeImage(name: string, location: LayersLocation, signal: AbortSignal): Promise<Pruned | null>;
  /** Keeps the image of a name from being pruned, or no longer. */
  setPinned(key: string, isPinned: boolean): Promise<void>;
  /** Digests of which there is a sidecar or a directory, complete or not. */
  listLayers(location: LayersLocation): Promise<readonly Digest[]>;
  /**
   * Takes a damaged layer away: row, sidecar, directory; it is missing then. Its lock must be held.
   * @throws SluiceError STORE_FAILED | INDEX_*
   */
  setLayerAside(digest: Digest, location: LayersLocation): Promise<void>;
  /** Removes an image's rows alone, before it is pulled anew. */
  forgetImage(key: string): Promise<void>;
  /** What SQLite finds wrong with the index; nothing for a sound one. @param quick pages and rows alone, no index of them */
  checkIndex(quick: boolean): Promise<readonly string[]>;
  /** Images in the order of their names; `all` shows rows of other programs too (compat I12). */
  listImages(options?: { readonly all?: boolean }): Promise<readonly ImageSummary[]>;
  /** Null when there is no such image, or another program wrote it last. */
  readImage(key: string): Promise<StoredImage | null>;
  /**
   * Layers in the order asked, duplicates kept (compat Q7).
   * @throws SluiceError IMAGE_NOT_FOUND for a digest that the index does not know
   */
  readLayers(digests: readonly Digest[]): Promise<readonly RecordedLayer[]>;
}
