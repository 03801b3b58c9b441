import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Digest } from '../oci/digest.js';
import { applyFault, createFaultList, type Fault, type FaultContext, type RequestKind } from './faults.js';
import { documentsOf, topOf, type TestBlob, type TestImage, type TestIndex } from './image.js';
import { createListener } from './listener.js';
import { answer } from './registry-answer.js';
import { challengeOf } from './registry-auth.js';
import { createContent, type State } from './registry-content.js';
import type { RegistryOptions } from './registry-options.js';
import { parseRange, parseRequest, readBody } from './registry-request.js';
import { deliver, plainDelivery } from './reply.js';

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

  const main = createListener(options.tls, (request, response, closing) =>
    handle('registry', request, response, closing),
  );
  const target =
    options.redirect?.to === 'server'
      ? createListener(options.tls, (request, response, closing) => handle('target', request, response, closing))
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
