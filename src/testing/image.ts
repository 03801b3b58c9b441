import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { algorithmOf, digestOf, hexOf, type Digest, type DigestAlgorithm } from '../oci/digest.js';
import type { Descriptor, DescriptorPlatform } from '../oci/manifest.js';
import { compress, type LayerCompression } from './compress.js';

/** One layer to put into an image. */
export interface LayerInput {
  /** The uncompressed tar, e.g. from {@link layer}; the diffID is its digest. */
  readonly tar: Uint8Array;
  /** `gzip` when left out. */
  readonly compression?: LayerCompression;
  /** The blob itself, in place of the compressed tar. */
  readonly blob?: Uint8Array;
  /** What the bytes are, unless the descriptor should say otherwise. */
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The blob's digest; the image's algorithm when left out. */
  readonly algorithm?: DigestAlgorithm;
  /** Put over the descriptor: a wrong size or digest, `urls`, `data`. */
  readonly descriptor?: Partial<Descriptor>;
}

/** What an image is made of. */
export interface ImageInput {
  /** Bottom to top. */
  readonly layers: readonly LayerInput[];
  /** Put over the config document, key by key at its top level. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Put over the manifest document likewise. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** `os/architecture[/variant]`; `linux/amd64` when left out. */
  readonly platform?: string;
  /** `oci` when left out. */
  readonly mediaTypes?: MediaTypes;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Of blobs, config and manifest; sha256 when left out. */
  readonly algorithm?: DigestAlgorithm;
  /** Of the diffIDs; the image's algorithm when left out. */
  readonly diffIdAlgorithm?: DigestAlgorithm;
}

/** Which of the two families of media types documents and layers carry. */
export type MediaTypes = 'oci' | 'docker';

/** A document or blob with the descriptor that points at it. */
export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** A layer of a {@link TestImage}. */
export interface TestLayer extends TestBlob {
  readonly diffId: Digest;
  readonly tar: Buffer;
}

/** An image in memory; immutable. */
export interface TestImage {
  readonly kind: 'image';
  /** Descriptor of the manifest, with the platform. */
  readonly descriptor: Descriptor;
  readonly digest: Digest;
  readonly manifest: TestBlob;
  readonly config: TestBlob;
  readonly layers: readonly TestLayer[];
  /** Everything by digest, the manifest too. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

/** An image index in memory; immutable. */
export interface TestIndex {
  readonly kind: 'index';
  readonly descriptor: Descriptor;
  readonly digest: Digest;
  readonly index: TestBlob;
  readonly manifests: readonly (TestImage | TestIndex)[];
  /** Everything by digest, the index and all below it. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

const TYPES = {
  oci: {
    index: 'application/vnd.oci.image.index.v1+json',
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: { none: 'tar', gzip: 'tar+gzip', zstd: 'tar+zstd' },
    layerPrefix: 'application/vnd.oci.image.layer.v1.',
  },
  docker: {
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: { none: 'tar', gzip: 'tar.gzip', zstd: 'tar.zstd' },
    layerPrefix: 'application/vnd.docker.image.rootfs.diff.',
  },
} as const;

/**
 * Builds an image whose digests, sizes and diffIDs are right except where the input overrides them.
 *
 * ```ts
 * const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });
 * ```
 */
export function buildImage(input: ImageInput): TestImage {
  const algorithm = input.algorithm ?? 'sha256';
  const types = TYPES[input.mediaTypes ?? 'oci'];
  const platform = parsePlatform(input.platform ?? 'linux/amd64');
  const layers = input.layers.map((one) => buildLayer(one, input));
  const config = jsonBlob(types.config, algorithm, {
    created: '1970-01-01T00:00:00Z',
    ...platform,
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'sluice/testing' })),
    ...input.config,
  });
  const manifest = jsonBlob(types.manifest, algorithm, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    ...(input.annotations && { annotations: input.annotations }),
    ...input.manifest,
  });
  return {
    kind: 'image',
    descriptor: { ...manifest.descriptor, platform },
    digest: manifest.descriptor.digest,
    manifest,
    config,
    layers,
    blobs: new Map([...layers, config, manifest].map((blob) => [blob.descriptor.digest, blob.bytes])),
  };
}

