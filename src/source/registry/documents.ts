import { SluiceError } from '../../errors.js';
import { type Digest, isDigest } from '../../oci/digest.js';
import { cutParameters, DOCUMENT_MEDIA_TYPES } from '../../oci/media-type.js';
import type { Document } from '../source.js';
import { type BodyCap, collectBody, collectErrorBody, discardBody, printable } from './body.js';
import { headerOf, headersOf, type HttpRequest, isEncoded, type ReplyHead } from './http.js';
import type { Repository } from './repository.js';
import { retry } from './retry.js';
import { type Asked, statusError } from './status.js';
import { manifestUrl } from './urls.js';

/** A kind of document: how it is asked for, and how much of it is taken. */
export interface DocumentKind {
  readonly asked: 'manifest' | 'config';
  readonly cap: BodyCap;
}

/** A document with the head of the reply that brought it. */
export interface ReceivedDocument extends Document {
  readonly head: ReplyHead;
}

/** What a HEAD is refused with by registries that answer a GET (R9). */
const PEEK_REFUSALS = new Set([400, 401, 403, 404, 405, 501]);

/** @throws SluiceError by registry §12 */
export async function getDocument(
  repository: Repository,
  url: URL,
  kind: DocumentKind,
  signal: AbortSignal,
): Promise<ReceivedDocument> {
  const asked = repository.asked(kind.asked);
  const { timing } = repository.client;
  const { head, bytes } = await locally(asked, () =>
    retry(() => getUnencoded(repository, url, kind, signal), timing, signal),
  );
  const [type] = headersOf(head, 'content-type');
  return { head, bytes, contentType: type === undefined ? null : cutParameters(type), host: asked.host };
}

/**
 * `HEAD` of a tag or digest: Hub does not count it as a pull.
 * @returns null when the registry refuses or does not say (R9)
 */
export async function peekManifest(
  repository: Repository,
  target: string | Digest,
  signal: AbortSignal,
): Promise<Digest | null> {
  const asked = repository.asked('manifest');
  const { timing } = repository.client;
  const request = requestFor(repository, {
    method: 'HEAD',
    url: manifestUrl(repository.endpoint, target),
    wanted: 'manifest',
  });
  const ask = async (): Promise<Digest | null> => {
    const head = await repository.authorized(request, discardBody, signal);
    if (head.status === 200) return promisedDigest(repository, head);
    throw statusError(head, Buffer.alloc(0), asked, timing.now());
  };
  try {
    return await locally(asked, () => retry(ask, timing, signal));
  } catch (error) {
    if (error instanceof SluiceError && PEEK_REFUSALS.has(error.detail.status ?? 0)) return null;
    throw error;
  }
}

/** The digest that a reply by tag promises; a malformed one is worth a warning only (R94). */
export function promisedDigest(repository: Repository, head: ReplyHead): Digest | null {
  const text = headerOf(head, 'docker-content-digest');
  if (text === null) return null;
  if (isDigest(text)) return text;
  repository.notice('warn', `the registry sends a malformed Docker-Content-Digest: ${printable(text)}`);
  return null;
}

interface Reply {
  readonly head: ReplyHead;
  readonly bytes: Uint8Array;
}

/** An encoding that was not asked for is refused the second time (R88). */
async function getUnencoded(repository: Repository, url: URL, kind: DocumentKind, signal: AbortSignal): Promise<Reply> {
  const request = { method: 'GET', url, wanted: kind.asked } as const;
  const first = await getOnce(repository, requestFor(repository, request), kind, signal);
  if (!isEncoded(first.head)) return first;
  const untransformed = requestFor(repository, request, { 'cache-control': 'no-transform' });
  const second = await getOnce(repository, untransformed, kind, signal);
  if (!isEncoded(second.head)) return second;
  throw new SluiceError('PROTOCOL_ERROR', {
    message: `asking for the ${kind.asked} of "${repository.endpoint.repository}": it comes encoded as ${codingOf(second.head)}`,
    rule: 'registry R88',
  });
}

/** @throws SluiceError unless the status is 200 */
async function getOnce(
  repository: Repository,
  request: HttpRequest,
  kind: DocumentKind,
  signal: AbortSignal,
): Promise<Reply> {
  let body = collectErrorBody();
  const head = await repository.authorized(
    request,
    (reply) => {
      body = reply.status === 200 && !isEncoded(reply) ? collectBody(reply, kind.cap) : collectErrorBody();
      return body.sink;
    },
    signal,
  );
  if (head.status === 200) return { head, bytes: body.bytes() };
  throw statusError(head, body.bytes(), repository.asked(kind.asked), repository.client.timing.now());
}

function requestFor(
  { endpoint, headers, order }: Repository,
  request: Pick<HttpRequest, 'method' | 'url' | 'wanted'>,
  more: Readonly<Record<string, string>> = {},
): HttpRequest {
  const accept = request.wanted === 'manifest' ? DOCUMENT_MEDIA_TYPES.join(', ') : '*/*';
  return {
    ...request,
    firstUrl: request.url,
    headers: { ...headers, accept, ...more },
    host: endpoint.name,
    guard: 'any',
    ...(order && { order }),
  };
}

function codingOf(head: ReplyHead): string {
  return printable(headersOf(head, 'content-encoding').join(', '));
}

/** Adds what was asked of whom to whatever goes wrong. */
async function locally<T>(asked: Asked, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof SluiceError && error.code !== 'ABORTED' ? error.with({ ...asked }) : error;
  }
}
