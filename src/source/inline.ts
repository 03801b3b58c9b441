import { SluiceError } from '../errors.js';
import { decodeInlineData, type Descriptor } from '../oci/manifest.js';
import { kindOfLayer } from '../oci/media-type.js';
import { throwIfAborted } from './abort.js';
import type { BlobAccess, BlobReader, Source } from './source.js';

/** Layers larger than this are asked of the source though their descriptor carries them (registry R100). */
const MAX_INLINE_LAYER_BYTES = 1024 * 1024;

export function hasUsableData({ data, size }: Descriptor): boolean {
  return data !== undefined && size <= MAX_INLINE_LAYER_BYTES;
}

/**
 * Completes a source with what is the same for all kinds: layers that lie in their own descriptor are read from there,
 * and a foreign layer that is absent is named as such.
 * @see registry R100, R116
 */
export function completeSource(source: Source): Source {
  return {
    peekDigest: (signal) => source.peekDigest(signal),
    checkAccess: async (signal) => source.checkAccess?.(signal),
    readTop: (signal) => source.readTop(signal),
    readDocument: (descriptor, asked, signal) => source.readDocument(descriptor, asked, signal),
    locateBlob: (descriptor, signal) => locateLayer(source, descriptor, signal),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

async function locateLayer(source: Source, descriptor: Descriptor, signal: AbortSignal): Promise<BlobAccess> {
  const inline = hasUsableData(descriptor) ? decodeInlineData(descriptor) : null;
  if (inline !== null) return { kind: 'remote', openReader: () => openInlineReader(inline) };
  const isForeign = kindOfLayer(descriptor.mediaType)?.isForeign ?? false;
  if (!isForeign) return source.locateBlob(descriptor, signal);
  const access = await namingForeign(descriptor, () => source.locateBlob(descriptor, signal));
  return access.kind === 'file'
    ? access
    : { kind: 'remote', openReader: (isBulk) => openForeignReader(access.openReader(isBulk), descriptor) };
}

function openInlineReader(bytes: Uint8Array): BlobReader {
  return {
    read: async (offset, length, sink, signal) => {
      throwIfAborted(signal);
      sink(bytes.subarray(offset, offset + length));
    },
    close: async () => {},
  };
}

function openForeignReader(reader: BlobReader, descriptor: Descriptor): BlobReader {
  return {
    read: (offset, length, sink, signal) => namingForeign(descriptor, () => reader.read(offset, length, sink, signal)),
    setbacks: () => reader.setbacks?.() ?? 0,
    host: () => reader.host?.(),
    close: () => reader.close(),
  };
}

async function namingForeign<T>(descriptor: Descriptor, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'BLOB_UNKNOWN') throw error;
    const hosts = (descriptor.urls ?? []).flatMap((url) => (URL.canParse(url) ? [new URL(url).host] : []));
    const message = `opening foreign layer "${descriptor.digest}": it lies at ${[...new Set(hosts)].join(', ') || 'no named host'}`;
    const detail = { ...error.detail, message, rule: 'registry R116', layer: descriptor.digest };
    throw new SluiceError('FOREIGN_LAYER', detail, { cause: error });
  }
}
