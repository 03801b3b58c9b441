import { SluiceError } from '../errors.js';
import { algorithmOf, digestOf, type Digest } from '../oci/digest.js';
import {
  decodeInlineData,
  parseImageConfig,
  parseManifestDocument,
  type Descriptor,
  type ImageConfig,
  type ImageIndex,
  type ImageLayer,
  type ImageManifest,
  type ResolvedImage,
  type Stored,
} from '../oci/manifest.js';
import { kindOfDocument } from '../oci/media-type.js';
import {
  formatPlatform,
  isPlatformMatch,
  normalizePlatform,
  type Platform,
  type PlatformNames,
} from '../oci/platform.js';
import { hasUsableData } from './inline.js';
import { throwIfAborted } from './abort.js';
import { chooseEntries, describePlatform } from './select.js';
import type { Document, Source } from './source.js';

export interface ResolveOptions {
  /** `any`: the first image of an index, and no check of the config's platform. */
  readonly platform: Platform | 'any';
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
  /** 1024 when left out. */
  readonly maxLayers?: number;
  readonly signal: AbortSignal;
  /** Takes what users may want to know though nothing failed. */
  notice(level: 'debug' | 'info' | 'warn', message: string, host?: string): void;
}

const MAX_LAYERS = 1024;
const MAX_INDEX_DEPTH = 8;
const MAX_INDEX_DOCUMENTS = 64;
const MAX_PLATFORMS_LISTED = 64;

/**
 * Reads and verifies every document of an image: what the reference leads to, the manifest for the platform, and the
 * config. No layer is asked for.
 * @throws SluiceError by registry §12
 * @see registry R93 to R116
 */
export async function resolveImage(source: Source, options: ResolveOptions): Promise<ResolvedImage> {
  const top = await readTop(source, options);
  const { index, manifest, platform } = await selectManifest(source, top, options);
  checkLayers(manifest.value, options.maxLayers ?? MAX_LAYERS);
  const config = await readConfig(source, manifest.value.config, options);
  checkPlatform(config, options);
  return {
    resolvedDigest: top.digest,
    index,
    manifest,
    config: config.stored,
    platform: nameOfPlatform(platform ?? config.stored.value, options.platform),
    layers: pairLayers(manifest.value, config.stored.value),
  };
}

interface Selection {
  readonly index: Stored<ImageIndex> | null;
  readonly manifest: Stored<ImageManifest>;
  /** What the index says of the manifest. */
  readonly platform: PlatformNames | null;
}

async function selectManifest(
  source: Source,
  top: Stored<ImageIndex | ImageManifest>,
  options: ResolveOptions,
): Promise<Selection> {
  if (isManifest(top)) return { index: null, manifest: top, platform: null };
  if (!isIndex(top)) throw new Error('a document is an index or a manifest');
  const walk: Walk = { best: null, offered: new Set(), seen: new Set([top.digest]), documents: 1 };
  await walkIndex(source, { index: top, inherited: null, depth: 1 }, walk, options);
  if (walk.best === null) throw platformNotFound(walk.offered, options.platform);
  const { index, descriptor, platform } = walk.best;
  const manifest = await readByDescriptor(source, descriptor, options);
  if (!isManifest(manifest)) throw notAsDescribed(descriptor, manifest.mediaType);
  return { index, manifest, platform };
}

/** What a walk over nested indexes has found so far; only the best candidate is kept. */
interface Walk {
  best: {
    readonly rank: number;
    readonly index: Stored<ImageIndex>;
    readonly descriptor: Descriptor;
    readonly platform: PlatformNames | null;
  } | null;
  readonly offered: Set<string>;
  readonly seen: Set<Digest>;
  documents: number;
}

interface IndexPlace {
  readonly index: Stored<ImageIndex>;
  readonly inherited: PlatformNames | null;
  /** 1 for what the reference itself leads to. */
  readonly depth: number;
}

