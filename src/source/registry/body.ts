import { SluiceError } from '../../errors.js';
import { type BodySink, lengthOf, type ReplyHead } from './http.js';

/** The largest error body that is read (R12). */
const ERROR_BODY_BYTES = 64 * 1024;

/** Where a cap comes from, for the message. */
export interface BodyCap {
  readonly option: string;
  readonly bytes: number;
}

/** A body being kept whole. */
export interface CollectedBody {
  readonly sink: BodySink;
  bytes(): Uint8Array;
}

/**
 * Keeps a body up to its cap (R98). A `Content-Length` above the cap is refused before the body.
 * @throws SluiceError TOO_LARGE, here or from the sink
 */
export function collectBody(head: ReplyHead, cap: BodyCap): CollectedBody {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const refuseAbove = (bytes: number): void => {
    if (bytes > cap.bytes) throw tooLarge(head, cap);
  };
  refuseAbove(lengthOf(head) ?? 0);
  return {
    sink: (chunk) => {
      length += chunk.length;
      refuseAbove(length);
      chunks.push(Buffer.from(chunk));
    },
    bytes: () => Buffer.concat(chunks, length),
  };
}

/** Keeps the first part of an error's body and ends the exchange when there is more. */
export function collectErrorBody(): CollectedBody {
  const chunks: Uint8Array[] = [];
  let room = ERROR_BODY_BYTES;
  return {
    sink: (chunk) => {
      const kept = chunk.subarray(0, room);
      room -= kept.length;
      chunks.push(Buffer.from(kept));
      return room === 0 ? 'enough' : undefined;
    },
    bytes: () => Buffer.concat(chunks),
  };
}

/** Lets a short body pass unread, which saves the connection, and ends a long one. */
export function discardBody(): BodySink {
  let room = ERROR_BODY_BYTES;
  return (chunk) => {
    room -= chunk.length;
    return room <= 0 ? 'enough' : undefined;
  };
}

/** What an error body says (R12): printable, no control characters. */
export interface ErrorBody {
  readonly code: string | null;
  readonly text: string;
}

/** @see OCI distribution-spec, "Error Codes" */
export function parseErrorBody(bytes: Uint8Array): ErrorBody {
  const text = Buffer.from(bytes).toString('utf8');
  const first = firstOf(fieldOf(parseJson(text), 'errors'));
  const [code, message] = [fieldOf(first, 'code'), fieldOf(first, 'message')];
  if (typeof code !== 'string' && typeof message !== 'string') return { code: null, text: printable(text) };
  return {
    code: typeof code === 'string' ? printable(code) : null,
    text: typeof message === 'string' ? printable(message) : '',
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;
}

function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : undefined;
}

/** The parsed value; undefined where the text is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The first 300 characters of text from outside, without those that steer a terminal. */
export function printable(text: string): string {
  return text
    .slice(0, 3000)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu, ' ')
    .replace(/ {2,}/g, ' ')
    .trim()
    .slice(0, 300);
}

function tooLarge(head: ReplyHead, cap: BodyCap): SluiceError {
  return new SluiceError('TOO_LARGE', {
    message: `reading ${head.url.host}${head.url.pathname}: more than ${cap.bytes} bytes (${cap.option})`,
    rule: 'registry R98',
    limit: { option: cap.option, value: cap.bytes },
  });
}
