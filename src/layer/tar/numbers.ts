import { SluiceError } from '../../errors.js';

const SPACE = 0x20;
const ZERO = 0x30;
const SEVEN = 0x37;
const NINE = 0x39;

export function malformed(what: string, rule: string): SluiceError {
  return new SluiceError('TAR_MALFORMED', { message: `reading the tar: ${what}`, rule });
}

/**
 * Reads a numeric header field: octal with spaces and NULs around it, or base-256 when its first bit is set.
 * @returns an integer, negative for base-256 alone; beyond ±2^53 it is ±Infinity, so that a range check refuses it
 * @throws SluiceError TAR_MALFORMED (T1)
 * @see POSIX pax, "ustar Interchange Format"; GNU tar manual, "Extensions"
 */
export function readNumber(block: Uint8Array, start: number, length: number): number {
  const first = block[start]!;
  return (first & 0x80) === 0 ? readOctal(block, start, start + length) : readBase256(block, start, start + length);
}

/**
 * Reads an octal header field as Go does: blanks and NULs around it are cut, and what follows a NUL does not count.
 * @throws SluiceError TAR_MALFORMED (T1)
 */
export function readOctal(block: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  let value = 0;
  while (at < end && block[at]! >= ZERO && block[at]! <= SEVEN) value = value * 8 + block[at++]! - ZERO;
  if (at === end || block[at] === 0) return value;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  if (at < end) throw malformed('a number in a header is not octal', 'T1');
  return value;
}

function readBase256(block: Uint8Array, start: number, end: number): number {
  const first = block[start]!;
  const isNegative = (first & 0x40) !== 0;
  let value = isNegative ? first - 256 : first & 0x7f;
  for (let at = start + 1; at < end; at++) value = value * 256 + block[at]!;
  return Number.isSafeInteger(value) ? value : value < 0 ? -Infinity : Infinity;
}

/**
 * Reads a decimal integer of a PAX record; a sign is allowed.
 * @returns an integer, or ±Infinity beyond ±2^53
 */
export function readDecimal(bytes: Uint8Array, start: number, end: number, rule: string): number {
  let at = start;
  const isNegative = bytes[at] === 0x2d;
  if (isNegative || bytes[at] === 0x2b) at++;
  if (at === end) throw malformed('a number in a PAX record is empty', rule);
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) throw malformed('a number in a PAX record is not decimal', rule);
    value = value * 10 + digit;
  }
  if (!Number.isSafeInteger(value)) value = Infinity;
  return isNegative ? -value : value;
}

/** Seconds with a fraction, as PAX writes times; more than nine digits of fraction are cut (M18). */
export function readTime(bytes: Uint8Array, start: number, end: number): { seconds: number; nanoseconds: number } {
  const dot = bytes.subarray(start, end).indexOf(0x2e);
  const point = dot < 0 ? end : start + dot;
  const isNegative = bytes[start] === 0x2d;
  const signed = isNegative || bytes[start] === 0x2b;
  const hasWhole = point > (signed ? start + 1 : start);
  if (!hasWhole && point + 1 >= end) throw malformed('a time in a PAX record is no number', 'M18');
  let seconds = hasWhole ? Math.abs(readDecimal(bytes, start, point, 'M18')) : 0;
  let nanoseconds = 0;
  for (let at = point + 1, unit = 100_000_000; at < end; at++, unit /= 10) {
    const digit = bytes[at]!;
    if (digit < ZERO || digit > NINE) throw malformed('a time in a PAX record is no number', 'M18');
    if (unit >= 1) nanoseconds += (digit - ZERO) * unit;
  }
  if (isNegative) {
    seconds = -seconds;
    if (nanoseconds > 0) {
      seconds -= 1;
      nanoseconds = 1_000_000_000 - nanoseconds;
    }
  }
  return { seconds: seconds === 0 ? 0 : seconds, nanoseconds };
}
