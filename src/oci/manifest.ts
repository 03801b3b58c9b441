import * as z from 'zod/mini';
import { SluiceError } from '../errors.js';
import { validate } from '../validate.js';
import { algorithmOf, digestOf, parseDigest, type Digest } from './digest.js';
import {
  isConfigMediaType,
  isGenericMediaType,
  isSchema1MediaType,
  kindOfDocument,
  kindOfLayer,
  OCI_INDEX_MEDIA_TYPE,
  OCI_MANIFEST_MEDIA_TYPE,
} from './media-type.js';

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

/** Levels of nesting that a document may have; tools write fewer than ten. */
const MAX_JSON_DEPTH = 64;

const stringSchema = z.nullish(z.string());
const wordsSchema = z.nullish(z.array(z.string()));
const annotationsSchema = z.nullish(z.record(z.string(), z.string()));

const descriptorSchema = z.object({
  mediaType: z.string().check(z.minLength(1)),
  digest: z.string(),
  size: z
    .number()
    .check(z.refine((size) => Number.isSafeInteger(size) && size >= 0, 'is no safe integer of at least 0')),
  annotations: annotationsSchema,
  platform: z.nullish(
    z.object({
      os: stringSchema,
      architecture: stringSchema,
      variant: stringSchema,
      'os.version': stringSchema,
    }),
  ),
  artifactType: stringSchema,
  data: stringSchema,
  urls: wordsSchema,
});

const documentSchema = z.object({
  schemaVersion: z.optional(z.unknown()),
  mediaType: stringSchema,
  artifactType: stringSchema,
  manifests: z.nullish(z.array(z.unknown())),
  config: z.optional(z.unknown()),
  layers: z.nullish(z.array(z.unknown())),
  annotations: annotationsSchema,
});

const keysSchema = z.nullish(z.record(z.string(), z.unknown()));

const configSchema = z.object({
  os: stringSchema,
  architecture: stringSchema,
  variant: stringSchema,
  'os.version': stringSchema,
  created: z.optional(z.unknown()),
  rootfs: z.nullish(z.object({ type: stringSchema, diff_ids: wordsSchema })),
  history: z.nullish(z.array(z.record(z.string(), z.unknown()))),
  config: z.nullish(
    z.object({
      User: stringSchema,
      Env: wordsSchema,
      Cmd: wordsSchema,
      Entrypoint: wordsSchema,
      WorkingDir: stringSchema,
      Volumes: keysSchema,
      ExposedPorts: keysSchema,
    }),
  ),
});

/**
 * Reads an image index or an image manifest.
 * @param contentType lower case, parameters cut; null when the source says none
 * @throws SluiceError MANIFEST_INVALID | MANIFEST_UNSUPPORTED | MEDIA_TYPE_MISMATCH | MEDIA_TYPE_UNSUPPORTED |
 *   NOT_AN_IMAGE | DIGEST_INVALID
 * @see registry R99 to R103, R113, R114; OCI image-spec image-index.md, manifest.md
 */
export function parseManifestDocument(bytes: Uint8Array, contentType: string | null): ImageIndex | ImageManifest {
  const json = parseJsonObject(bytes, 'manifest');
  refuseSchema1(json, contentType);
  const document = check(documentSchema, json, 'manifest');
  const { kind, mediaType } = typeOfDocument(document, contentType);
  const annotations = optional('annotations', document.annotations);
  if (kind === 'index') {
    const manifests = (document.manifests ?? []).map((value, at) => parseDescriptor(value, `manifests[${at}]`));
    return { kind, mediaType, manifests, ...annotations };
  }
  const config = parseConfigDescriptor(document);
  const layers = (document.layers ?? []).map((value, at) => parseLayerDescriptor(value, `layers[${at}]`));
  return { kind, mediaType, config, layers, ...annotations, ...optional('artifactType', document.artifactType) };
}

/**
 * @param value parsed JSON
 * @param where for messages: `layers[2]`
 * @throws SluiceError MANIFEST_INVALID | DIGEST_INVALID
 * @see registry R97, R99, R103; OCI image-spec descriptor.md
 */
