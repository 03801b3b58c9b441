import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { Socket, type LookupFunction } from 'node:net';
import { Agent, buildConnector, errors, type Dispatcher } from 'undici';
import { errnoOf, SluiceError } from '../../errors.js';
import { abortError, onAbort, throwIfAborted } from '../abort.js';
import { type AddressGuard, isRefused } from './address.js';
import { classifyTransport } from './classify.js';
import { type BodySink, type Dispatch, type HttpRequest, lengthOf, type Receive, type ReplyHead } from './http.js';

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

const GUARDS: readonly AddressGuard[] = ['any', 'no-link-local', 'no-local'];

/** Opens nothing yet; connections are made as requests need them. */
export function openConnections(timeouts: Timeouts = DEFAULT_TIMEOUTS): Connections {
  const connecting = new Set<Socket>();
  /** Errors of connections that had carried something before. */
  const staleErrors = new WeakSet<Error>();
  const agents = new Map(GUARDS.map((guard) => [guard, openAgent(guard, timeouts, connecting, staleErrors)]));

  const isStale = (error: unknown): boolean => {
    if (!(error instanceof Error) || !RESETS.has(errnoOf(error) ?? '')) return false;
    return staleErrors.has(error) || (error instanceof errors.SocketError && (error.socket?.bytesRead ?? 0) > 0);
  };

  return {
    dispatch: async (request, receive, signal) => {
      throwIfAborted(signal);
      const agent = agents.get(request.guard);
      if (agent === undefined) throw new TypeError(`no such guard: ${request.guard}`);
      return exchange({ agent, isStale, request, receive, signal });
    },
    close: async () => {
      for (const socket of connecting) socket.destroy();
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
    },
  };
}

function openAgent(
  guard: AddressGuard,
  timeouts: Timeouts,
  connecting: Set<Socket>,
  staleErrors: WeakSet<Error>,
): Agent {
  const connect = buildConnector({
    timeout: timeouts.connectMs,
    autoSelectFamily: true,
    allowH2: false,
    ...(guard !== 'any' && { lookup: guardedLookup(guard) }),
  });
  return new Agent({
    connections: CONNECTIONS_PER_ORIGIN,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.idleMs,
    connect: (options, callback) => {
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
      const { url, method, headers } = request;
      agent.dispatch({ origin: url.origin, path: url.pathname + url.search, method, headers: { ...headers } }, handler);
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
