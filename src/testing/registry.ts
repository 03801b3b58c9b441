import { randomBytes } from 'node:crypto';
import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { isDigest, type Digest } from '../oci/digest.js';
import {
  applyFault,
  createFaultList,
  makeReply,
  registryError,
  type Fault,
  type FaultContext,
  type RedirectStatus,
  type RequestKind,
} from './faults.js';
import { documentsOf, topOf, type TestBlob, type TestImage, type TestIndex } from './image.js';
import { deliver, plainDelivery, resetConnection, type Reply } from './reply.js';

/** How the registry of a test behaves while nothing goes wrong. */
export interface RegistryOptions {
  /** 0, a free one, when left out. */
  readonly port?: number;
  readonly auth?: RegistryAuth;
  /** Blobs are not served but redirected. */
  readonly redirect?: BlobRedirect;
  /** Whether Range is honoured; true when left out. */
  readonly hasRanges?: boolean;
  /** Texts of `Warning: 299 - "…"` headers on manifests. */
  readonly warnings?: readonly string[];
  /** `ratelimit-limit` and `ratelimit-remaining` on manifests, as Docker Hub sends them. */
  readonly rateLimit?: { readonly limit: number; readonly remaining: number; readonly windowSeconds: number };
  /** On every reply. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly faults?: readonly Fault[];
  /** Serves https with this key and certificate. */
  readonly tls?: Pick<ServerOptions, 'key' | 'cert' | 'ca' | 'requestCert' | 'rejectUnauthorized'>;
}

/** What the registry asks of a client. */
export type RegistryAuth =
  | {
      readonly kind: 'token';
      /** `registry.test` when left out. */
      readonly service?: string;
      /** Without credentials, anybody gets a token. */
      readonly credentials?: RegistryCredentials;
      /** An identity token that the POST form accepts in place of credentials. */
      readonly identityToken?: string;
      /** What the token reply says, and how long the registry accepts it; 300 when left out. */
      readonly expiresInSeconds?: number;
      /** The field that holds the token; `token` when left out. */
      readonly field?: 'token' | 'access_token';
      /** Another realm than the registry's own `/token`. */
      readonly realm?: string;
    }
  | { readonly kind: 'basic'; readonly credentials: RegistryCredentials };

export interface RegistryCredentials {
  readonly username: string;
  readonly password: string;
}

/** Where blobs are redirected to: another path of the registry, or a second server on a port of its own. */
export interface BlobRedirect {
  readonly to: 'path' | 'server';
  /** 307 when left out. */
  readonly status?: RedirectStatus;
  /** Whether the target answers 400 when `Authorization` arrives, as object stores do; true when left out. */
  readonly refusesAuthorization?: boolean;
}

/** One request as it arrived, and what became of it; the last three fields change while the reply is sent. */
export interface LoggedRequest {
  /** From 1 on, in order of arrival. */
  readonly number: number;
  readonly server: 'registry' | 'target';
  readonly kind: RequestKind;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Of a POST. */
  readonly body: string;
  /** Which connection it came over, from 1 on. */
  readonly connection: number;
  /** Kinds of the faults it met. */
  readonly faults: readonly string[];
  /** 0 until a status line was sent. */
  readonly status: number;
  /** Bytes of the body, without framing. */
  readonly bytesSent: number;
  /** Whether all that was meant to be sent is sent. */
  readonly isFinished: boolean;
}

