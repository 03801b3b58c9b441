import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { Socket, type LookupFunction } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Agent, buildConnector, errors, type Dispatcher } from 'undici';
import { errnoOf, SluiceError } from '../../errors.js';
import { abortError, onAbort, throwIfAborted } from '../abort.js';
import { type AddressGuard, isRefused } from './address.js';
import { classifyTransport } from './classify.js';
import { freeSoon } from './free-soon.js';
import { type BodySink, type Dispatch, type HttpRequest, lengthOf, type Receive, type ReplyHead } from './http.js';
import { DEFAULT_TLS, openSecureContext, type TlsChoice } from './tls.js';

/** The timers of R72, each its own. */
export interface Timeouts {
  readonly connectMs: number;
  readonly headersMs: number;
  /** Without a byte of the body. */
  readonly idleMs: number;
}

const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 60_000, idleMs: 30_000 };

/** All connections of the process. */
export interface Connections {
  readonly dispatch: Dispatch;
  /** Ends every exchange and every connection. */
  close(): Promise<void>;
}

/** More than the limits of R74 let through to one origin, so that undici itself never queues. */
const CONNECTIONS_PER_ORIGIN = 32;

/** A body with no more than this left is let run out when its reader goes, which saves the connection (R92). */
const DRAIN_BYTES = 64 * 1024;

/** How a connection says that its peer is gone. */
const RESETS = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** Opens nothing yet; connections are made as requests need them. */
export function openConnections(timeouts: Timeouts = DEFAULT_TIMEOUTS): Connections {
  const shared: Shared = { timeouts, connecting: new Set(), staleErrors: new WeakSet(), contexts: new Map() };
  const agents = new Map<string, Agent>();
  const passing = new Set<Agent>();
  let isClosed = false;

  const isStale = (error: unknown): boolean => {
    if (!(error instanceof Error) || !RESETS.has(errnoOf(error) ?? '')) return false;
    return shared.staleErrors.has(error) || (error instanceof errors.SocketError && (error.socket?.bytesRead ?? 0) > 0);
  };
  /** One for each way to connect; undici has one pool for each host in it (R43). */
  const agentFor = ({ guard, tls = DEFAULT_TLS }: HttpRequest): Agent => {
    const key = `${guard} ${tls.isVerified} ${tls.authorities.id}`;
    const agent = agents.get(key) ?? openAgent(guard, tls, shared);
    agents.set(key, agent);
    return agent;
  };

  return {
    dispatch: async (request, receive, signal) => {
      throwIfAborted(signal);
      if (isClosed) throw closed(request.url);
      if (request.isOnNewConnection !== true)
        return exchange({ agent: agentFor(request), isStale, request, receive, signal });
      const agent = openAgent(request.guard, request.tls ?? DEFAULT_TLS, shared);
      passing.add(agent);
      try {
        return await exchange({ agent, isStale, request, receive, signal });
      } finally {
        passing.delete(agent);
        await agent.destroy();
      }
    },
    close: async () => {
      isClosed = true;
      for (const socket of shared.connecting) socket.destroy();
      await Promise.all([...agents.values(), ...passing].map((agent) => agent.destroy()));
    },
  };
}

function closed(url: URL): SluiceError {
  return new SluiceError('ABORTED', `asking ${url.host}: Sluice was closed`);
}

/** What all agents of one process share. */
interface Shared {
  readonly timeouts: Timeouts;
  readonly connecting: Set<Socket>;
  /** Errors of connections that had carried something before. */
  readonly staleErrors: WeakSet<Error>;
  /** By the id of their authorities. */
  readonly contexts: Map<string, SecureContext>;
}

function openAgent(guard: AddressGuard, tls: TlsChoice, shared: Shared): Agent {
  const { timeouts, connecting, staleErrors } = shared;
  const common = {
    timeout: timeouts.connectMs,
    autoSelectFamily: true,
    allowH2: false, // its windows cap a stream near 12 MB/s at usual latencies (R47)
    ...(guard !== 'any' && { lookup: guardedLookup(guard) }),
  };
  const connectPlain = buildConnector(common);
  let connectSecure: ReturnType<typeof buildConnector> | null = null;
  const secured = (): ReturnType<typeof buildConnector> => {
    const secureContext = contextOf(tls, shared);
    connectSecure ??= buildConnector({ ...common, rejectUnauthorized: tls.isVerified, secureContext });
    return connectSecure;
  };
  return new Agent({
    connections: CONNECTIONS_PER_ORIGIN,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.idleMs,
    connect: (options, callback) => {
      const connect = options.protocol === 'https:' ? secured() : connectPlain;
      const opening: unknown = connect(options, (...outcome) => {
        const [error, socket] = outcome;
        if (error === null) watchReuse(socket, staleErrors);
        if (opening instanceof Socket) connecting.delete(opening);
        callback(...outcome);
      });
      if (opening instanceof Socket) connecting.add(opening);
    },
  });
}

