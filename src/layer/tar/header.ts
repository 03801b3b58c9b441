import { malformed, readNumber, readOctal } from './numbers.js';
import { TYPE, type Entry, type Span } from './entry.js';

/** Every header and the start of every body is aligned to blocks of this size. */
export const BLOCK = 512;

const NAME = 0;
const MODE = 100;
const UID = 108;
const GID = 116;
const SIZE = 124;
const MTIME = 136;
const CHECKSUM = 148;
const TYPE_FLAG = 156;
const LINK = 157;
const MAGIC = 257;
const DEV_MAJOR = 329;
const DEV_MINOR = 337;
const PREFIX = 345;

export function isZeroBlock(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (bytes[i] !== 0) return false;
  return true;
}

/**
 * Accepts the unsigned sum of the header's bytes, and the signed one that old tars wrote.
 * @throws SluiceError TAR_MALFORMED (T1)
 */
export function verifyChecksum(bytes: Uint8Array, at: number): void {
  const expected = readOctal(bytes, at + CHECKSUM, at + CHECKSUM + 8);
  let unsigned = 8 * 0x20;
  for (let i = at; i < at + CHECKSUM; i++) unsigned += bytes[i]!;
  for (let i = at + CHECKSUM + 8; i < at + BLOCK; i++) unsigned += bytes[i]!;
  if (unsigned === expected) return;
  let signed = unsigned;
  for (let i = at; i < at + BLOCK; i++) {
    if (bytes[i]! >= 0x80 && (i < at + CHECKSUM || i >= at + CHECKSUM + 8)) signed -= 256;
  }
  if (signed !== expected) throw malformed('a header has a wrong checksum', 'T1');
}

/** The stored body's size. @throws SluiceError TAR_MALFORMED (T2) */
export function readSize(bytes: Uint8Array, at: number): number {
  const size = readNumber(bytes, at + SIZE, 12);
  if (size < 0 || size === Infinity) throw malformed('a header has an impossible size', 'T2');
  return size;
}

/**
 * Decodes one header block into the entry: everything but what PAX records and GNU long names override.
 * @param joined at least 256 bytes that take a ustar name with its prefix
 * @see POSIX pax, "ustar Interchange Format"
 */
export function readHeader(bytes: Uint8Array, at: number, entry: Entry, joined: Uint8Array): void {
  entry.type = bytes[at + TYPE_FLAG]!;
  entry.mode = readMode(bytes, at + MODE);
  entry.uid = readNumber(bytes, at + UID, 8);
  entry.gid = readNumber(bytes, at + GID, 8);
  entry.size = readSize(bytes, at);
  entry.mtime = readNumber(bytes, at + MTIME, 12);
  entry.mtimeNs = 0;
  const format = formatOf(bytes, at);
  // Go reads them of every entry but v7's, and refuses what is no number.
  const devMajor = format === 'v7' ? 0 : readNumber(bytes, at + DEV_MAJOR, 8);
  const devMinor = format === 'v7' ? 0 : readNumber(bytes, at + DEV_MINOR, 8);
  const isDevice = entry.type === TYPE.CHAR || entry.type === TYPE.BLOCK;
  entry.devMajor = isDevice ? devMajor : 0;
  entry.devMinor = isDevice ? devMinor : 0;
  setField(entry.link, bytes, at + LINK, 100);
  setField(entry.name, bytes, at + NAME, 100);
  if (format === 'ustar' || format === 'star')
    joinPrefix(entry.name, bytes, at + PREFIX, format === 'star' ? 131 : 155, joined);
}

/** The low 12 bits alone, which a base-256 number of any size has (M4). */
function readMode(bytes: Uint8Array, at: number): number {
  const isBase256 = (bytes[at]! & 0x80) !== 0;
  return (isBase256 ? (bytes[at + 6]! << 8) | bytes[at + 7]! : readNumber(bytes, at, 8)) & 0o7777;
}

type Format = 'v7' | 'gnu' | 'ustar' | 'star';

/** Which layout the fields behind the magic have; told as Go tells it. */
export function formatOf(bytes: Uint8Array, at: number): Format {
  const m = at + MAGIC;
  const isUstar =
    bytes[m] === 0x75 &&
    bytes[m + 1] === 0x73 &&
    bytes[m + 2] === 0x74 &&
    bytes[m + 3] === 0x61 &&
    bytes[m + 4] === 0x72;
  if (!isUstar) return 'v7';
  if (bytes[m + 5] === 0x20 && bytes[m + 6] === 0x20 && bytes[m + 7] === 0) return 'gnu';
  if (bytes[m + 5] !== 0) return 'v7';
  const isStar =
    bytes[at + 508] === 0x74 && bytes[at + 509] === 0x61 && bytes[at + 510] === 0x72 && bytes[at + 511] === 0;
  return isStar ? 'star' : 'ustar';
}

function setField(span: Span, bytes: Uint8Array, start: number, length: number): void {
  span.bytes = bytes;
  span.start = start;
  span.end = fieldEnd(bytes, start, length);
}

function fieldEnd(bytes: Uint8Array, start: number, length: number): number {
  let end = start;
  while (end < start + length && bytes[end] !== 0) end++;
  return end;
}

function joinPrefix(name: Span, bytes: Uint8Array, start: number, length: number, joined: Uint8Array): void {
  if (bytes[start] === 0) return;
  let at = 0;
  const end = fieldEnd(bytes, start, length);
  for (let i = start; i < end; i++) joined[at++] = bytes[i]!;
  joined[at++] = 0x2f;
  for (let i = name.start; i < name.end; i++) joined[at++] = bytes[i]!;
  name.bytes = joined;
  name.start = 0;
  name.end = at;
}