/** An embedded registry. It serves what was pushed into it from memory, on 127.0.0.1. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as a reference spells it. */
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT`, or https. */
  readonly url: string;
  /** The second server's, when blobs are redirected to it. */
  readonly targetUrl: string | null;
  /** All requests so far, oldest first. */
  readonly requests: readonly LoggedRequest[];
  /** Requests of one kind. */
  requestsOf(kind: RequestKind): readonly LoggedRequest[];
  clearRequests(): void;
  /**
   * Adds an image or index with all that belongs to it.
   * @param tag null for none
   * @returns the reference by tag, or by digest without one
   */
  push(repository: string, tag: string | null, image: TestImage | TestIndex): string;
  /** Adds one blob. */
  pushBlob(repository: string, digest: Digest, bytes: Uint8Array): void;
  /** Adds one manifest, index or anything else under a digest, a tag, or both. */
  pushManifest(repository: string, document: TestBlob, tag?: string): void;
  /** Lets a tag lead to something that was pushed before. */
  moveTag(repository: string, tag: string, to: TestImage | TestIndex | Digest): void;
  /** Takes away a tag, manifest or blob. */
  remove(repository: string, what: string): void;
  /** Puts one more fault behind the others; the result takes it out again. */
  addFault(fault: Fault): () => void;
  clearFaults(): void;
  /** All tokens handed out so far stop working. */
  revokeTokens(): void;
  /** Resets every connection, as a crash does; new ones are accepted. */
  resetConnections(): void;
  /** Ends all connections and listens no more; what was pushed stays. */
  stop(): Promise<void>;
  /** Listens again on the same port after {@link stop}. */
  restart(): Promise<void>;
  /** {@link stop}, for good. */
  close(): Promise<void>;
}

/**
 * Starts an embedded registry.
 *
 * ```ts
 * await using registry = await startRegistry({ faults: [{ match: { kind: 'blob' }, nth: 1, do: { kind: 'cut', atByte: 10, by: 'rst' } }] });
 * const reference = registry.push('org/app', '1', image);   // 127.0.0.1:PORT/org/app:1
 * ```
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const content = createContent();
  const faults = createFaultList(options.faults ?? []);
  const tokens = new Map<string, { readonly scopes: readonly string[]; readonly expiresAt: number }>();
  const requests: LoggedRequest[] = [];
  const state: State = { options, content, tokens, url: '', targetUrl: null, tickets: 0 };
  let connections = 0;
  const connectionNumbers = new WeakMap<Socket, number>();

  const handle = async (
    server: LoggedRequest['server'],
    request: IncomingMessage,
    response: ServerResponse,
    closing: AbortSignal,
  ): Promise<void> => {
    const body = await readBody(request);
    const asked = parseRequest(request, server, content);
    let connection = connectionNumbers.get(request.socket);
    if (connection === undefined) connectionNumbers.set(request.socket, (connection = ++connections));
    const answered = answer(state, asked, body);
    const context: FaultContext = {
      method: asked.method,
      url: asked.url,
      kind: asked.kind,
      range: parseRange(request.headers.range, answered.content?.length ?? 0),
      content: answered.content,
      challenge: challengeOf(state, asked.repository),
      ticket: asked.ticket,
    };
    const met = faults.meet(context);
    const entry = {
      number: requests.length + 1,
      server,
      kind: asked.kind,
      method: asked.method,
      url: asked.url,
      headers: request.headers,
      body,
      connection,
      faults: met.map(({ kind }) => kind),
      status: 0,
      bytesSent: 0,
      isFinished: false,
    };
    requests.push(entry);
    const honest = plainDelivery({ ...answered.reply, headers: { ...options.headers, ...answered.reply.headers } });
    const delivery = met.reduce((before, action) => applyFault(before, action, context), honest);
    const progress = {
      onStatus: (status: number): void => void (entry.status = status),
      onBytes: (count: number): void => void (entry.bytesSent += count),
    };
    await deliver(delivery, request, response, progress, closing);
    const isWhole = entry.bytesSent >= (asked.method === 'HEAD' ? 0 : delivery.reply.body.length);
    entry.isFinished = entry.status !== 0 && isWhole;
  };

  const main = createListener(options, (request, response, closing) => handle('registry', request, response, closing));
  const target =
    options.redirect?.to === 'server'
      ? createListener(options, (request, response, closing) => handle('target', request, response, closing))
      : null;
  await main.listen(options.port ?? 0);
  await target?.listen(0);
  const scheme = options.tls ? 'https' : 'http';
  state.url = `${scheme}://127.0.0.1:${main.port()}`;
  state.targetUrl = target && `${scheme}://127.0.0.1:${target.port()}`;
  const port = main.port();
  const stop = async (): Promise<void> => {
    await Promise.all([main.stop(), target?.stop()]);
  };
  return {
    host: `127.0.0.1:${port}`,
    port,
    url: state.url,
    targetUrl: state.targetUrl,
    requests,
    requestsOf: (kind) => requests.filter((request) => request.kind === kind),
    clearRequests: () => void requests.splice(0),
    push: (repository, tag, image) => {
      const documents = new Set(documentsOf(image).map(({ descriptor }) => descriptor.digest));
      for (const [digest, bytes] of image.blobs) {
        if (!documents.has(digest)) content.putBlob(repository, digest, bytes);
      }
      for (const document of documentsOf(image)) content.putManifest(repository, document);
      if (tag === null) return `127.0.0.1:${port}/${repository}@${image.digest}`;
      content.putManifest(repository, topOf(image), tag);
      return `127.0.0.1:${port}/${repository}:${tag}`;
    },
    pushBlob: (repository, digest, bytes) => content.putBlob(repository, digest, Buffer.from(bytes)),
    pushManifest: (repository, document, tag) => content.putManifest(repository, document, tag),
    moveTag: (repository, tag, to) => content.moveTag(repository, tag, typeof to === 'string' ? to : to.digest),
    remove: (repository, what) => content.remove(repository, what),
    addFault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    revokeTokens: () => tokens.clear(),
    resetConnections: () => {
      main.resetConnections();
      target?.resetConnections();
    },
    stop,
    restart: async () => {
      await main.listen(port);
      await target?.listen(Number(new URL(state.targetUrl!).port));
    },
    close: stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface State {
  readonly options: RegistryOptions;
  readonly content: Content;
  readonly tokens: Map<string, { readonly scopes: readonly string[]; readonly expiresAt: number }>;
  url: string;
  targetUrl: string | null;
  tickets: number;
}

// what was pushed

interface Repository {
  readonly manifests: Map<string, { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer }>;
  readonly blobs: Map<string, Buffer>;
  readonly configs: Set<string>;
}

interface Content {
  find(repository: string): Repository | undefined;
  putBlob(repository: string, digest: Digest, bytes: Buffer): void;
  putManifest(repository: string, document: TestBlob, tag?: string): void;
  moveTag(repository: string, tag: string, digest: Digest): void;
  remove(repository: string, what: string): void;
}

function createContent(): Content {
  const repositories = new Map<string, Repository>();
  const open = (name: string): Repository => {
    const found = repositories.get(name) ?? { manifests: new Map(), blobs: new Map(), configs: new Set() };
    repositories.set(name, found);
    return found;
  };
  return {
    find: (name) => repositories.get(name),
    putBlob: (name, digest, bytes) => void open(name).blobs.set(digest, bytes),
    putManifest: (name, { descriptor, bytes }, tag) => {
      const { digest, mediaType } = descriptor;
      const repository = open(name);
      repository.manifests.set(digest, { digest, mediaType, bytes });
      if (tag !== undefined) repository.manifests.set(tag, { digest, mediaType, bytes });
      const config = configDigestOf(bytes);
      if (config !== null) repository.configs.add(config);
    },
    moveTag: (name, tag, digest) => {
      const { manifests } = open(name);
      const found = manifests.get(digest);
      if (!found) throw new Error(`${digest} was not pushed to ${name}`);
      manifests.set(tag, found);
    },
    remove: (name, what) => {
      open(name).manifests.delete(what);
      open(name).blobs.delete(what);
    },
  };
}

function configDigestOf(manifest: Buffer): string | null {
  try {
    const value = JSON.parse(manifest.toString()) as { config?: { digest?: unknown } } | null;
    return typeof value?.config?.digest === 'string' ? value.config.digest : null;
  } catch {
    return null;
  }
}

// what is asked

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly kind: RequestKind;
  readonly repository: string | null;
  /** Tag or digest. */
  readonly what: string;
  readonly query: URLSearchParams;
  readonly ticket: string | null;
  readonly hops: number | null;
}