function buildLayer(input: LayerInput, image: ImageInput): TestLayer {
  const compression = input.compression ?? 'gzip';
  const types = TYPES[image.mediaTypes ?? 'oci'];
  const bytes = input.blob ? Buffer.from(input.blob) : compress(input.tar, compression);
  const algorithm = image.algorithm ?? 'sha256';
  const family = compression === 'none' ? 'none' : compression === 'zstd-stored' ? 'zstd' : 'gzip';
  return {
    tar: Buffer.from(input.tar),
    diffId: digestOf(input.tar, image.diffIdAlgorithm ?? algorithm),
    bytes,
    descriptor: {
      mediaType: input.mediaType ?? `${types.layerPrefix}${types.layer[family]}`,
      digest: digestOf(bytes, input.algorithm ?? algorithm),
      size: bytes.length,
      ...(input.annotations && { annotations: input.annotations }),
      ...input.descriptor,
    },
  };
}

/** One entry of an image index: an image or index, with what its descriptor should say besides. */
export type IndexEntry =
  | TestImage
  | TestIndex
  | {
      readonly image: TestImage | TestIndex;
      readonly descriptor: Partial<Descriptor> & { readonly platform?: DescriptorPlatform };
    };

/** Builds an image index (docker: a manifest list) of images and further indexes, in the order given. */
export function buildIndex(
  entries: readonly IndexEntry[],
  options: {
    readonly mediaTypes?: MediaTypes;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly algorithm?: DigestAlgorithm;
    /** Put over the document, key by key at its top level. */
    readonly index?: Readonly<Record<string, unknown>>;
  } = {},
): TestIndex {
  const pairs = entries.map((one) =>
    'image' in one ? { image: one.image, more: one.descriptor } : { image: one, more: {} },
  );
  const type = TYPES[options.mediaTypes ?? 'oci'].index;
  const index = jsonBlob(type, options.algorithm ?? 'sha256', {
    schemaVersion: 2,
    mediaType: type,
    manifests: pairs.map(({ image, more }) => ({ ...image.descriptor, ...more })),
    ...(options.annotations && { annotations: options.annotations }),
    ...options.index,
  });
  const manifests = pairs.map(({ image }) => image);
  return {
    kind: 'index',
    descriptor: index.descriptor,
    digest: index.descriptor.digest,
    index,
    manifests,
    blobs: new Map([...manifests.flatMap(({ blobs }) => [...blobs]), [index.descriptor.digest, index.bytes]]),
  };
}

/** The document that a tag of the image or index leads to. */
export function topOf(image: TestImage | TestIndex): TestBlob {
  return image.kind === 'image' ? image.manifest : image.index;
}

/** Every manifest and index that can be asked for by digest, the top one last. */
export function documentsOf(image: TestImage | TestIndex): readonly TestBlob[] {
  return image.kind === 'image' ? [image.manifest] : [...image.manifests.flatMap(documentsOf), image.index];
}

/**
 * Writes an OCI layout directory, which is made when it is not there.
 * @param images by tag, which becomes `org.opencontainers.image.ref.name`
 * @see OCI image-spec image-layout.md
 */
export function writeOciLayout(directory: string, images: Readonly<Record<string, TestImage | TestIndex>>): void {
  for (const [path, bytes] of ociLayoutFiles(images)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
}

/** The files of an OCI layout by their path, e.g. to pack them into an archive. */
export function ociLayoutFiles(images: Readonly<Record<string, TestImage | TestIndex>>): ReadonlyMap<string, Buffer> {
  const manifests = Object.entries(images).map(([tag, { descriptor }]) => ({
    ...descriptor,
    annotations: { ...descriptor.annotations, 'org.opencontainers.image.ref.name': tag },
  }));
  const index = { schemaVersion: 2, mediaType: TYPES.oci.index, manifests };
  return new Map([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify(index))],
    ...Object.values(images)
      .flatMap(({ blobs }) => [...blobs])
      .map(([digest, bytes]) => [`blobs/${algorithmOf(digest)}/${hexOf(digest)}`, bytes] as const),
  ]);
}

/** A blob that holds a JSON document. */
export function jsonBlob(mediaType: string, algorithm: DigestAlgorithm, value: unknown): TestBlob {
  const bytes = Buffer.from(JSON.stringify(value));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.length } };
}

function parsePlatform(text: string): DescriptorPlatform {
  const [os = '', architecture = '', variant] = text.split('/');
  return { os, architecture, ...(variant !== undefined && { variant }) };
}
