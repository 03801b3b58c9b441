import { makeReply, registryError } from './replies.js';
import type { ConnectionEnd, Delivery, Framing } from './reply.js';

/**
 * What a request asks for. `target` is where blobs are redirected to, hops of a chain included; `config` is a blob
 * that a pushed manifest names as its config.
 */
export type RequestKind = 'ping' | 'manifest' | 'config' | 'blob' | 'target' | 'token' | 'tags' | 'other';

/** Which requests a fault is meant for; every condition that is given must hold. */
export interface FaultMatch {
  readonly method?: string;
  /** Text that path and query contain, or a pattern for them. */
  readonly path?: RegExp | string;
  readonly kind?: RequestKind | readonly RequestKind[];
  /** Only requests with, or only those without, a Range header. */
  readonly hasRange?: boolean;
}

/** One thing that goes wrong, and when. */
export interface Fault {
  readonly match: FaultMatch;
  /** Which of the matching requests, from 1 on; `every` when left out. */
  readonly nth?: number | readonly number[] | 'every';
  readonly do: FaultAction;
}

/** All that can go wrong. Bytes are counted in the body of the one reply, unless said otherwise. */
export type FaultAction =
  /** The connection ends after byte N of the body; the headers promised all of it. */
  | { readonly kind: 'cut'; readonly atByte: number; readonly by: ConnectionEnd; readonly framing?: Framing }
  /** The whole body, its end made known in another way. */
  | { readonly kind: 'framing'; readonly framing: Framing }
  /** The connection ends without a reply. */
  | { readonly kind: 'drop'; readonly by: ConnectionEnd }
  /** Nothing comes after byte N of the body, for good or for a time. */
  | { readonly kind: 'stall'; readonly atByte: number; readonly forMs?: number }
  /** The reply begins when the promise settles; without one, never. */
  | { readonly kind: 'hold'; readonly until?: Promise<unknown> }
  /** The body comes at so many bytes a second. */
  | { readonly kind: 'drip'; readonly bytesPerSecond: number }
  /** Too many requests, or too busy, with Retry-After in one of its two forms, any other text, or none. */
  | { readonly kind: 'busy'; readonly status: 429 | 503; readonly retryAfter?: number | Date | string }
  /** Refused in mid pull; a 401 carries the registry's own challenge unless another is given, or null for none. */
  | { readonly kind: 'refuse'; readonly status: 400 | 401 | 403; readonly challenge?: string | null }
  /** 200 with the whole blob where a range was asked for. */
  | { readonly kind: 'rangeless' }
  /** 206 that begins so many bytes later (earlier: negative), and says so. */
  | { readonly kind: 'wrong-start'; readonly by: number }
  /** 206 with the first N bytes of what was asked for, and says so. */
  | { readonly kind: 'short-range'; readonly bytes: number }
  /** 206 as multipart/byteranges. */
  | { readonly kind: 'multipart' }
  /** 416 with the true size, whatever was asked for. */
  | { readonly kind: 'unsatisfiable' }
  /** One byte, the first or the one at a place, is another. */
  | { readonly kind: 'wrong-bytes'; readonly atByte?: number }
  /** So many bytes more (1) or less (-1) at the end, with a Content-Length that fits. */
  | { readonly kind: 'resize'; readonly by: number }
  /**
   * Headers that lie: `content-length`, `content-range`, `content-encoding`, `docker-content-digest`,
   * `content-type`, any; null takes one away. The connection ends behind a body of another length than promised.
   */
  | { readonly kind: 'headers'; readonly headers: Readonly<Record<string, string | null>> }
  /**
   * A redirect to a place of the test's choice: `file:///etc/passwd`, `http:` from https, a foreign port. `{path}` in
   * it becomes path and query of the request; null sends none. 307 when the status is left out.
   */
  | { readonly kind: 'redirect'; readonly location: string | null; readonly status?: RedirectStatus }
  /** So many redirects, then the true reply. */
  | { readonly kind: 'redirect-chain'; readonly hops: number; readonly status?: RedirectStatus }
  /** A redirect to the request's own address. */
  | { readonly kind: 'redirect-loop'; readonly status?: RedirectStatus }
  /**
   * The redirect's target expires: requests for byte N of the blob or a later one get 403, on the first addresses
   * that were handed out (1 of them when left out; Infinity for all); those handed out later work.
   */
  | { readonly kind: 'expire'; readonly fromByte: number; readonly addresses?: number }
  /** A body that never ends, after a beginning: a manifest, a token reply, an error body with its status. */
  | { readonly kind: 'endless'; readonly status?: number; readonly start?: string; readonly filler?: string }
  /** A fixed reply. */
  | {
      readonly kind: 'reply';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | Uint8Array;
    }
  /** Bytes in place of an HTTP reply; the connection ends behind them. */
  | { readonly kind: 'raw'; readonly bytes: string | Uint8Array };