function contextOf({ authorities }: TlsChoice, { contexts }: Shared): SecureContext {
  const context = contexts.get(authorities.id) ?? openSecureContext(authorities);
  contexts.set(authorities.id, context);
  return context;
}

/** Remembers the errors of a connection that come after it carried something: a peer may close an idle one at any time. */
function watchReuse(socket: Socket, staleErrors: WeakSet<Error>): void {
  const before = socket.bytesRead;
  socket.on('error', (error) => {
    if (socket.bytesRead > before) staleErrors.add(error);
  });
}

/**
 * Resolves names as Node does and refuses them when an address they stand for is refused: the address that was checked
 * is the one connected to, so a name cannot stand for a metadata service (R24, R52).
 */
function guardedLookup(guard: AddressGuard): LookupFunction {
  return (hostname, options, callback) => {
    const all: LookupOptions & { all: true } = { ...options, all: true };
    lookup(hostname, all, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '', 0);
      const refused = addresses.find(({ address }) => isRefused(address, guard));
      if (refused !== undefined) {
        const message = `connecting to ${JSON.stringify(hostname)}: the name leads to ${refused.address}`;
        return callback(new SluiceError('REDIRECT_REFUSED', { message, rule: 'registry R52' }), '', 0);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

interface Exchange {
  readonly agent: Agent;
  readonly isStale: (error: unknown) => boolean;
  readonly request: HttpRequest;
  readonly receive: Receive;
  readonly signal: AbortSignal;
}

/**
 * One request and its reply. The parser is never paused: undici 7 ends the process with an assertion when the peer
 * closes a reply that is not keep-alive while its parser is paused (R78).
 */
function exchange({ agent, isStale, request, receive, signal }: Exchange): Promise<ReplyHead> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let head: ReplyHead | null = null;
    let sink: BodySink | null = null;
    let leftBytes = Number.POSITIVE_INFINITY;
    let isSettled = false;
    let isRepeated = false;

    const settle = (): boolean => {
      if (isSettled) return false;
      isSettled = true;
      sink = null;
      release();
      return true;
    };
    const fail = (error: unknown): void => {
      if (settle()) reject(classifyTransport(error, request.url));
    };
    /** Ends the connection from inside a handler, where undici must see nothing thrown. */
    const guarded = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        fail(error);
        controller?.abort(asError(error));
      }
    };
    const release = onAbort(signal, () => {
      fail(abortError(signal));
      if (leftBytes > DRAIN_BYTES) controller?.abort(abortError(signal));
    });

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (started) => {
        controller = started;
        if (isSettled) started.abort(abortError(signal));
      },
      onResponseStart: (_, status, headers) => {
        if (isSettled || status < 200) return;
        const received: ReplyHead = { status, headers, url: request.url };
        head = received;
        leftBytes = lengthOf(received) ?? Number.POSITIVE_INFINITY;
        guarded(() => {
          sink = receive(received);
        });
      },
      onResponseData: (_, chunk) => {
        leftBytes -= chunk.length;
        freeSoon(chunk);
        guarded(() => {
          if (sink?.(chunk) !== 'enough' || head === null) return;
          const complete = head;
          if (settle()) resolve(complete);
          if (leftBytes > DRAIN_BYTES) controller?.abort(new Error('enough'));
        });
      },
      onResponseEnd: () => {
        const complete = head;
        if (complete !== null && settle()) afterRelease(() => resolve(complete));
      },
      onResponseError: (_, error) => {
        if (isSettled || isRepeated || head !== null || !isStale(error)) return fail(error);
        isRepeated = true;
        queueMicrotask(start);
      },
    };
    const start = (): void => {
      if (isSettled) return;
      const { url, method, headers, body } = request;
      const path = url.pathname + url.search;
      agent.dispatch({ origin: url.origin, path, method, headers: { ...headers }, body: body ?? null }, handler);
    };
    start();
  });
}

/**
 * undici gives a connection back in the turn of the loop after its reply has ended. Whoever asks again before that gets
 * a second connection, with handshakes of its own.
 */
function afterRelease(callback: () => void): void {
  setImmediate(() => setImmediate(callback));
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