function parseRequest(request: IncomingMessage, server: LoggedRequest['server'], content: Content): Asked {
  const url = request.url ?? '/';
  const asked = { method: request.method ?? 'GET', url, headers: request.headers };
  const none = { ...asked, repository: null, what: '', query: new URLSearchParams(), ticket: null, hops: null };
  if (!URL.canParse(url, 'http://registry')) return { ...none, kind: 'other' };
  const { pathname, searchParams: query } = new URL(url, 'http://registry');
  const hop = /^\/hop\/(\d+)$/.exec(pathname);
  if (hop) return { ...none, query, kind: 'target', hops: Number(hop[1]) };
  const target = /^\/target\/(.+)\/([^/]+)$/.exec(pathname);
  if (target) {
    return { ...none, query, kind: 'target', repository: target[1]!, what: target[2]!, ticket: query.get('ticket') };
  }
  if (server === 'target') return { ...none, query, kind: 'other' };
  if (pathname === '/token') return { ...none, query, kind: 'token' };
  if (pathname === '/v2/' || pathname === '/v2') return { ...none, query, kind: 'ping' };
  const route = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(pathname);
  if (!route) return { ...none, query, kind: 'other' };
  const [, repository = '', noun, encoded = ''] = route;
  const what = decodeURIComponent(encoded);
  const isConfig = content.find(repository)?.configs.has(what) === true;
  const kind = noun === 'manifests' ? 'manifest' : noun === 'tags' ? 'tags' : isConfig ? 'config' : 'blob';
  return { ...none, query, kind, repository, what };
}

