import { BLOCK } from './header.js';
import { malformed, readNumber } from './numbers.js';
import type { SparseMap } from './entry.js';
import type { PaxRecords } from './pax.js';

type Segment = SparseMap[number];

/** The form of a PAX sparse file, when its records make it one. */
export type PaxSparse =
  | { readonly kind: 'mapped'; readonly map: SparseMap; readonly realSize: number }
  /** 1.0: the map stands at the start of the body. */
  | { readonly kind: 'in-body'; readonly realSize: number };

/** @throws SluiceError TAR_MALFORMED (T10) @see GNU tar manual, "Storing Sparse Files" */
export function readPaxSparse(records: PaxRecords): PaxSparse | null {
  const { sparse, sparsePairs } = records;
  if (sparse.size === 0 && sparsePairs.length === 0) return null;
  const major = sparse.get('major');
  const minor = sparse.get('minor');
  if (major === undefined && minor === undefined) {
    const text = sparse.get('map');
    if (text === undefined && sparsePairs.length === 0) {
      if (sparse.has('size') || sparse.has('numblocks')) {
        return { kind: 'mapped', map: [], realSize: numberOf(sparse.get('size')) };
      }
      return null;
    }
    const numbers = text === undefined ? sparsePairs : text.split(',').map(numberOf);
    if (numbers.length / 2 !== numberOf(sparse.get('numblocks')))
      throw malformed('a sparse map has a wrong count', 'T10');
    return { kind: 'mapped', map: pairUp(numbers), realSize: numberOf(sparse.get('size')) };
  }
  if (major === '1' && minor === '0') return { kind: 'in-body', realSize: numberOf(sparse.get('realsize')) };
  throw malformed(`sparse format ${major}.${minor} is not known`, 'T10');
}

/** The name of a PAX sparse file; the header's own name is a stand-in. */
export function sparseName(records: PaxRecords): Uint8Array | undefined {
  const name = records.sparse.get('name');
  if (name === undefined) return undefined;
  if (name.includes('\0')) throw malformed('a name in a PAX record contains NUL', 'T5');
  return Buffer.from(name, 'latin1');
}

/**
 * Collects the map of a GNU sparse header (type `S`) and its extension blocks.
 * @see GNU tar manual, "Old GNU Format"
 */
export function readOldGnuMap(
  bytes: Uint8Array,
  at: number,
  segments: Segment[],
  where: 'header' | 'extension',
): boolean {
  const [start, count, extended] = where === 'header' ? [386, 4, 482] : [0, 21, 504];
  for (let i = 0; i < count; i++) {
    const slot = at + start + i * 24;
    if (bytes[slot] === 0) break;
    segments.push({ offset: readNumber(bytes, slot, 12), length: readNumber(bytes, slot + 12, 12) });
  }
  return bytes[at + extended] !== 0;
}

export function oldGnuRealSize(bytes: Uint8Array, at: number): number {
  return readNumber(bytes, at + 483, 12);
}

/**
 * Parses the map that starts the body of a PAX 1.0 sparse file: decimal numbers, one a line, padded to whole blocks.
 * @returns null while more blocks are needed
 */
export function parseBodyMap(text: Uint8Array): SparseMap | null {
  const numbers: number[] = [];
  let value = 0;
  let digits = 0;
  for (const byte of text) {
    if (byte === 0x0a) {
      if (digits === 0) throw malformed('a sparse map has an empty line', 'T10');
      numbers.push(value);
      if (numbers.length === 1 + numbers[0]! * 2) return pairUp(numbers.slice(1));
      value = 0;
      digits = 0;
    } else {
      const digit = byte - 0x30;
      if (digit < 0 || digit > 9 || ++digits > 16) throw malformed('a sparse map is not decimal', 'T10');
      value = value * 10 + digit;
    }
  }
  return null;
}

/** Bytes of the blocks that a map in the body takes. */
export function paddedLength(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK;
}

/**
 * In order, no overlap, within the real size, stored bytes used up exactly.
 * @throws SluiceError TAR_MALFORMED (T10)
 */
export function checkMap(map: SparseMap, realSize: number, storedBytes: number): SparseMap {
  let end = 0;
  let stored = 0;
  for (const { offset, length } of map) {
    if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || length < 0 || offset < end) {
      throw malformed('a sparse map is out of order', 'T10');
    }
    end = offset + length;
    stored += length;
  }
  if (!(realSize >= end) || !Number.isSafeInteger(realSize))
    throw malformed('a sparse map goes beyond its file', 'T10');
  if (stored !== storedBytes) throw malformed('a sparse map does not fit the stored bytes', 'T10');
  return map.filter(({ length }) => length > 0);
}

function pairUp(numbers: readonly number[]): Segment[] {
  if (numbers.length % 2 !== 0) throw malformed('a sparse map has an odd count', 'T10');
  const segments: Segment[] = [];
  for (let i = 0; i < numbers.length; i += 2) segments.push({ offset: numbers[i]!, length: numbers[i + 1]! });
  return segments;
}

function numberOf(text: string | undefined): number {
  if (text === undefined || !/^\d{1,16}$/.test(text)) throw malformed('a sparse record is no number', 'T10');
  return Number(text);
}
