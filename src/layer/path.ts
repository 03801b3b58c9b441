import { SluiceError } from '../errors.js';
import type { Span } from './tar/entry.js';

const SLASH = 0x2f;
const DOT = 0x2e;

/** Limits of a cleaned path (extraction X3), in bytes and components. */
export const MAX_COMPONENT_BYTES = 255;
export const MAX_PATH_BYTES = 4096;
export const MAX_COMPONENTS = 1024;

/**
 * Cleans a name by text (N2): splits at `/`, drops empty parts and `.`; a `..` removes the part before it and stops at
 * the root. The result has no leading or trailing slash; the root is empty.
 * @param target takes the result from `at` on; needs room for the whole name
 * @returns length of the result in bytes
 * @throws SluiceError NAME_REFUSED (X2, X3)
 */
export function cleanName(name: Span, target: Uint8Array, at: number): number {
  const { bytes, end } = name;
  let length = 0;
  let components = 0;
  let hasLongPart = false;
  for (let start = name.start; start < end;) {
    let stop = start;
    while (stop < end && bytes[stop] !== SLASH) {
      if (bytes[stop] === 0) throw refused('X2', 'it contains NUL');
      stop++;
    }
    const size = stop - start;
    if (size === 0 || (size === 1 && bytes[start] === DOT)) {
      // dropped
    } else if (size === 2 && bytes[start] === DOT && bytes[start + 1] === DOT) {
      while (length > 0 && target[at + --length] !== SLASH);
      if (components > 0) components--;
    } else {
      if (size > MAX_COMPONENT_BYTES) hasLongPart = true;
      if (length > 0) target[at + length++] = SLASH;
      for (let i = start; i < stop; i++) target[at + length++] = bytes[i]!;
      components++;
    }
    start = stop + 1;
  }
  if (hasLongPart && longestPart(target, at, at + length) > MAX_COMPONENT_BYTES) {
    throw refused('X3', `a part of it is longer than ${MAX_COMPONENT_BYTES} bytes`);
  }
  if (length > MAX_PATH_BYTES) throw refused('X3', `it is longer than ${MAX_PATH_BYTES} bytes`);
  if (components > MAX_COMPONENTS) throw refused('X3', `it has more than ${MAX_COMPONENTS} parts`);
  return length;
}

function longestPart(path: Uint8Array, start: number, end: number): number {
  let longest = 0;
  for (let at = end; at > start;) {
    const leaf = leafStart(path, start, at);
    longest = Math.max(longest, at - leaf);
    at = leaf - 1;
  }
  return longest;
}

function refused(rule: string, why: string): SluiceError {
  return new SluiceError('NAME_REFUSED', { message: `reading the name of an entry: ${why}`, rule });
}

/** Where the last component starts. */
export function leafStart(path: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && path[at - 1] !== SLASH) at--;
  return at;
}

/** Whether a span ends in a slash, as v7 writes directories. */
export function endsInSlash({ bytes, start, end }: Span): boolean {
  return end > start && bytes[end - 1] === SLASH;
}

/** A path as a key: names are bytes. */
export function keyOf(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString('latin1');
}

/** How errors and warnings name an entry: in a form to print, and byte for byte (N1). */
export function entryNamed(path: Uint8Array): { readonly entry: string; readonly entryBase64: string } {
  return { entry: printable(path), entryBase64: Buffer.from(path).toString('base64') };
}

/** A name for messages: UTF-8 where it is, everything unprintable as `\ooo`. */
export function printable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  // eslint-disable-next-line no-control-regex
  if (!text.includes('\ufffd') && !/[\u0000-\u001f\u007f-\u009f\\]/.test(text)) return text;
  let escaped = '';
  for (const byte of bytes) {
    escaped +=
      byte >= 0x20 && byte < 0x7f && byte !== 0x5c
        ? String.fromCharCode(byte)
        : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return escaped;
}