async function walkIndex(source: Source, place: IndexPlace, walk: Walk, options: ResolveOptions): Promise<void> {
  const { index, inherited, depth } = place;
  for (const { descriptor, platform, choice } of chooseEntries(index.value, options.platform, inherited)) {
    if (platform !== null && walk.offered.size < MAX_PLATFORMS_LISTED) walk.offered.add(describePlatform(platform));
    if (choice.kind === 'manifest' && choice.rank < (walk.best?.rank ?? Infinity))
      walk.best = { rank: choice.rank, index, descriptor, platform };
    if (choice.kind !== 'index' || walk.seen.has(descriptor.digest)) continue;
    walk.seen.add(descriptor.digest);
    const nested = await readNestedIndex(
      source,
      descriptor,
      { depth: depth + 1, documents: ++walk.documents },
      options,
    );
    await walkIndex(source, { index: nested, inherited: platform, depth: depth + 1 }, walk, options);
  }
}

async function readNestedIndex(
  source: Source,
  descriptor: Descriptor,
  reached: { readonly depth: number; readonly documents: number },
  options: ResolveOptions,
): Promise<Stored<ImageIndex>> {
  if (reached.depth > MAX_INDEX_DEPTH || reached.documents > MAX_INDEX_DOCUMENTS)
    throw new SluiceError('INDEX_TOO_DEEP', {
      message: `reading nested index "${descriptor.digest}": more than ${MAX_INDEX_DEPTH} levels or ${MAX_INDEX_DOCUMENTS} documents`,
      rule: 'registry R104',
    });
  const nested = await readByDescriptor(source, descriptor, options);
  if (!isIndex(nested)) throw notAsDescribed(descriptor, nested.mediaType);
  return nested;
}

async function readTop(source: Source, options: ResolveOptions): Promise<Stored<ImageIndex | ImageManifest>> {
  throwIfAborted(options.signal);
  const document = await source.readTop(options.signal);
  const digest = verify(document, document.expected, { asked: 'manifest', ...manifestCap(options) });
  return store(document, digest);
}

async function readByDescriptor(
  source: Source,
  descriptor: Descriptor,
  options: ResolveOptions,
): Promise<Stored<ImageIndex | ImageManifest>> {
  const cap = manifestCap(options);
  const document = await readDocument(source, descriptor, { asked: 'manifest', ...cap }, options.signal);
  return store(document, descriptor.digest);
}

function store(document: Document, digest: Digest): Stored<ImageIndex | ImageManifest> {
  const value = parseManifestDocument(document.bytes, document.contentType);
  return { digest, mediaType: value.mediaType, bytes: document.bytes, value };
}

interface ReadConfig {
  readonly stored: Stored<ImageConfig>;
  readonly host: string;
}

async function readConfig(source: Source, descriptor: Descriptor, options: ResolveOptions): Promise<ReadConfig> {
  const cap: Cap = { asked: 'config', option: 'maxConfigBytes', value: options.maxConfigBytes };
  const { bytes, host } = await readDocument(source, descriptor, cap, options.signal);
  const value = parseImageConfig(bytes);
  return { stored: { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes, value }, host };
}

/** How large a document may be, and which option says so. */
interface Cap {
  readonly asked: 'manifest' | 'config';
  readonly option: string;
  readonly value: number;
}

function manifestCap({ maxManifestBytes }: ResolveOptions): Omit<Cap, 'asked'> {
  return { option: 'maxManifestBytes', value: maxManifestBytes };
}

/** Reads what a descriptor points at, from the descriptor itself if it can, and verifies it. */
async function readDocument(source: Source, descriptor: Descriptor, cap: Cap, signal: AbortSignal): Promise<Document> {
  throwIfAborted(signal);
  if (descriptor.size > cap.value) throw tooLarge(descriptor.digest, descriptor.size, cap);
  const inline = decodeInlineData(descriptor);
  if (inline !== null) return { bytes: inline, contentType: descriptor.mediaType, host: '' };
  const document = await source.readDocument(descriptor, cap.asked, signal);
  const { expected } = document;
  if (expected !== undefined && expected.digest !== descriptor.digest) verify(document, expected, cap);
  verify(document, descriptor, cap);
  return document;
}

/**
 * Compares the bytes received with what was promised of them, before anything else looks at them.
 * @returns their digest, in the algorithm of the promise, else sha256
 */
