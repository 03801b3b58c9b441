import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** What is answered, before anything goes wrong. */
export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How the end of a body is made known: by its length, by chunks, or by the end of the connection. */
export type Framing = 'keep-alive' | 'connection-close' | 'http-1.0' | 'chunked' | 'no-length';

/** How a connection ends: in order, or by a reset; over https the second is an end without the goodbye of TLS. */
export type ConnectionEnd = 'fin' | 'rst';

/** A reply and the way it is sent; {@link plainDelivery} sends it whole and honestly. */
export interface Delivery {
  readonly reply: Reply;
  readonly framing: Framing;
  /** The connection ends after so many bytes of the body, which keeps its length in the headers. */
  readonly cut: { readonly atByte: number; readonly by: ConnectionEnd } | null;
  /** Nothing is sent for a while, or for good, after so many bytes of the body. */
  readonly stall: { readonly atByte: number; readonly forMs: number } | null;
  readonly bytesPerSecond: number | null;
  /** Sent again and again behind the body. */
  readonly filler: Buffer | null;
  /** Settles when the reply may begin. */
  readonly hold: Promise<unknown> | null;
  /** Ends the connection in place of a reply. */
  readonly drop: ConnectionEnd | null;
  /** Written in place of a reply, with an end of the connection behind it. */
  readonly raw: Buffer | null;
  /** Whether the headers' length was made up. */
  readonly isLengthFalse: boolean;
}

/** Nothing goes wrong. */
export function plainDelivery(reply: Reply): Delivery {
  return {
    reply,
    framing: 'keep-alive',
    cut: null,
    stall: null,
    bytesPerSecond: null,
    filler: null,
    hold: null,
    drop: null,
    raw: null,
    isLengthFalse: false,
  };
}

/** Hears what really left: the status line, then the body's bytes as they go. */
export interface DeliveryProgress {
  onStatus(status: number): void;
  onBytes(count: number): void;
}

/**
 * Sends a reply over the request's connection and ends the connection where the delivery says so. Returns early
 * when the client goes away or the signal fires.
 */
export async function deliver(
  delivery: Delivery,
  request: IncomingMessage,
  response: ServerResponse,
  progress: DeliveryProgress,
  signal: AbortSignal,
): Promise<void> {
  const { socket } = request;
  const gone = new AbortController();
  const abort = (): void => gone.abort();
  if (socket.destroyed || signal.aborted) abort();
  socket.once('close', abort);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await deliverWhileThere(delivery, request, response, progress, gone.signal);
  } finally {
    socket.off('close', abort);
    signal.removeEventListener('abort', abort);
  }
}

async function deliverWhileThere(
  delivery: Delivery,
  request: IncomingMessage,
  response: ServerResponse,
  progress: DeliveryProgress,
  gone: AbortSignal,
): Promise<void> {
  const { socket } = request;
  if (delivery.hold) await untilGone(delivery.hold, gone);
  if (gone.aborted) return;
  if (delivery.drop) {
    endConnection(socket, delivery.drop);
  } else if (delivery.raw) {
    if (await write(socket, delivery.raw)) progress.onBytes(delivery.raw.length);
    endConnection(socket, 'fin');
  } else if (needsRawSocket(delivery)) {
    await deliverRaw(delivery, request, progress, gone);
  } else {
    await deliverByNode(delivery, request, response, progress, gone);
  }
}

/** What node:http would refuse to send, or would end in its own way. */
function needsRawSocket(delivery: Delivery): boolean {
  const { framing } = delivery;
  return delivery.cut !== null || delivery.isLengthFalse || framing === 'http-1.0' || framing === 'no-length';
}

async function deliverByNode(
  delivery: Delivery,
  request: IncomingMessage,
  response: ServerResponse,
  progress: DeliveryProgress,
  gone: AbortSignal,
): Promise<void> {
  const { status } = delivery.reply;
  response.writeHead(status, framedHeaders(delivery));
  progress.onStatus(status);
  if (request.method !== 'HEAD') {
    response.flushHeaders();
    await pump(delivery, (chunk) => write(response, chunk), progress, gone);
  }
  if (!gone.aborted) response.end();
}