/**
 * One range of bytes that lies at least partly in the content.
 * @returns null when none was asked for, or several, or one that can't be served
 * @see RFC 9110, 14.1.2
 */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  return start < end ? { start, end } : null;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

// what is answered

interface Answered {
  readonly reply: Reply;
  /** The whole of what a range would be cut from. */
  readonly content: Buffer | null;
}

function answer(state: State, asked: Asked, body: string): Answered {
  const only = (reply: Reply): Answered => ({ reply, content: null });
  if (asked.kind === 'token') return only(answerToken(state, asked, body));
  if (asked.hops !== null) return answerHop(state, asked, asked.hops, body);
  if (asked.kind === 'target') return answerTarget(state, asked);
  if (!isAllowed(state, asked)) {
    const challenge = challengeOf(state, asked.repository) ?? '';
    const headers = { 'content-type': 'application/json', 'www-authenticate': challenge };
    return only(makeReply(401, headers, registryError('UNAUTHORIZED', 'authentication required')));
  }
  switch (asked.kind) {
    case 'ping':
      return only(makeReply(200, { 'content-type': 'application/json', ...API_VERSION }, '{}'));
    case 'manifest':
      return answerManifest(state, asked);
    case 'config':
    case 'blob':
      return answerBlob(state, asked);
    case 'tags':
      return only(answerTags(state, asked));
    case 'other':
      return only(notFound('UNSUPPORTED', asked.url));
    default:
      return asked.kind satisfies never;
  }
}

const API_VERSION = { 'docker-distribution-api-version': 'registry/2.0' };

function notFound(code: string, what: string): Reply {
  return makeReply(
    404,
    { 'content-type': 'application/json', ...API_VERSION },
    registryError(code, `unknown: ${what}`),
  );
}

