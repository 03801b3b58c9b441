import type { AddressGuard } from './address.js';
import type { Order } from './limits.js';
import type { TlsChoice } from './tls.js';

/** What is asked for; blobs have limits of their own (R74). */
export type Wanted = 'manifest' | 'config' | 'blob' | 'token' | 'login';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: URL;
  /** What was asked first; differs from {@link url} where a redirect was followed. */
  readonly firstUrl: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a POST. */
  readonly body?: string;
  readonly wanted: Wanted;
  /** Whose limits the request counts against (R74): the host that was asked first, by the name users know. */
  readonly host: string;
  readonly guard: AddressGuard;
  /** Node's and the system's authorities when left out. */
  readonly tls?: TlsChoice;
  /** Who comes before whom where connections are scarce (R75). */
  readonly order?: Order;
  /** Whether no connection that stands is good enough (R73). */
  readonly isOnNewConnection?: boolean;
}

/** Names in lower case; a repeated header is a list. */
export type ReplyHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface ReplyHead {
  readonly status: number;
  readonly headers: ReplyHeaders;
  /** Who answered: the redirect's target where one was followed. */
  readonly url: URL;
}

/**
 * Takes the body as it comes; a chunk is valid only during the call. `'enough'` ends the exchange well, what is thrown
 * ends it with that error. A body is never paused (R78).
 */
export type BodySink = (chunk: Uint8Array) => 'enough' | void;

/** Decides, from the head alone and at once, what becomes of the body. */
export type Receive = (head: ReplyHead) => BodySink;

/**
 * One exchange: resolves when the body has ended.
 * @throws SluiceError for failures below HTTP, ABORTED when the signal fires, and whatever the sink throws
 */
export type Dispatch = (request: HttpRequest, receive: Receive, signal: AbortSignal) => Promise<ReplyHead>;

/** A header that may stand once; null when it is absent or repeated. */
export function headerOf(head: ReplyHead, name: string): string | null {
  const value = head.headers[name];
  return typeof value === 'string' ? value : null;
}

export function headersOf(head: ReplyHead, name: string): readonly string[] {
  const value = head.headers[name];
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

/** `Content-Length`; null when absent or no plain number. */
export function lengthOf(head: ReplyHead): number | null {
  const text = headerOf(head, 'content-length');
  if (text === null || !/^[0-9]{1,16}$/.test(text)) return null;
  const length = Number(text);
  return Number.isSafeInteger(length) ? length : null;
}

/** Whether the body is encoded although `identity` was asked for (R88). */
export function isEncoded(head: ReplyHead): boolean {
  return headersOf(head, 'content-encoding').some((coding) => !/^\s*(identity)?\s*$/i.test(coding));
}

/** The URL, resolved against a base where one is given; null when the text is none. */
export function parseUrl(text: string, base?: URL): URL | null {
  return URL.canParse(text, base?.href) ? new URL(text, base) : null;
}
