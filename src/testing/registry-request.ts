import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { RequestKind } from './faults.js';
import type { Content } from './registry-content.js';

/** What a request asks for. */
export interface Asked {
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

/** Reads method, path and query; what makes no sense is of the kind `other`. */
export function parseRequest(request: IncomingMessage, server: 'registry' | 'target', content: Content): Asked {
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
export function parseRange(header: string | undefined, size: number): { start: number; end: number } | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === '' || match[2] === '' ? size : Math.min(size, Number(match[2]) + 1);
  return start < end ? { start, end } : null;
}

/** The body as text; tests send small ones. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