/** Status codes that redirect. */
export type RedirectStatus = 301 | 302 | 303 | 307 | 308;

/** What a fault may look at. */
export interface FaultContext {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly kind: RequestKind;
  /** What the Range header asks for, its end without the byte. */
  readonly range: { readonly start: number; readonly end: number } | null;
  /** The whole blob or document. */
  readonly content: Buffer | null;
  /** The registry's challenge, null without authentication. */
  readonly challenge: string | null;
  /** Which address of a target was used. */
  readonly ticket: string | null;
}

/** A list of faults that counts its requests. */
export interface FaultList {
  /** The faults that this request meets, in order. */
  meet(context: FaultContext): readonly FaultAction[];
  /** Puts one more at the end; the result takes it out again. */
  add(fault: Fault): () => void;
  clear(): void;
}

export function createFaultList(faults: readonly Fault[]): FaultList {
  let counted = faults.map((fault) => ({ fault, count: 0, tickets: new Set<string>() }));
  return {
    meet: (context) =>
      counted
        .filter((entry) => {
          if (!isMatch(entry.fault.match, context)) return false;
          if (entry.fault.do.kind === 'expire' && !isExpired(entry.fault.do, context, entry.tickets)) return false;
          entry.count++;
          const { nth = 'every' } = entry.fault;
          return nth === 'every' || (typeof nth === 'number' ? nth === entry.count : nth.includes(entry.count));
        })
        .map(({ fault }) => fault.do),
    add: (fault) => {
      const entry = { fault, count: 0, tickets: new Set<string>() };
      counted.push(entry);
      return () => {
        counted = counted.filter((other) => other !== entry);
      };
    },
    clear: () => {
      counted = [];
    },
  };
}

function isMatch(match: FaultMatch, context: FaultContext): boolean {
  if (match.method !== undefined && match.method !== context.method) return false;
  if (match.kind !== undefined && ![match.kind].flat().includes(context.kind)) return false;
  if (match.hasRange !== undefined && match.hasRange !== (context.range !== null)) return false;
  if (match.path === undefined) return true;
  return typeof match.path === 'string' ? context.url.includes(match.path) : match.path.test(context.url);
}

function isExpired(
  action: Extract<FaultAction, { kind: 'expire' }>,
  context: FaultContext,
  expired: Set<string>,
): boolean {
  if ((context.range?.start ?? 0) < action.fromByte || context.ticket === null) return false;
  if (expired.size < (action.addresses ?? 1)) expired.add(context.ticket);
  return expired.has(context.ticket);
}

