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
  const { sparse, sparsePairs, hasSolarisHoles } = records;
  if (hasSolarisHoles) throw malformed("a sparse file of Solaris' form", 'T10');
  if (sparse.size === 0 && sparsePairs.length === 0) return null;
  const version = `${sparse.get('major') ?? ''}.${sparse.get('minor') ?? ''}`;
  switch (version) {
    case '1.0':
      return { kind: 'in-body', realSize: realSizeOf(sparse) };
    case '.':
      return isMapped(records) ? readMapOfRecords(records) : null;
    case '0.0':
    case '0.1':
      return readMapOfRecords(records);
    default:
      throw malformed(`sparse format ${version} is not known`, 'T10');
  }
}

/** Go takes a file without a map and without a version as it is stored, so a size of its own must not differ. */
function isMapped({ sparse, sparsePairs }: PaxRecords): boolean {
  if (sparse.has('map') || sparsePairs.length > 0) return true;
  if (sparse.has('size') && numberOf(sparse.get('size')) !== 0) throw malformed('a sparse file has no map', 'T10');
  return sparse.has('size');
}

function readMapOfRecords({ sparse, sparsePairs }: PaxRecords): PaxSparse {
  const text = sparse.get('map');
  if (text !== undefined && sparsePairs.length > 0) throw malformed('a sparse file has two maps', 'T10');
  const numbers = text === undefined ? sparsePairs : text.split(',').map(numberOf);
  if (numbers.length / 2 !== numberOf(sparse.get('numblocks')))
    throw malformed('a sparse map has a wrong count', 'T10');
  return { kind: 'mapped', map: pairUp(numbers), realSize: realSizeOf(sparse) };
}

/** Either record may give it, the first before the second, as Go takes them. */
function realSizeOf(sparse: PaxRecords['sparse']): number {
  return numberOf(sparse.get('size') ?? sparse.get('realsize'));
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

/** Parses the map that starts the body of a PAX 1.0 sparse file: decimal numbers, one a line, padded to whole blocks. */
export interface BodyMapParser {
  /** @param block the next block of the body @returns the map once it is complete, null while more blocks are needed */
  push(block: Uint8Array): SparseMap | null;
}

export function createBodyMapParser(): BodyMapParser {
  const numbers: number[] = [];
  let value = 0;
  let digits = 0;
  return {
    push(block) {
      for (const byte of block) {
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
    },
  };
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
