import type { Descriptor } from '../../oci/manifest.js';
import type { RegistryReference } from '../../oci/reference.js';
import type { BlobReader, Source } from '../source.js';
import { openBlobReader } from './blob.js';
import { createBlobRequest } from './blob-request.js';
import { type DocumentKind, getDocument, peekManifest, promisedDigest } from './documents.js';
import { foreignUrls, openFirstOf } from './foreign.js';
import type { Order } from './limits.js';
import type { Notice } from './notices.js';
import { createPace } from './pace.js';
import type { RegistryClient } from './registry-client.js';
import { type AccessOptions, createRepository, type Repository } from './repository.js';
import { blobUrl, manifestUrl } from './urls.js';

/** Most bytes of a document (R98). */
export interface DocumentCaps {
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
  readonly maxTokenBytes: number;
}

export interface RegistryOptions extends AccessOptions {
  readonly client: RegistryClient;
  readonly caps: DocumentCaps;
  readonly notice: Notice;
  /** A folder for unlinked files that hold what a registry sends unasked (R79). */
  readonly spillDirectory: string;
  /** Whether this pull lets others go first at this moment (R75). */
  isBulk(): boolean;
  /** Fewest bytes a second of a blob; 0 for none (R73). */
  readonly rateFloor: number;
  /** Hosts that foreign layers may be read from when the registry lacks them (R117). */
  readonly foreignLayers: readonly string[];
}

let images = 0;

/** The image at a registry; nothing is asked before a method is called. */
export function openRegistry(reference: RegistryReference, options: RegistryOptions): Source {
  const { caps } = options;
  /** Tells this pull's requests from those of others. */
  const image = `${reference.host} ${++images}`;
  const order: Order = { isBulk: () => options.isBulk(), image, sizeBytes: 0 };
  const repository = createRepository(reference, { ...options, order, maxTokenBytes: caps.maxTokenBytes });
  const { endpoint } = repository;
  const manifest: DocumentKind = {
    asked: 'manifest',
    cap: { option: 'maxManifestBytes', bytes: caps.maxManifestBytes },
  };
  const config: DocumentKind = { asked: 'config', cap: { option: 'maxConfigBytes', bytes: caps.maxConfigBytes } };
  const readers = new Set<BlobReader>();
  noteStandIn(repository);

  return {
    peekDigest: async (signal) => {
      const { tag, digest } = reference;
      return digest !== null || tag === null ? digest : peekManifest(repository, tag, signal);
    },

    checkAccess: async (signal) => {
      const target = reference.digest ?? reference.tag ?? 'latest';
      if ((await peekManifest(repository, target, signal)) !== null) return;
      // Some registries answer no HEAD (R9).
      await getDocument(repository, manifestUrl(endpoint, target), manifest, signal);
    },

    readTop: async (signal) => {
      const { tag, digest } = reference;
      const url = manifestUrl(endpoint, digest ?? tag ?? 'latest');
      const { head, ...document } = await getDocument(repository, url, manifest, signal);
      const promised = digest ?? promisedDigest(repository, head);
      return promised === null ? document : { ...document, expected: { digest: promised } };
    },

    readDocument: async ({ digest, size }, asked, signal) => {
      const [kind, url] =
        asked === 'manifest' ? [manifest, manifestUrl(endpoint, digest)] : [config, blobUrl(endpoint, digest)];
      const { head: _, ...document } = await getDocument(repository, url, kind, signal);
      return { ...document, expected: { digest, size } };
    },

    locateBlob: async (descriptor) => {
      let opened = 0;
      const urls = [blobUrl(endpoint, descriptor.digest), ...foreignUrls(descriptor, options.foreignLayers)];
      const openReader = (isBulk: () => boolean): BlobReader => {
        // A second reader is the second go at a blob whose digest was wrong: whole, as it is, over a new connection (R96).
        const reading = { options, order: { isBulk, image, sizeBytes: descriptor.size }, isWholeAtOnce: opened++ > 0 };
        const reader = openFirstOf(urls.map((url) => () => openReaderOf(repository, descriptor, { ...reading, url })));
        readers.add(reader);
        return reader;
      };
      return { kind: 'remote', openReader };
    },

    [Symbol.asyncDispose]: async () => {
      await Promise.all([...readers].map((reader) => reader.close()));
      readers.clear();
    },
  };
}

interface Reading {
  /** At the registry, or one of the foreign layer's own. */
  readonly url: URL;
  readonly options: RegistryOptions;
  readonly order: Order;
  readonly isWholeAtOnce: boolean;
}

function openReaderOf(
  repository: Repository,
  descriptor: Descriptor,
  { options, order, isWholeAtOnce, url }: Reading,
): BlobReader {
  const { endpoint, client, headers } = repository;
  const { timing, blobsInFlight } = client;
  const isForeign = url.origin !== endpoint.origin;
  const host = isForeign ? url.host : endpoint.name;
  const asked = { ...repository.asked('blob'), host };
  const pace = createPace({ sizeBytes: descriptor.size, floor: options.rateFloor, blobsInFlight, asked, timing });
  return openBlobReader({
    descriptor,
    asked,
    pace,
    request: createBlobRequest({
      url,
      registry: isForeign ? repository.foreign : repository.authorized,
      target: isForeign ? repository.foreign : repository.following,
      headers: { ...headers, accept: '*/*', ...(isWholeAtOnce && { 'cache-control': 'no-transform' }) },
      host,
      guard: isForeign ? 'public' : 'any',
      order,
      isOnNewConnection: () => isWholeAtOnce || pace.isSlow,
    }),
    spillDirectory: options.spillDirectory,
    timing,
    isWholeAtOnce,
    isRangelessHost: () => client.rangelessOrigins.has(url.origin),
    noteRangelessHost: () => void client.rangelessOrigins.add(url.origin),
    notice: (message) => repository.notice('debug', message),
  });
}

/** Who asks for images of another name's registry hears who answers (R2). */
function noteStandIn({ endpoint, notice }: Repository): void {
  if (endpoint.standsInFor === null) return;
  const level = endpoint.repository.startsWith('library/') ? 'info' : 'warn';
  notice(level, `${endpoint.standsInFor} has no server of its own: ${endpoint.name} answers`);
}