function verify(
  { bytes, host }: Document,
  promised: { readonly digest: Digest; readonly size?: number } | undefined,
  cap: Cap,
): Digest {
  const digest = digestOf(bytes, promised === undefined ? 'sha256' : algorithmOf(promised.digest));
  const detail = { asked: cap.asked, ...(host !== '' && { host }) };
  if (bytes.length > cap.value) throw tooLarge(promised?.digest ?? digest, bytes.length, cap).with(detail);
  if (promised?.size !== undefined && promised.size !== bytes.length)
    throw new SluiceError('SIZE_MISMATCH', {
      message: `reading ${cap.asked} "${promised.digest}": ${promised.size} bytes promised, ${bytes.length} received`,
      rule: 'registry R93',
      expected: String(promised.size),
      got: String(bytes.length),
      ...detail,
    });
  if (promised !== undefined && promised.digest !== digest)
    throw new SluiceError('DIGEST_MISMATCH', {
      message: `reading ${cap.asked} "${promised.digest}": the bytes received have digest ${digest}`,
      rule: 'registry R93',
      expected: promised.digest,
      got: digest,
      ...detail,
    });
  return digest;
}

function checkLayers({ layers }: ImageManifest, maxLayers: number): void {
  if (layers.length > maxLayers)
    throw new SluiceError('TOO_LARGE', {
      message: `reading manifest: ${layers.length} layers, at most ${maxLayers} are allowed`,
      rule: 'registry R98',
      limit: { option: 'maxLayers', value: maxLayers },
    });
  for (const layer of layers) if (hasUsableData(layer)) decodeInlineData(layer);
}

function checkPlatform({ stored, host }: ReadConfig, { platform, notice }: ResolveOptions): void {
  if (platform === 'any') return;
  const { os, architecture } = stored.value;
  if (os === '' || architecture === '')
    notice('warn', `the image's config names no ${os === '' ? 'operating system' : 'architecture'}`, host || undefined);
  if (isPlatformMatch(platform, stored.value)) return;
  const [expected, got] = [formatPlatform(platform), describePlatform(stored.value)];
  throw new SluiceError('PLATFORM_MISMATCH', {
    message: `reading config "${stored.digest}": the image is made for ${got}, wanted is ${expected}`,
    rule: 'registry R112',
    expected,
    got,
    platforms: [got],
  });
}

/** Layers and diffIDs belong together by position; a layer may occur several times. */
function pairLayers({ layers }: ImageManifest, { diffIds }: ImageConfig): ImageLayer[] {
  if (layers.length !== diffIds.length)
    throw new SluiceError('LAYER_COUNT_MISMATCH', {
      message: `reading image: ${layers.length} layers, ${diffIds.length} diffIDs`,
      rule: 'registry R115',
    });
  return diffIds.flatMap((diffId, at) => {
    const descriptor = layers[at];
    return descriptor ? [{ descriptor, diffId }] : [];
  });
}

function nameOfPlatform(found: PlatformNames, wanted: Platform | 'any'): string {
  return describePlatform(normalizePlatform(found), wanted === 'any' ? undefined : wanted);
}

function isManifest(stored: Stored<ImageIndex | ImageManifest>): stored is Stored<ImageManifest> {
  return stored.value.kind === 'manifest';
}

function isIndex(stored: Stored<ImageIndex | ImageManifest>): stored is Stored<ImageIndex> {
  return stored.value.kind === 'index';
}

/** An index that is read as a manifest, or the reverse, could show two tools two images (CVE-2021-41190). */
function notAsDescribed({ mediaType, digest }: Descriptor, found: string): SluiceError {
  return new SluiceError('MEDIA_TYPE_MISMATCH', {
    message: `reading manifest "${digest}": the index says ${kindOfDocument(mediaType)}, the document is "${found}"`,
    rule: 'registry R101',
  });
}

function platformNotFound(offered: ReadonlySet<string>, wanted: Platform | 'any'): SluiceError {
  const platforms = [...offered];
  const text = wanted === 'any' ? 'any platform' : formatPlatform(wanted);
  return new SluiceError('PLATFORM_NOT_FOUND', {
    message: `choosing a manifest for ${text}: the index offers ${platforms.join(', ') || 'no image'}`,
    rule: 'registry R111',
    platforms,
  });
}

function tooLarge(digest: Digest, bytes: number, cap: Cap): SluiceError {
  return new SluiceError('TOO_LARGE', {
    message: `reading ${cap.asked} "${digest}": ${bytes} bytes, at most ${cap.value} are allowed`,
    rule: 'registry R98',
    asked: cap.asked,
    limit: { option: cap.option, value: cap.value },
  });
}