export function parseDescriptor(value: unknown, where: string = 'descriptor'): Descriptor {
  const raw = check(descriptorSchema, value, where, 'registry R99');
  const platform = parseDescriptorPlatform(raw.platform ?? {});
  return {
    mediaType: raw.mediaType,
    digest: parseDigest(raw.digest),
    size: raw.size,
    ...optional('annotations', raw.annotations),
    ...optional('platform', platform),
    ...optional('artifactType', raw.artifactType),
    ...optional('data', raw.data),
    ...optional('urls', raw.urls),
  };
}

/**
 * Reads an image's config.
 * @throws SluiceError MANIFEST_INVALID | DIGEST_INVALID
 * @see registry R97, R103; OCI image-spec config.md
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const raw = check(configSchema, parseJsonObject(bytes, 'config'), 'config');
  const rootfsType = raw.rootfs?.type || 'layers';
  if (rootfsType !== 'layers')
    throw manifestInvalid(
      `reading config: rootfs.type is ${JSON.stringify(rootfsType.slice(0, 100))}`,
      'registry R103',
    );
  const { User, Env, Cmd, Entrypoint, WorkingDir, Volumes, ExposedPorts } = raw.config ?? {};
  return {
    os: raw.os ?? '',
    architecture: raw.architecture ?? '',
    ...optional('variant', raw.variant),
    ...optional('osVersion', raw['os.version']),
    ...optional('created', typeof raw.created === 'string' ? raw.created : null),
    rootfsType,
    diffIds: (raw.rootfs?.diff_ids ?? []).map(parseDigest),
    ...optional('history', raw.history),
    config: {
      ...optional('user', User),
      ...optional('env', Env),
      ...optional('cmd', Cmd),
      ...optional('entrypoint', Entrypoint),
      ...optional('workingDir', WorkingDir),
      ...optional('volumes', Volumes && Object.keys(Volumes)),
      ...optional('exposedPorts', ExposedPorts && Object.keys(ExposedPorts)),
    },
  };
}

/**
 * The content that a descriptor carries itself, verified.
 * @returns null when it carries none
 * @throws SluiceError MANIFEST_INVALID when the base64, the size or the digest does not fit
 * @see registry R100
 */
export function decodeInlineData(descriptor: Descriptor): Uint8Array | null {
  const { data, size, digest } = descriptor;
  if (data === undefined) return null;
  const bytes = Buffer.from(data, 'base64');
  const isFit =
    bytes.length === size && bytes.toString('base64') === data && digestOf(bytes, algorithmOf(digest)) === digest;
  if (isFit) return bytes;
  throw manifestInvalid(
    `reading the data of descriptor "${digest}": not the content that it describes`,
    'registry R100',
  );
}

type RawDocument = z.infer<typeof documentSchema>;

function refuseSchema1(json: object, contentType: string | null): void {
  const version = 'schemaVersion' in json ? json.schemaVersion : undefined;
  const mediaType = 'mediaType' in json && typeof json.mediaType === 'string' ? json.mediaType : '';
  if (version === 1 || isSchema1MediaType(contentType ?? '') || isSchema1MediaType(mediaType))
    throw new SluiceError('MANIFEST_UNSUPPORTED', {
      message: 'reading manifest: schema 1, rebuild or re-push the image',
      rule: 'registry R102',
    });
  if (version !== 2) throw manifestInvalid('reading manifest: schemaVersion is not 2', 'registry R102');
}

