/** What is asked of a registry for a manifest, in this order (registry R5). */
export const DOCUMENT_MEDIA_TYPES: readonly string[] = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

export const OCI_INDEX_MEDIA_TYPE = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST_MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG_MEDIA_TYPE = 'application/vnd.oci.image.config.v1+json';

const DOCUMENT_KINDS: ReadonlyMap<string, 'index' | 'manifest'> = new Map([
  [OCI_INDEX_MEDIA_TYPE, 'index'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  [OCI_MANIFEST_MEDIA_TYPE, 'manifest'],
  ['application/vnd.docker.distribution.manifest.v2+json', 'manifest'],
]);

const SCHEMA_1_MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.docker.distribution.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
]);

const GENERIC_MEDIA_TYPES: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'text/plain',
  'application/octet-stream',
]);

const CONFIG_MEDIA_TYPES: ReadonlySet<string> = new Set([
  OCI_CONFIG_MEDIA_TYPE,
  'application/vnd.docker.container.image.v1+json',
]);

/** How a layer's blob is packed, as its media type says; the bytes themselves decide in the end. */
export type LayerCompression = 'none' | 'gzip' | 'zstd';

export interface LayerKind {
  readonly compression: LayerCompression;
  /** Content that a registry need not hold (nondistributable and foreign layers). */
  readonly isForeign: boolean;
}

const LAYER_KINDS: ReadonlyMap<string, LayerKind> = new Map(
  [
    { base: 'application/vnd.oci.image.layer.v1.tar', separator: '+', isForeign: false },
    { base: 'application/vnd.oci.image.layer.nondistributable.v1.tar', separator: '+', isForeign: true },
    { base: 'application/vnd.docker.image.rootfs.diff.tar', separator: '.', isForeign: false },
    { base: 'application/vnd.docker.image.rootfs.foreign.diff.tar', separator: '.', isForeign: true },
  ].flatMap(({ base, separator, isForeign }): [string, LayerKind][] => [
    [base, { compression: 'none', isForeign }],
    [`${base}${separator}gzip`, { compression: 'gzip', isForeign }],
    [`${base}${separator}zstd`, { compression: 'zstd', isForeign }],
  ]),
);

/** @returns null for anything that is no image index or image manifest of schema 2 */
export function kindOfDocument(mediaType: string): 'index' | 'manifest' | null {
  return DOCUMENT_KINDS.get(mediaType) ?? null;
}

/**
 * @returns null for a layer that cannot be extracted, encrypted ones among them
 * @see registry R114
 */
export function kindOfLayer(mediaType: string): LayerKind | null {
  return LAYER_KINDS.get(mediaType) ?? null;
}

export function isConfigMediaType(mediaType: string): boolean {
  return CONFIG_MEDIA_TYPES.has(mediaType);
}

export function isSchema1MediaType(mediaType: string): boolean {
  return SCHEMA_1_MEDIA_TYPES.has(mediaType);
}

/** Whether a `Content-Type` without parameters says nothing about a document (registry R101). */
export function isGenericMediaType(mediaType: string): boolean {
  return GENERIC_MEDIA_TYPES.has(mediaType);
}

/** A `Content-Type` in lower case, its parameters cut. */
export function cutParameters(contentType: string): string {
  const [type = ''] = contentType.split(';', 1);
  return type.trim().toLowerCase();
}
