import { SluiceError } from '../../errors.js';
import { headerOf, lengthOf, type ReplyHead } from './http.js';

/** The bytes `start` up to `end`, which is not among them. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** What a `Content-Range` says. */
export interface ContentRange extends ByteRange {
  /** Size of the whole; null for `*`. */
  readonly total: number | null;
}

/** Value of the `Range` header. */
export function formatRange({ start, end }: ByteRange): string {
  return `bytes=${start}-${end - 1}`;
}

/** @see RFC 9110, 14.4; null for whatever is no satisfied range */
export function parseContentRange(text: string): ContentRange | null {
  const match = /^\s*bytes\s+([0-9]{1,16})-([0-9]{1,16})\/([0-9]{1,16}|\*)\s*$/i.exec(text);
  if (match === null) return null;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const total = match[3] === '*' ? null : Number(match[3]);
  if (!Number.isSafeInteger(end) || start >= end) return null;
  if (total !== null && (!Number.isSafeInteger(total) || end > total)) return null;
  return { start, end, total };
}

/**
 * What a 206 holds, when it fits what was asked (R81).
 * @returns null when the body must be dropped
 * @throws SluiceError SIZE_MISMATCH when its `Content-Length` contradicts the range (R89)
 */
export function acceptPartial(head: ReplyHead, asked: ByteRange, size: number): ByteRange | null {
  const text = headerOf(head, 'content-range');
  const range = text === null ? null : parseContentRange(text);
  if (range === null || range.start !== asked.start || range.end > asked.end) return null;
  if (range.total !== null && range.total !== size) return null;
  checkLength(head, range.end - range.start);
  return range;
}

/** @throws SluiceError SIZE_MISMATCH when the length that was promised is not the one that must come (R89) */
export function checkLength(head: ReplyHead, expected: number): void {
  const length = lengthOf(head);
  if (length !== null && length !== expected) throw sizeMismatch(head.url, expected, String(length));
}

export function sizeMismatch(url: URL, expected: number, got: string): SluiceError {
  return new SluiceError('SIZE_MISMATCH', {
    message: `reading ${url.host}${url.pathname}: ${got} bytes instead of ${expected}`,
    rule: 'registry R89',
    expected: String(expected),
    got,
  });
}