function answerManifest(state: State, asked: Asked): Answered {
  const repository = state.content.find(asked.repository ?? '');
  if (!repository) return { reply: notFound('NAME_UNKNOWN', asked.repository ?? ''), content: null };
  const found = repository.manifests.get(asked.what);
  if (!found) return { reply: notFound('MANIFEST_UNKNOWN', asked.what), content: null };
  const { warnings, rateLimit } = state.options;
  const headers: Record<string, string> = {
    'content-type': found.mediaType,
    'docker-content-digest': found.digest,
    etag: `"${found.digest}"`,
    ...API_VERSION,
  };
  if (warnings) headers['warning'] = warnings.map((text) => `299 - ${JSON.stringify(text)}`).join(', ');
  if (rateLimit) {
    headers['ratelimit-limit'] = `${rateLimit.limit};w=${rateLimit.windowSeconds}`;
    headers['ratelimit-remaining'] = `${rateLimit.remaining};w=${rateLimit.windowSeconds}`;
  }
  return { reply: makeReply(200, headers, found.bytes), content: found.bytes };
}

function answerBlob(state: State, asked: Asked): Answered {
  const bytes = state.content.find(asked.repository ?? '')?.blobs.get(asked.what);
  if (!bytes) return { reply: notFound('BLOB_UNKNOWN', asked.what), content: null };
  const { redirect } = state.options;
  if (!redirect) return { reply: blobReply(state, asked, bytes), content: bytes };
  const path = `/target/${asked.repository}/${asked.what}?ticket=${++state.tickets}`;
  return {
    reply: makeReply(redirect.status ?? 307, { location: `${state.targetUrl ?? ''}${path}` }, ''),
    content: null,
  };
}

function answerTarget(state: State, asked: Asked): Answered {
  const refuses = state.options.redirect?.refusesAuthorization ?? true;
  if (refuses && asked.headers.authorization !== undefined) {
    const text = '<Error><Code>InvalidArgument</Code><Message>one way to authenticate only</Message></Error>';
    return { reply: makeReply(400, { 'content-type': 'application/xml' }, text), content: null };
  }
  const bytes = state.content.find(asked.repository ?? '')?.blobs.get(asked.what);
  if (!bytes) return { reply: makeReply(404, { 'content-type': 'application/xml' }, '<Error/>'), content: null };
  return { reply: blobReply(state, asked, bytes), content: bytes };
}

function answerHop(state: State, asked: Asked, hops: number, body: string): Answered {
  const to = asked.query.get('to') ?? '/';
  if (hops > 0) {
    const rest = `to=${encodeURIComponent(to)}&status=${asked.query.get('status')}`;
    const reply = makeReply(Number(asked.query.get('status')), { location: `/hop/${hops - 1}?${rest}` }, '');
    return { reply, content: null };
  }
  const request = { url: to, method: asked.method, headers: asked.headers } as IncomingMessage;
  const last = parseRequest(request, 'registry', state.content);
  const isEnd = last.hops !== null;
  return isEnd ? { reply: notFound('UNSUPPORTED', to), content: null } : answer(state, last, body);
}

function blobReply(state: State, asked: Asked, bytes: Buffer): Reply {
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': asked.what,
    etag: `"${asked.what}"`,
    ...(state.options.hasRanges !== false && { 'accept-ranges': 'bytes' }),
    ...API_VERSION,
  };
  const wanted = asked.headers.range;
  if (state.options.hasRanges === false || wanted === undefined || !/^bytes=(\d+-\d*|-\d+)$/.test(wanted)) {
    return makeReply(200, headers, bytes);
  }
  const range = parseRange(wanted, bytes.length);
  if (!range) return makeReply(416, { ...headers, 'content-range': `bytes */${bytes.length}` }, '');
  const contentRange = `bytes ${range.start}-${range.end - 1}/${bytes.length}`;
  return makeReply(206, { ...headers, 'content-range': contentRange }, bytes.subarray(range.start, range.end));
}

function answerTags(state: State, asked: Asked): Reply {
  const repository = state.content.find(asked.repository ?? '');
  if (!repository || asked.what !== 'list') return notFound('NAME_UNKNOWN', asked.repository ?? '');
  const tags = [...repository.manifests.keys()].filter((key) => !isDigest(key)).toSorted();
  return makeReply(200, { 'content-type': 'application/json' }, JSON.stringify({ name: asked.repository, tags }));
}

// who may ask

