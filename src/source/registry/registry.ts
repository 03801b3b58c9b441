import { SluiceError } from '../../errors.js';
import { type Digest, isDigest } from '../../oci/digest.js';
import type { Descriptor } from '../../oci/manifest.js';
import { cutParameters, DOCUMENT_MEDIA_TYPES } from '../../oci/media-type.js';
import type { RegistryReference } from '../../oci/reference.js';
import type { BlobAccess, BlobReader, Document, Source } from '../source.js';
import { withAuth } from './auth.js';
import { openBlobReader } from './blob.js';
import { createBlobRequest } from './blob-request.js';
import { type BodyCap, collectBody, collectErrorBody, printable } from './body.js';
import { chooseEndpoint } from './hosts.js';
import { type Dispatch, headerOf, headersOf, type HttpRequest, isEncoded, type ReplyHead } from './http.js';
import { type Notice, withNotices } from './notices.js';
import { withRedirects } from './redirect.js';
import type { RegistryClient } from './registry-client.js';
import { retry } from './retry.js';
import { type Asked, statusError } from './status.js';
import { blobUrl, manifestUrl } from './urls.js';
import { USER_AGENT } from './user-agent.js';

/** Most bytes of a document (R98). */
export interface DocumentCaps {
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
  readonly maxTokenBytes: number;
}

export interface RegistryOptions {
  readonly client: RegistryClient;
  /** Hosts, with their port where they have one, that speak HTTP and nothing else. */
  readonly plainHttp: readonly string[];
  readonly caps: DocumentCaps;
  readonly notice: Notice;
  /** A folder for unlinked files that hold what a registry sends unasked (R79). */
  readonly spillDirectory: string;
}

/** What a HEAD is refused with by registries that answer a GET (R9). */
const PEEK_REFUSALS = new Set([400, 401, 403, 404, 405, 501]);