/** What becomes of a delivery by one fault; several are applied one after another. */
export function applyFault(delivery: Delivery, action: FaultAction, context: FaultContext): Delivery {
  const { reply } = delivery;
  const answer = (status: number, headers: Record<string, string>, body: string | Uint8Array): Delivery => ({
    ...delivery,
    reply: makeReply(status, headers, body),
  });
  switch (action.kind) {
    case 'cut':
      return {
        ...delivery,
        cut: { atByte: action.atByte, by: action.by },
        framing: action.framing ?? delivery.framing,
      };
    case 'framing':
      return { ...delivery, framing: action.framing };
    case 'drop':
      return { ...delivery, drop: action.by };
    case 'stall':
      return { ...delivery, stall: { atByte: action.atByte, forMs: action.forMs ?? Infinity } };
    case 'hold':
      return { ...delivery, hold: action.until ?? new Promise(() => undefined) };
    case 'drip':
      return { ...delivery, bytesPerSecond: action.bytesPerSecond };
    case 'busy':
      return answer(
        action.status,
        {
          'content-type': 'application/json',
          ...(action.retryAfter !== undefined && { 'retry-after': retryAfterText(action.retryAfter) }),
        },
        registryError(action.status === 429 ? 'TOOMANYREQUESTS' : 'UNAVAILABLE', 'come back later'),
      );
    case 'refuse': {
      const challenge = action.challenge === undefined ? context.challenge : action.challenge;
      return answer(
        action.status,
        {
          'content-type': 'application/json',
          ...(action.status === 401 && challenge !== null && { 'www-authenticate': challenge }),
        },
        registryError(action.status === 401 ? 'UNAUTHORIZED' : 'DENIED', 'refused'),
      );
    }
    case 'rangeless': {
      const { 'content-range': _, ...headers } = reply.headers;
      return context.content ? answer(200, headers, context.content) : delivery;
    }
    case 'wrong-start':
      return context.range
        ? partial(delivery, context, Math.max(0, context.range.start + action.by), context.range.end)
        : delivery;
    case 'short-range':
      return context.range
        ? partial(
            delivery,
            context,
            context.range.start,
            Math.min(context.range.end, context.range.start + action.bytes),
          )
        : delivery;
    case 'multipart':
      return context.range ? multipart(delivery, context, context.range) : delivery;
    case 'unsatisfiable':
      return answer(416, { 'content-range': `bytes */${context.content?.length ?? 0}` }, '');
    case 'wrong-bytes': {
      const body = Buffer.from(reply.body);
      const at = action.atByte ?? 0;
      if (at < body.length) body[at] = body[at]! ^ 0xff;
      return { ...delivery, reply: { ...reply, body } };
    }
    case 'resize': {
      const body =
        action.by < 0 ? reply.body.subarray(0, action.by) : Buffer.concat([reply.body, Buffer.alloc(action.by, '!')]);
      return answer(reply.status, reply.headers, body);
    }
    case 'headers':
      return lie(delivery, action.headers);
    case 'redirect':
      return answer(
        action.status ?? 307,
        action.location === null ? {} : { location: action.location.replaceAll('{path}', context.url) },
        '',
      );
    case 'redirect-chain':
      return answer(
        action.status ?? 307,
        { location: `/hop/${action.hops - 1}?to=${encodeURIComponent(context.url)}&status=${action.status ?? 307}` },
        '',
      );
    case 'redirect-loop':
      return answer(action.status ?? 307, { location: context.url }, '');
    case 'expire':
      return answer(403, { 'content-type': 'application/xml' }, '<Error><Code>AccessDenied</Code></Error>');
    case 'endless': {
      const body = Buffer.from(action.start ?? reply.body);
      const { 'content-length': _, ...headers } = reply.headers;
      return {
        ...delivery,
        reply: { status: action.status ?? reply.status, headers, body },
        filler: repeat(action.filler ?? ' '),
      };
    }
    case 'reply':
      return answer(action.status, { ...action.headers }, action.body ?? '');
    case 'raw':
      return { ...delivery, raw: Buffer.from(action.bytes) };
    default:
      return action satisfies never;
  }
}

function retryAfterText(value: number | Date | string): string {
  return value instanceof Date ? value.toUTCString() : String(value);
}

function partial(delivery: Delivery, context: FaultContext, start: number, end: number): Delivery {
  if (!context.content) return delivery;
  const headers = {
    ...delivery.reply.headers,
    'content-range': `bytes ${start}-${end - 1}/${context.content.length}`,
  };
  return { ...delivery, reply: makeReply(206, headers, context.content.subarray(start, end)) };
}

function multipart(delivery: Delivery, context: FaultContext, range: { start: number; end: number }): Delivery {
  if (!context.content) return delivery;
  const { 'content-range': _, ...headers } = delivery.reply.headers;
  const body = Buffer.concat([
    Buffer.from(
      `--part\r\nContent-Type: application/octet-stream\r\n` +
        `Content-Range: bytes ${range.start}-${range.end - 1}/${context.content.length}\r\n\r\n`,
    ),
    context.content.subarray(range.start, range.end),
    Buffer.from('\r\n--part--\r\n'),
  ]);
  const type = { 'content-type': 'multipart/byteranges; boundary=part' };
  return { ...delivery, reply: makeReply(206, { ...headers, ...type }, body) };
}

function lie(delivery: Delivery, lies: Readonly<Record<string, string | null>>): Delivery {
  const headers: Record<string, string> = { ...delivery.reply.headers };
  for (const [name, value] of Object.entries(lies)) {
    if (value === null) delete headers[name.toLowerCase()];
    else headers[name.toLowerCase()] = value;
  }
  const length = headers['content-length'];
  return {
    ...delivery,
    reply: { ...delivery.reply, headers },
    isLengthFalse: length !== undefined && length !== String(delivery.reply.body.length),
  };
}

function repeat(text: string): Buffer {
  return Buffer.alloc(64 * 1024, text);
}
