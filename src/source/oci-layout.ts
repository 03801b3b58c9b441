import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errnoOf, SluiceError } from '../errors.js';
import { algorithmOf, hexOf, type Digest } from '../oci/digest.js';
import { parseManifestDocument, type Descriptor, type ImageIndex } from '../oci/manifest.js';
import { IMAGE_NAME_ANNOTATION, REF_NAME_ANNOTATION, type OciLayoutReference } from '../oci/reference.js';
import { throwIfAborted } from './abort.js';
import { isPassedOver } from './select.js';
import type { BlobAccess, Document, Source } from './source.js';

export interface OciLayoutOptions {
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
}

/**
 * An OCI image layout in a directory. Nothing is read before the first call.
 *
 * Files are regular ones or they are refused: a link in a layout from elsewhere could lead to any file of this machine, a
 * FIFO could hold the reader for ever.
 * @see OCI image-spec image-layout.md
 */
export function openOciLayout(reference: OciLayoutReference, options: OciLayoutOptions): Source {
  const dir = resolve(reference.dir);
  return {
    peekDigest: async (signal) => (await readTopDescriptor(reference, options, signal)).digest,
    readTop: async (signal) => {
      const descriptor = await readTopDescriptor(reference, options, signal);
      return readBlob(dir, descriptor, 'manifest', options);
    },
    readDocument: async (descriptor, asked, signal) => {
      throwIfAborted(signal);
      return readBlob(dir, descriptor, asked, options);
    },
    locateBlob: async (descriptor, signal) => {
      throwIfAborted(signal);
      return locateBlob(dir, descriptor);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/**
 * The descriptor that the reference leads to, with its annotations.
 * @throws SluiceError MANIFEST_UNKNOWN | MANIFEST_INVALID | TOO_LARGE | STORE_FAILED
 */
export async function readTopDescriptor(
  reference: OciLayoutReference,
  { maxManifestBytes }: OciLayoutOptions,
  signal: AbortSignal,
): Promise<Descriptor> {
  throwIfAborted(signal);
  const dir = resolve(reference.dir);
  const cap: Cap = { option: 'maxManifestBytes', value: maxManifestBytes };
  checkVersion(await readLayoutFile(dir, 'oci-layout', cap));
  const index = parseManifestDocument(await readLayoutFile(dir, 'index.json', cap), null);
  if (index.kind !== 'index')
    throw new SluiceError('MANIFEST_INVALID', `opening OCI layout ${quote(dir)}: index.json is no image index`);
  return selectDescriptor(index, reference.tag, dir);
}

/** Decides which entry of `index.json` is meant. */
function selectDescriptor(index: ImageIndex, tag: string | null, dir: string): Descriptor {
  const images = index.manifests.filter((descriptor) => !isPassedOver(descriptor));
  const found = tag === null ? images : findTag(index.manifests, tag);
  const [first] = found;
  const count = new Set(found.map(({ digest }) => digest)).size;
  if (first !== undefined && count === 1) return first;
  const tags = [...new Set(images.flatMap(({ annotations }) => annotations?.[REF_NAME_ANNOTATION] ?? []))];
  const what = tag === null ? `${count} images and no tag is named` : `${count} images have the tag ${quote(tag)}`;
  throw new SluiceError('MANIFEST_UNKNOWN', {
    message: `opening OCI layout ${quote(dir)}: ${what}; tags: ${tags.slice(0, 64).map(quote).join(', ') || 'none'}`,
    hint: 'Name one of the tags, as oci:DIR:TAG.',
  });
}

function findTag(entries: readonly Descriptor[], tag: string): readonly Descriptor[] {
  const byAnnotation = (key: string): Descriptor[] => entries.filter(({ annotations }) => annotations?.[key] === tag);
  const tagged = byAnnotation(REF_NAME_ANNOTATION);
  const found = tagged.length > 0 ? tagged : byAnnotation(IMAGE_NAME_ANNOTATION);
  const images = found.filter((descriptor) => !isPassedOver(descriptor));
  return images.length > 0 ? images : found;
}

function checkVersion(bytes: Uint8Array): void {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    value = null;
  }
  const version =
    typeof value === 'object' && value !== null && 'imageLayoutVersion' in value && value.imageLayoutVersion;
  if (typeof version === 'string' && /^1\.\d+\.\d+$/.test(version)) return;
  throw new SluiceError('MANIFEST_UNSUPPORTED', 'opening OCI layout: oci-layout names no version 1');
}

async function readLayoutFile(dir: string, name: string, cap: Cap): Promise<Uint8Array> {
  const bytes = await readRegularFile(join(dir, name), cap);
  if (bytes !== null) return bytes;
  throw new SluiceError('MANIFEST_UNKNOWN', {
    message: `opening OCI layout ${quote(dir)}: no regular file ${name}`,
    hint: 'Name a directory that holds an OCI image layout.',
  });
}

async function readBlob(
  dir: string,
  descriptor: Descriptor,
  asked: 'manifest' | 'config',
  options: OciLayoutOptions,
): Promise<Document> {
  const cap: Cap =
    asked === 'manifest'
      ? { option: 'maxManifestBytes', value: options.maxManifestBytes }
      : { option: 'maxConfigBytes', value: options.maxConfigBytes };
  const bytes = await readRegularFile(pathOfBlob(dir, descriptor.digest), cap);
  if (bytes === null) throw blobUnknown(asked === 'manifest' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', dir, descriptor);
  const { digest, size, mediaType } = descriptor;
  return { bytes, contentType: mediaType, expected: { digest, size }, host: dir };
}

async function locateBlob(dir: string, descriptor: Descriptor): Promise<BlobAccess> {
  const path = pathOfBlob(dir, descriptor.digest);
  const stat = await absentAsNull(() => lstat(path), path);
  if (stat === null || !stat.isFile()) throw blobUnknown('BLOB_UNKNOWN', dir, descriptor);
  if (stat.size === descriptor.size) return { kind: 'file', path, offset: 0, length: stat.size };
  throw new SluiceError('SIZE_MISMATCH', {
    message: `opening blob "${descriptor.digest}" of OCI layout ${quote(dir)}: ${descriptor.size} bytes promised, ${stat.size} there`,
    rule: 'registry R93',
    layer: descriptor.digest,
    asked: 'blob',
    expected: String(descriptor.size),
    got: String(stat.size),
  });
}

function pathOfBlob(dir: string, digest: Digest): string {
  return join(dir, 'blobs', algorithmOf(digest), hexOf(digest));
}

interface Cap {
  readonly option: string;
  readonly value: number;
}

/** @returns null when there is no such regular file */
async function readRegularFile(path: string, cap: Cap): Promise<Uint8Array | null> {
  await using file = await absentAsNull(
    () => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
    path,
  );
  if (file === null) return null;
  const stat = await file.stat();
  if (!stat.isFile()) return null;
  if (stat.size > cap.value)
    throw new SluiceError('TOO_LARGE', {
      message: `reading ${quote(path)}: ${stat.size} bytes, at most ${cap.value} are allowed`,
      rule: 'registry R98',
      limit: cap,
    });
  const bytes = Buffer.alloc(stat.size);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

async function absentAsNull<T>(work: () => Promise<T>, path: string): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP' || errno === 'ENXIO') return null;
    throw new SluiceError(
      'STORE_FAILED',
      {
        message: `reading ${quote(path)}: ${errno ?? String(error)}`,
        ...(errno !== undefined && { errno }),
        hint: 'Check owner and permissions of the OCI layout.',
      },
      { cause: error },
    );
  }
}

function blobUnknown(code: 'MANIFEST_UNKNOWN' | 'BLOB_UNKNOWN', dir: string, { digest }: Descriptor): SluiceError {
  return new SluiceError(code, {
    message: `opening blob "${digest}" of OCI layout ${quote(dir)}: no such regular file`,
    hint: 'The layout is incomplete; write it again.',
  });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 500));
}