/** The image at a registry; nothing is asked before a method is called. */
export function openRegistry(reference: RegistryReference, options: RegistryOptions): Source {
  const { client, plainHttp, caps, notice } = options;
  const { timing } = client;
  const endpoint = chooseEndpoint(reference, plainHttp);
  const commonHeaders = { 'user-agent': USER_AGENT, 'accept-encoding': 'identity' };
  const bare = withNotices(client.dispatch, notice);
  const following = withRedirects(bare, { plainHttp });
  const readers = new Set<BlobReader>();

  if (endpoint.standsInFor !== null) {
    const level = endpoint.repository.startsWith('library/') ? 'info' : 'warn';
    notice(level, `${endpoint.standsInFor} has no server of its own: ${endpoint.name} answers`, endpoint.name);
  }

  const askedFor = (asked: Asked['asked']): Asked => ({
    host: endpoint.name,
    repository: endpoint.repository,
    asked,
  });

  const authorized = (asked: Asked): Dispatch =>
    withAuth(following, {
      endpoint,
      asked,
      bare,
      tokens: client.tokens,
      challenges: client.challenges,
      tokenCap: { option: 'maxTokenBytes', bytes: caps.maxTokenBytes },
      plainHttp,
      headers: commonHeaders,
      timing,
    });

  const requestFor = (method: HttpRequest['method'], url: URL, headers: Record<string, string>): HttpRequest => ({
    method,
    url,
    asked: url,
    headers: { ...commonHeaders, ...headers },
    lane: { kind: 'metadata', host: endpoint.name },
    guard: 'any',
  });

  /** One document, whole. An encoding that was not asked for is refused the second time (R88). */
  const getDocument = async (url: URL, read: DocumentRead, signal: AbortSignal): Promise<DocumentReply> => {
    const dispatch = authorized(read.asked);
    const get = (headers: Record<string, string>): Promise<DocumentReply> =>
      readReply(dispatch, requestFor('GET', url, { accept: read.accept, ...headers }), read, signal);
    const reply = await get({});
    if (reply.head.status !== 200 || !isEncoded(reply.head)) return checkSuccess(reply);
    const again = await get({ 'cache-control': 'no-transform' });
    if (again.head.status !== 200 || !isEncoded(again.head)) return checkSuccess(again);
    const encoding = printable(headersOf(again.head, 'content-encoding').join(', '));
    throw new SluiceError('PROTOCOL_ERROR', {
      message: `asking ${endpoint.name} for the ${read.asked.asked} of "${endpoint.repository}": it comes as ${encoding}`,
      rule: 'registry R88',
    });
  };

  const checkSuccess = (reply: DocumentReply): DocumentReply => {
    if (reply.head.status === 200) return reply;
    throw statusError(reply.head, reply.bytes, reply.asked, timing.now());
  };

  const readDocument = async (url: URL, read: DocumentRead, signal: AbortSignal): Promise<DocumentReply> => {
    try {
      return await retry(() => getDocument(url, read, signal), timing, signal);
    } catch (error) {
      throw error instanceof SluiceError && error.code !== 'ABORTED' ? error.with(read.asked) : error;
    }
  };

  const manifestRead: DocumentRead = {
    asked: askedFor('manifest'),
    accept: DOCUMENT_MEDIA_TYPES.join(', '),
    cap: { option: 'maxManifestBytes', bytes: caps.maxManifestBytes },
  };
  const configRead: DocumentRead = {
    asked: askedFor('config'),
    accept: '*/*',
    cap: { option: 'maxConfigBytes', bytes: caps.maxConfigBytes },
  };

  /** The digest that a reply by tag promises; a malformed one is worth a warning only (R94). */
  const promisedDigest = (head: ReplyHead): Digest | null => {
    const text = headerOf(head, 'docker-content-digest');
    if (text === null) return null;
    if (isDigest(text)) return text;
    notice('warn', `the registry sends a malformed Docker-Content-Digest: ${printable(text)}`, endpoint.name);
    return null;
  };

  const peek = async (tag: string, signal: AbortSignal): Promise<Digest | null> => {
    const request = requestFor('HEAD', manifestUrl(endpoint, tag), { accept: manifestRead.accept });
    const dispatch = authorized(manifestRead.asked);
    const head = await dispatch(request, () => collectErrorBody().sink, signal);
    if (head.status === 200) return promisedDigest(head);
    throw statusError(head, Buffer.alloc(0), manifestRead.asked, timing.now());
  };

  return {
    peekDigest: async (signal) => {
      const { tag, digest } = reference;
      if (digest !== null || tag === null) return digest;
      try {
        return await retry(() => peek(tag, signal), timing, signal);
      } catch (error) {
        if (error instanceof SluiceError && PEEK_REFUSALS.has(error.detail.status ?? 0)) return null;
        throw error;
      }
    },

    readTop: async (signal) => {
      const { tag, digest } = reference;
      const target = digest ?? tag ?? 'latest';
      const { head, bytes } = await readDocument(manifestUrl(endpoint, target), manifestRead, signal);
      const expected = digest ?? promisedDigest(head);
      return {
        ...documentOf(head, bytes, endpoint.name),
        ...(expected !== null && { expected: { digest: expected } }),
      };
    },

    readDocument: async ({ digest, size }, asked, signal) => {
      const isManifest = asked === 'manifest';
      const url = isManifest ? manifestUrl(endpoint, digest) : blobUrl(endpoint, digest);
      const { head, bytes } = await readDocument(url, isManifest ? manifestRead : configRead, signal);
      return { ...documentOf(head, bytes, endpoint.name), expected: { digest, size } };
    },

    locateBlob: async (descriptor: Descriptor): Promise<BlobAccess> => {
      const asked = askedFor('blob');
      let opened = 0;
      const openReader = (): BlobReader => {
        // The second go at a blob whose digest was wrong: whole, and as it is (R96).
        const isWholeAtOnce = opened++ > 0;
        const url = blobUrl(endpoint, descriptor.digest);
        const reader = openBlobReader({
          descriptor,
          asked,
          request: createBlobRequest({
            url,
            registry: authorized(asked),
            target: following,
            headers: { ...commonHeaders, accept: '*/*', ...(isWholeAtOnce && { 'cache-control': 'no-transform' }) },
            lane: { kind: 'blob', host: endpoint.name },
          }),
          spillDirectory: options.spillDirectory,
          timing,
          isWholeAtOnce,
          isRangelessHost: () => client.rangelessOrigins.has(endpoint.origin),
          noteRangelessHost: () => void client.rangelessOrigins.add(endpoint.origin),
          notice: (message) => notice('debug', message, endpoint.name),
        });
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

/** What is read, and how much of it. */
interface DocumentRead {
  readonly asked: Asked;
  readonly accept: string;
  readonly cap: BodyCap;
}

interface DocumentReply {
  readonly head: ReplyHead;
  readonly bytes: Uint8Array;
  readonly asked: Asked;
}

async function readReply(
  dispatch: Dispatch,
  request: HttpRequest,
  read: DocumentRead,
  signal: AbortSignal,
): Promise<DocumentReply> {
  let body = collectErrorBody();
  const head = await dispatch(
    request,
    (reply) => {
      body = reply.status === 200 && !isEncoded(reply) ? collectBody(reply, read.cap) : collectErrorBody();
      return body.sink;
    },
    signal,
  );
  return { head, bytes: body.bytes(), asked: read.asked };
}

function documentOf(head: ReplyHead, bytes: Uint8Array, host: string): Document {
  const [type] = headersOf(head, 'content-type');
  return { bytes, contentType: type === undefined ? null : cutParameters(type), host };
}
