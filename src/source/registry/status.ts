import { type ErrorCode, type ErrorDetail, SluiceError } from '../../errors.js';
import { type ErrorBody, parseErrorBody } from './body.js';
import { headerOf, type ReplyHead, type Wanted } from './http.js';

/** What was asked, of whom: the fields every error of a registry carries. */
export interface Asked {
  readonly host: string;
  readonly repository: string;
  readonly asked: Wanted;
}

/** "does not exist, or needs a login": registries don't tell the two apart (R25). */
export const MISSING_OR_PRIVATE = 'the repository does not exist, or needs a login';

/** Doing what, for messages; what concerns no repository is a login. */
export function doingOf({ host, repository, asked }: Asked): string {
  return repository === '' ? `logging in to ${host}` : `asking ${host} for the ${asked} of "${repository}"`;
}

/** A reply that is no success as an error: the status decides, the body explains (R12, R25). */
export function statusError(head: ReplyHead, body: Uint8Array, asked: Asked, nowMs: number): SluiceError {
  const said = isPresigned(head, asked) ? { code: null, text: '' } : parseErrorBody(body);
  const code = codeOf(head.status, said.code, asked.asked);
  const retryAt = retryAtOf(head, nowMs);
  const detail: ErrorDetail = {
    message: `${doingOf(asked)}: ${describe(head.status, said, code, asked)}`,
    ...asked,
    status: head.status,
    ...(said.code !== null && { registryCode: said.code }),
    ...(retryAt !== null && { retryAt: new Date(retryAt).toISOString() }),
  };
  return new SluiceError(code, detail);
}

/** Object stores repeat the address in the bodies of their errors, whole or in pieces, and its query is a credential (R35). */
function isPresigned({ url }: ReplyHead, { asked }: Asked): boolean {
  return asked !== 'token' && url.search !== '';
}

/**
 * `Retry-After` as milliseconds from now: seconds or an HTTP date (R69).
 * @returns null for anything else
 */
export function parseRetryAfter(text: string, nowMs: number): number | null {
  if (/^[0-9]{1,10}$/.test(text)) return Number(text) * 1000;
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\bGMT$/.test(text)) return null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - nowMs);
}

function codeOf(status: number, said: string | null, asked: Wanted): ErrorCode {
  if (status === 401) return 'AUTH_REQUIRED';
  if (status === 403) return 'ACCESS_DENIED';
  if (status === 404) return asked === 'login' ? 'PROTOCOL_ERROR' : notFoundCode(said, asked);
  if (status === 429) return 'RATE_LIMITED';
  return status === 408 || status >= 500 ? 'SERVER_ERROR' : 'PROTOCOL_ERROR';
}

function notFoundCode(said: string | null, asked: Wanted): ErrorCode {
  switch (said) {
    case 'NAME_UNKNOWN':
    case 'MANIFEST_UNKNOWN':
    case 'BLOB_UNKNOWN':
      return said;
    default:
      return asked === 'manifest' ? 'MANIFEST_UNKNOWN' : asked === 'token' ? 'NAME_UNKNOWN' : 'BLOB_UNKNOWN';
  }
}

function describe(status: number, said: ErrorBody, code: ErrorCode, { repository }: Asked): string {
  const parts = [`HTTP ${status}`];
  if (code === 'AUTH_REQUIRED' && repository !== '') parts.push(MISSING_OR_PRIVATE);
  if (said.code !== null) parts.push(said.code);
  if (said.text !== '') parts.push(said.text);
  return parts.join(': ');
}

/** When a reply says to come back, in milliseconds since the epoch (R69). */
export function retryAtOf(head: ReplyHead, nowMs: number): number | null {
  if (head.status !== 429 && head.status !== 503) return null;
  const text = headerOf(head, 'retry-after');
  const waitMs = text === null ? null : parseRetryAfter(text, nowMs);
  if (waitMs === null) return null;
  const latest = 8.64e15;
  return Math.min(nowMs + waitMs, latest);
}
