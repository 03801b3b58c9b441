import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How a layer's blob is packed. */
export type Packing = 'gzip' | 'zstd' | 'none';

/** A layer's blob as a file. */
export interface LayerFile {
  readonly digest: string;
  readonly path: string;
  readonly packing: Packing;
}

/** An image of an OCI layout, as far as contenders need to know it. */
export interface ImageFiles {
  /** Empty when it has none. */
  readonly tag: string;
  /** Of its manifest, and what kind of document that is. */
  readonly digest: string;
  readonly mediaType: string;
  /** Bottom to top. */
  readonly layers: readonly LayerFile[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

const TAG = 'org.opencontainers.image.ref.name';
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

/**
 * Reads which images an OCI layout holds. It is trusted, unlike by what is measured.
 * @param tags in the order wanted; all of them when left out
 * @throws Error when a tag is not there
 */
export function readImages(layout: string, tags?: readonly string[]): readonly ImageFiles[] {
  const entries = entriesOf(layout);
  const all = entries.map((one) => one.annotations?.[TAG]).filter((tag) => tag !== undefined);
  return (tags ?? all).map((tag) => readImage(layout, tag));
}

/** @param tag null for the first image, tagged or not */
export function readImage(layout: string, tag: string | null): ImageFiles {
  const entry = entriesOf(layout).find((one) => tag === null || one.annotations?.[TAG] === tag);
  if (!entry) throw new Error(tag === null ? `"${layout}" holds no image` : `"${layout}" has no tag "${tag}"`);
  const { digest, mediaType } = manifestOf(layout, entry);
  const { layers } = readJson<{ layers: Descriptor[] }>(blobPath(layout, digest));
  const tagged = entry.annotations?.[TAG] ?? '';
  return { tag: tagged, digest, mediaType, layers: layers.map((one) => layerOf(layout, one)) };
}

function entriesOf(layout: string): readonly Descriptor[] {
  return readJson<{ manifests: Descriptor[] }>(join(layout, 'index.json')).manifests;
}

/** Path of a blob in a layout. */
export function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', digest.replace(':', '/'));
}

/** The image of this machine's platform, where the tag leads to an image index. */
function manifestOf(layout: string, entry: Descriptor): Descriptor {
  if (!/index|manifest\.list/.test(entry.mediaType)) return entry;
  const { manifests } = readJson<{ manifests: Descriptor[] }>(blobPath(layout, entry.digest));
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  const found = manifests.find(({ platform }) => platform?.os === 'linux' && platform.architecture === architecture);
  if (!found) throw new Error(`the image index ${entry.digest} has nothing for linux/${architecture}`);
  return found;
}

function layerOf(layout: string, { digest, mediaType }: Descriptor): LayerFile {
  const packing = mediaType.endsWith('zstd') ? 'zstd' : mediaType.endsWith('gzip') ? 'gzip' : 'none';
  return { digest, path: blobPath(layout, digest), packing };
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