/** Decides what a document is: a body that could be read both ways is refused (CVE-2021-41190). */
function typeOfDocument(
  document: RawDocument,
  contentType: string | null,
): { kind: 'index' | 'manifest'; mediaType: string } {
  const shape = shapeOfDocument(document);
  const spoken = contentType === null || isGenericMediaType(contentType) ? null : contentType;
  const written = document.mediaType || null;
  if (written !== null && spoken !== null && written !== spoken)
    throw mediaTypeMismatch(`the document says ${quote(written)}, its source ${quote(spoken)}`);
  const mediaType = written ?? spoken ?? (shape === 'index' ? OCI_INDEX_MEDIA_TYPE : OCI_MANIFEST_MEDIA_TYPE);
  const kind = kindOfDocument(mediaType);
  if (kind === null)
    throw new SluiceError('MEDIA_TYPE_UNSUPPORTED', {
      message: `reading manifest: ${quote(mediaType)} is neither image index nor image manifest`,
      rule: 'registry R101',
    });
  if (shape === null)
    throw manifestInvalid('reading manifest: neither manifests nor config and layers', 'registry R101');
  if (shape !== kind) throw mediaTypeMismatch(`${quote(mediaType)} on the fields of an image ${shape}`);
  return { kind, mediaType };
}

function shapeOfDocument(document: RawDocument): 'index' | 'manifest' | null {
  const hasManifests = document.manifests !== undefined;
  const hasImage = document.config !== undefined || document.layers !== undefined;
  if (hasManifests && hasImage)
    throw manifestInvalid('reading manifest: manifests together with config or layers', 'registry R102');
  return hasManifests ? 'index' : hasImage ? 'manifest' : null;
}

function parseConfigDescriptor(document: RawDocument): Descriptor {
  const config = parseDescriptor(document.config, 'config');
  if (isConfigMediaType(config.mediaType)) return config;
  throw new SluiceError('NOT_AN_IMAGE', {
    message: `reading manifest: an artifact of type ${quote(document.artifactType || config.mediaType)}`,
    rule: 'registry R113',
  });
}

function parseLayerDescriptor(value: unknown, where: string): Descriptor {
  const layer = parseDescriptor(value, where);
  if (kindOfLayer(layer.mediaType) !== null) return layer;
  throw new SluiceError('MEDIA_TYPE_UNSUPPORTED', {
    message: `reading manifest: ${where} is ${quote(layer.mediaType)}`,
    rule: 'registry R114',
    layer: layer.digest,
  });
}

function parseDescriptorPlatform(raw: {
  os?: string | null | undefined;
  architecture?: string | null | undefined;
  variant?: string | null | undefined;
  'os.version'?: string | null | undefined;
}): DescriptorPlatform | null {
  if (!raw.os && !raw.architecture) return null;
  return {
    os: raw.os ?? '',
    architecture: raw.architecture ?? '',
    ...optional('variant', raw.variant),
    ...optional('os.version', raw['os.version']),
  };
}

/** @throws SluiceError MANIFEST_INVALID */
function parseJsonObject(bytes: Uint8Array, what: 'manifest' | 'config'): object {
  if (isTooDeep(bytes))
    throw manifestInvalid(`reading ${what}: nested more than ${MAX_JSON_DEPTH} deep`, 'registry R103');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw new SluiceError(
      'MANIFEST_INVALID',
      { message: `reading ${what}: not JSON in UTF-8`, rule: 'registry R103' },
      { cause: error },
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw manifestInvalid(`reading ${what}: not a JSON object`, 'registry R103');
}

/** Code that walks the parsed value by recursion must never meet a document that exhausts the stack. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) isInString = false;
    } else if (byte === 0x22) isInString = true;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}

function check<T>(schema: z.ZodMiniType<T>, value: unknown, where: string, rule: string = 'registry R103'): T {
  return validate(schema, value, (path, why) => {
    const place = [where, ...path].join('.').slice(0, 200).replace(/\p{C}/gu, '?');
    return manifestInvalid(`reading ${place}: ${why}`, rule);
  });
}

/** An object with one property, or none for a value that is absent. */
function optional<K extends string, V>(key: K, value: V | null | undefined): { readonly [P in K]?: V } {
  return (value === null || value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

function manifestInvalid(message: string, rule: string): SluiceError {
  return new SluiceError('MANIFEST_INVALID', { message, rule });
}

function mediaTypeMismatch(what: string): SluiceError {
  return new SluiceError('MEDIA_TYPE_MISMATCH', { message: `reading manifest: ${what}`, rule: 'registry R101' });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
