import type { Digest } from './digest.js';

/** A pointer to content. @see OCI image-spec descriptor.md */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: DescriptorPlatform;
  readonly artifactType?: string;
  /** base64 of the content itself. */
  readonly data?: string;
  readonly urls?: readonly string[];
}

export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

/** @see OCI image-spec image-index.md; docker manifest list, schema 2 */
export interface ImageIndex {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** @see OCI image-spec manifest.md; docker image manifest, schema 2 */
export interface ImageManifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
}

/** The parts of an image's config that Sluice reads. @see OCI image-spec config.md */
export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly created?: string;
  readonly rootfsType: string;
  readonly diffIds: readonly Digest[];
  readonly history?: readonly Readonly<Record<string, unknown>>[];
  readonly config: {
    readonly user?: string;
    readonly env?: readonly string[];
    readonly cmd?: readonly string[];
    readonly entrypoint?: readonly string[];
    readonly workingDir?: string;
    /** Keys alone. */
    readonly volumes?: readonly string[];
    readonly exposedPorts?: readonly string[];
  };
}

/** A document with the bytes it was read from, verified. */
export interface Stored<T> {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly value: T;
}

/** One layer of an image: manifest and config paired by position. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** What a reference resolved to: everything but the layers' bytes. */
export interface ResolvedImage {
  /** Digest of what the reference itself led to: index or manifest. */
  readonly resolvedDigest: Digest;
  /** The image index that the manifest was chosen from (the innermost), when there was one. */
  readonly index: Stored<ImageIndex> | null;
  readonly manifest: Stored<ImageManifest>;
  readonly config: Stored<ImageConfig>;
  /** `os/arch[/variant]` that was chosen. */
  readonly platform: string;
  /** Bottom to top, one for every entry of the manifest. */
  readonly layers: readonly ImageLayer[];
}