function challengeOf(state: State, repository: string | null): string | null {
  const { auth } = state.options;
  if (!auth) return null;
  if (auth.kind === 'basic') return 'Basic realm="registry.test"';
  const parts = [`realm="${auth.realm ?? `${state.url}/token`}"`, `service="${auth.service ?? 'registry.test'}"`];
  if (repository !== null) parts.push(`scope="repository:${repository}:pull"`);
  return `Bearer ${parts.join(',')}`;
}

function isAllowed(state: State, asked: Asked): boolean {
  const { auth } = state.options;
  const given = asked.headers.authorization ?? '';
  if (!auth) return true;
  if (auth.kind === 'basic') return given === basicHeader(auth.credentials);
  const token = state.tokens.get(/^Bearer (.+)$/i.exec(given)?.[1] ?? '');
  if (!token || token.expiresAt <= Date.now()) return false;
  return asked.repository === null || token.scopes.some((scope) => isPullScope(scope, asked.repository!));
}

function isPullScope(scope: string, repository: string): boolean {
  const prefix = `repository:${repository}:`;
  return scope.startsWith(prefix) && scope.slice(prefix.length).split(',').includes('pull');
}

function answerToken(state: State, asked: Asked, body: string): Reply {
  const { auth } = state.options;
  if (auth?.kind !== 'token') return notFound('UNSUPPORTED', asked.url);
  const fields = asked.method === 'POST' ? new URLSearchParams(body) : asked.query;
  if (!isKnownUser(auth, asked, fields)) {
    const json = { 'content-type': 'application/json' };
    return makeReply(401, json, registryError('UNAUTHORIZED', 'wrong credentials'));
  }
  const token = randomBytes(16).toString('hex');
  const scopes = fields.getAll('scope').flatMap((scope) => scope.split(' '));
  const seconds = auth.expiresInSeconds ?? 300;
  state.tokens.set(token, { scopes, expiresAt: Date.now() + seconds * 1000 });
  const reply = { [auth.field ?? 'token']: token, expires_in: seconds, issued_at: new Date().toISOString() };
  return makeReply(200, { 'content-type': 'application/json' }, JSON.stringify(reply));
}

function isKnownUser(auth: Extract<RegistryAuth, { kind: 'token' }>, asked: Asked, fields: URLSearchParams): boolean {
  if (asked.method === 'POST' && fields.get('grant_type') === 'refresh_token') {
    return auth.identityToken !== undefined && fields.get('refresh_token') === auth.identityToken;
  }
  if (auth.identityToken === undefined && auth.credentials === undefined) return true;
  if (auth.credentials === undefined) return false;
  const { username, password } = auth.credentials;
  if (asked.method === 'POST') return fields.get('username') === username && fields.get('password') === password;
  return asked.headers.authorization === basicHeader(auth.credentials);
}

function basicHeader({ username, password }: RegistryCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

// the listening side

interface Listener {
  listen(port: number): Promise<void>;
  port(): number;
  resetConnections(): void;
  stop(): Promise<void>;
}

function createListener(
  options: RegistryOptions,
  handle: (request: IncomingMessage, response: ServerResponse, closing: AbortSignal) => Promise<void>,
): Listener {
  const sockets = new Set<Socket>();
  let closing = new AbortController();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response, closing.signal).catch((error: unknown) => {
      if (!request.socket.destroyed) request.socket.destroy(error instanceof Error ? error : undefined);
    });
  };
  const server: Server = options.tls ? createHttpsServer(options.tls, onRequest) : createHttpServer(onRequest);
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  return {
    listen: (port) =>
      new Promise((resolve, reject) => {
        closing = new AbortController();
        server.once('error', reject);
        server.listen(port, '127.0.0.1', () => {
          server.off('error', reject);
          resolve();
        });
      }),
    port: () => (server.address() as AddressInfo).port,
    resetConnections: () => {
      for (const socket of sockets) resetConnection(socket);
    },
    stop: () =>
      new Promise((resolve) => {
        closing.abort();
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
