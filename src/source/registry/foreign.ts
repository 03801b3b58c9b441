import { SluiceError } from '../../errors.js';
import { kindOfLayer } from '../../oci/media-type.js';
import type { Descriptor } from '../../oci/manifest.js';
import type { BlobReader } from '../source.js';
import { classOfHost } from './address.js';
import { isNamedHost } from './hosts.js';
import { parseUrl } from './http.js';

/**
 * Where a foreign layer may be read beside the registry: addresses in its descriptor, on hosts that the caller named. They
 * come from whoever pushed the image, so nothing secret goes there, and they lead to the public net alone.
 * @see registry R117; CVE-2020-15157
 */
export function foreignUrls({ mediaType, urls }: Descriptor, hosts: readonly string[]): URL[] {
  if (hosts.length === 0 || kindOfLayer(mediaType)?.isForeign !== true) return [];
  return (urls ?? []).flatMap((text) => {
    const url = parseUrl(text);
    const isUsable = url !== null && isNamedHost(url.host, hosts) && whyNotPublic(url) === null;
    return isUsable ? [url] : [];
  });
}

/** The test of every address that a foreign layer is read from. @throws SluiceError REDIRECT_REFUSED */
export function checkForeign(url: URL): void {
  const why = whyNotPublic(url);
  if (why === null) return;
  const message = `following a redirect of a foreign layer to ${url.protocol}//${url.host}: ${why}`;
  throw new SluiceError('REDIRECT_REFUSED', { message, rule: 'registry R117' });
}

function whyNotPublic(url: URL): string | null {
  if (url.protocol !== 'https:') return 'it is not https';
  if (url.username !== '' || url.password !== '') return 'it holds a user name';
  const kind = classOfHost(url.hostname);
  return kind === null || kind === 'public' ? null : `it is a ${kind} address`;
}

/** Reads from the first place that has the blob. @param places at least one */
export function openFirstOf(places: readonly (() => BlobReader)[]): BlobReader {
  const opened: BlobReader[] = [];
  /** The places before it lack the blob. */
  let current = 0;
  const readerAt = (at: number): BlobReader => (opened[at] ??= places[at]!());
  return {
    read: async (offset, length, sink, signal) => {
      let done = 0;
      for (let at = current; ; at++) {
        try {
          const counting = (chunk: Uint8Array): void => {
            done += chunk.length;
            sink(chunk);
          };
          return await readerAt(at).read(offset + done, length - done, counting, signal);
        } catch (error) {
          const isAbsent = error instanceof SluiceError && error.code === 'BLOB_UNKNOWN';
          if (!isAbsent || at + 1 >= places.length) throw error;
          current = Math.max(current, at + 1);
        }
      }
    },
    setbacks: () => opened.reduce((sum, reader) => sum + (reader.setbacks?.() ?? 0), 0),
    host: () => readerAt(current).host?.(),
    close: async () => {
      await Promise.all(opened.map((reader) => reader.close()));
    },
  };
}
