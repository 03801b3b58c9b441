import type { MissReason } from '../events.js';
import type { Digest } from '../oci/digest.js';
import type { ImageConfig, ResolvedImage } from '../oci/manifest.js';
import type { LayerFacts, StatFormat } from '../transfer/protocol.js';

// CONTRACT (the engineer who writes the store keeps these names)

/** Where layers live: `<home>/layers` and its neighbours, or `PATH` with `PATH/.sluice/…` (compat F5). */
export interface LayersLocation {
  readonly layers: string;
  readonly staging: string;
  readonly trash: string;
  readonly locks: string;
  /** False for `-L PATH`: `extracted_at` is not set for it. */
  readonly isHome: boolean;
}

/** A complete layer on disk. */
export interface StoredLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  /** `<layers>/<digest>.extracted` */
  readonly path: string;
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  readonly entries: number;
}

/** An image with every layer complete. */
export interface PulledImage {
  /** Canonical reference; see compat G5. */
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

export type Lookup =
  | { readonly kind: 'hit'; readonly image: PulledImage }
  | {
      readonly kind: 'miss';
      readonly reason: MissReason;
      readonly layer?: Digest;
      /** What the current manifest was resolved from, when the row is ours. */
      readonly resolvedDigest?: Digest;
    };

/** A locked, empty place to extract one layer into; see extraction §12. */
export interface Staging {
  /** Directory (0700) that holds `tree/` (empty) and takes the sidecar as `mtree`. */
  readonly path: string;
}

/** A layer's lock, held for the whole of its transfer. */
export interface LayerLock extends AsyncDisposable {
  readonly digest: Digest;
}

export interface WantedLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly mediaType: string;
  readonly packedBytes: number;
}

export interface ImageSummary {
  readonly reference: string;
  readonly digest: Digest | null;
  readonly platform: string | null;
  readonly sizeBytes: number;
  readonly layers: number;
  readonly lastUsedAt: string | null;
  /** A row that another program wrote, or whose reference is not canonical (compat I12). */
  readonly isForeign: boolean;
}

export interface Store extends AsyncDisposable {
  readonly home: string;
  /** `<home>`'s own location, or that of `-L PATH` (made and probed on first use). */
  location(layerPath?: string): Promise<LayersLocation>;
  /** Whether an image is complete here; no request, at most three queries (compat F11, Q12). */
  find(key: string, platform: string, wanted: { location: LayersLocation; stat: StatFormat; touch: boolean }): Promise<Lookup>;
  /** Whether one layer is complete; adopts it into the index when only the row is missing (compat F13). */
  findLayer(layer: WantedLayer, location: LayersLocation, stat: StatFormat): Promise<StoredLayer | null>;
  lockLayer(digest: Digest, location: LayersLocation, signal: AbortSignal): Promise<LayerLock>;
  openStaging(digest: Digest, location: LayersLocation): Promise<Staging>;
  /** Extraction §12 second pass, step 6: renames, sidecar last. The lock must be held. */
  commitLayer(layer: WantedLayer, staging: Staging, facts: LayerFacts, location: LayersLocation): Promise<StoredLayer>;
  /** Gives up a staging directory; `discard` (a pool task) removes what is in it. */
  discardStaging(staging: Staging): Promise<void>;
  /** compat I7: one transaction. */
  commitImage(key: string, image: ResolvedImage, layers: readonly StoredLayer[]): Promise<PulledImage>;
  listImages(options?: { all?: boolean }): Promise<readonly ImageSummary[]>;
  /** The stored documents of an image, byte for byte. */
  readImage(key: string): Promise<StoredImage | null>;
}

export interface StoredImage {
  readonly reference: string;
  readonly platform: string;
  readonly resolvedDigest: Digest;
  readonly manifestDigest: Digest;
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
  readonly layers: readonly StoredLayer[];
}