async function deliverRaw(
  delivery: Delivery,
  request: IncomingMessage,
  progress: DeliveryProgress,
  gone: AbortSignal,
): Promise<void> {
  const { socket } = request;
  const { status } = delivery.reply;
  const version = delivery.framing === 'http-1.0' ? 'HTTP/1.0' : 'HTTP/1.1';
  const head = [`${version} ${status} ${STATUS_CODES[status] ?? 'Unknown'}`];
  for (const [name, value] of Object.entries(framedHeaders(delivery))) head.push(`${name}: ${value}`);
  await write(socket, Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'));
  progress.onStatus(status);
  if (request.method !== 'HEAD') {
    const isChunked = delivery.framing === 'chunked';
    const send = (chunk: Buffer): Promise<boolean> => write(socket, isChunked ? frameChunk(chunk) : chunk);
    await pump(delivery, send, progress, gone);
    if (isChunked && !delivery.cut) await write(socket, Buffer.from('0\r\n\r\n'));
  }
  if (delivery.cut?.by === 'rst') await settleBeforeReset();
  if (!gone.aborted) endConnection(socket, delivery.cut?.by ?? 'fin');
}

function framedHeaders(delivery: Delivery): Record<string, string> {
  const { 'content-length': length, ...headers } = delivery.reply.headers;
  switch (delivery.framing) {
    case 'keep-alive':
      return length === undefined ? { ...headers } : { ...headers, 'content-length': length };
    case 'connection-close':
      return { ...headers, ...(length !== undefined && { 'content-length': length }), connection: 'close' };
    case 'http-1.0':
      return { ...headers, ...(length !== undefined && { 'content-length': length }) };
    case 'chunked':
      return { ...headers, 'transfer-encoding': 'chunked' };
    case 'no-length':
      return { ...headers, connection: 'close' };
    default:
      return delivery.framing satisfies never;
  }
}

const CHUNK_BYTES = 256 * 1024;
const DRIP_MS = 20;

async function pump(
  delivery: Delivery,
  send: (chunk: Buffer) => Promise<boolean>,
  progress: DeliveryProgress,
  gone: AbortSignal,
): Promise<void> {
  const { reply, cut, stall, bytesPerSecond, filler } = delivery;
  const stop = Math.min(cut?.atByte ?? Infinity, filler ? Infinity : reply.body.length);
  const step = bytesPerSecond === null ? CHUNK_BYTES : Math.max(1, Math.round((bytesPerSecond * DRIP_MS) / 1000));
  const pauseMs = bytesPerSecond === null ? 0 : (1000 * step) / bytesPerSecond;
  let sent = 0;
  let isStalled = false;
  while (!gone.aborted) {
    if (stall && !isStalled && sent >= Math.min(stall.atByte, stop)) {
      isStalled = true;
      await pause(stall.forMs, gone);
      continue;
    }
    if (sent >= stop) return;
    const limit = Math.min(stop, sent + step, stall && !isStalled ? stall.atByte : Infinity);
    const chunk = sent < reply.body.length ? reply.body.subarray(sent, limit) : filler!.subarray(0, limit - sent);
    if (!(await send(chunk))) return;
    sent += chunk.length;
    progress.onBytes(chunk.length);
    if (pauseMs > 0 && sent < stop) await pause(pauseMs, gone);
  }
}

function frameChunk(chunk: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]);
}

/** @returns whether the bytes were handed to the kernel; false when the connection is gone */
function write(stream: Writable, bytes: Buffer): Promise<boolean> {
  if (stream.destroyed || bytes.length === 0) return Promise.resolve(!stream.destroyed);
  return new Promise((resolve) => {
    const onClose = (): void => resolve(false);
    stream.once('close', onClose);
    stream.write(bytes, (error) => {
      stream.off('close', onClose);
      resolve(!error);
    });
  });
}

function endConnection(socket: Socket, by: ConnectionEnd): void {
  if (by === 'fin') socket.destroySoon();
  else resetConnection(socket);
}

/** Ends a connection by a reset. A TLS socket has none: it ends without the goodbye of TLS. */
export function resetConnection(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}

const RESET_DELAY_MS = 5;

/**
 * Lets the client read before a reset: libuv reports a reset that it meets together with data as an ordinary end. The
 * turns of the event loop are for a client in this process, the time for any other.
 */
async function settleBeforeReset(): Promise<void> {
  await sleep(RESET_DELAY_MS);
  await nextTurn();
  await nextTurn();
}

async function pause(forMs: number, gone: AbortSignal): Promise<void> {
  if (Number.isFinite(forMs)) await sleep(forMs, undefined, { signal: gone }).catch(() => undefined);
  else await untilGone(new Promise(() => undefined), gone);
}

async function untilGone(wait: Promise<unknown>, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return;
  await Promise.race([
    wait,
    new Promise<void>((resolve) => gone.addEventListener('abort', () => resolve(), { once: true })),
  ]);
}
