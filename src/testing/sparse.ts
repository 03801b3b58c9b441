import { padding, type Bytes } from './tar.js';

/** How a sparse file is written: GNU's old form (type `S`), or the three generations of PAX records. */
export type SparseForm = 'gnu' | '0.0' | '0.1' | '1.0';

/** Stored bytes and the place in the file where they belong. */
export interface SparseSegment {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** One row of a sparse map, in bytes. */
export interface SparseRow {
  readonly offset: number;
  readonly length: number;
}

/** What a sparse form adds to an ordinary entry. */
export interface SparseEncoding {
  readonly typeFlag: 'S' | '0';
  /** PAX records, in order. */
  readonly records: readonly (readonly [Bytes, Bytes])[];
  /** Parts of the header block that only the old form uses. */
  readonly patches: readonly { readonly offset: number; readonly bytes: Buffer }[];
  /** Between header and body, not counted in the size. */
  readonly extension: Buffer;
  /** Put before the stored bytes, counted in the size. */
  readonly mapBody: Buffer;
  /** Whether the real name stands in `GNU.sparse.name` and a made-up one in the header. */
  readonly isNameInRecord: boolean;
}

/**
 * Encodes a sparse map; nothing is checked, so that overlapping, unordered or lying maps can be written.
 * @see GNU tar manual, "Storing Sparse Files"
 */
export function encodeSparse(
  form: SparseForm,
  name: Bytes,
  rows: readonly SparseRow[],
  realBytes: number,
): SparseEncoding {
  const plain = { typeFlag: '0', patches: [], extension: Buffer.alloc(0), mapBody: Buffer.alloc(0) } as const;
  const flat = rows.flatMap((row) => [row.offset, row.length]);
  switch (form) {
    case 'gnu':
      return { ...plain, typeFlag: 'S', records: [], ...encodeOldMap(rows, realBytes), isNameInRecord: false };
    case '0.0':
      return {
        ...plain,
        records: [
          ['GNU.sparse.size', String(realBytes)],
          ['GNU.sparse.numblocks', String(rows.length)],
          ...rows.flatMap((row): [string, string][] => [
            ['GNU.sparse.offset', String(row.offset)],
            ['GNU.sparse.numbytes', String(row.length)],
          ]),
        ],
        isNameInRecord: false,
      };
    case '0.1':
      return {
        ...plain,
        records: [
          ['GNU.sparse.name', name],
          ['GNU.sparse.size', String(realBytes)],
          ['GNU.sparse.numblocks', String(rows.length)],
          ['GNU.sparse.map', flat.join(',')],
        ],
        isNameInRecord: true,
      };
    case '1.0': {
      const map = Buffer.from([rows.length, ...flat].map((number) => `${number}\n`).join(''));
      return {
        ...plain,
        records: [
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.name', name],
          ['GNU.sparse.realsize', String(realBytes)],
        ],
        mapBody: Buffer.concat([map, padding(map.length)]),
        isNameInRecord: true,
      };
    }
    default:
      return form satisfies never;
  }
}

const ROWS_IN_HEADER = 4;
const ROWS_IN_EXTENSION = 21;

function encodeOldMap(rows: readonly SparseRow[], realBytes: number): Pick<SparseEncoding, 'patches' | 'extension'> {
  const extensions: Buffer[] = [];
  for (let at = ROWS_IN_HEADER; at < rows.length; at += ROWS_IN_EXTENSION) {
    const block = Buffer.alloc(512);
    encodeRows(rows.slice(at, at + ROWS_IN_EXTENSION)).copy(block);
    block[504] = at + ROWS_IN_EXTENSION < rows.length ? 1 : 0;
    extensions.push(block);
  }
  return {
    patches: [
      { offset: 386, bytes: encodeRows(rows.slice(0, ROWS_IN_HEADER)) },
      { offset: 482, bytes: Buffer.from([extensions.length > 0 ? 1 : 0]) },
      { offset: 483, bytes: octal12(realBytes) },
    ],
    extension: Buffer.concat(extensions),
  };
}

function encodeRows(rows: readonly SparseRow[]): Buffer {
  return Buffer.concat(rows.flatMap((row) => [octal12(row.offset), octal12(row.length)]));
}

/** Twelve bytes: octal digits and a NUL, or base-256 below zero and from 8 GiB on. */
function octal12(value: number): Buffer {
  if (value >= 0 && value < 8 ** 11) return Buffer.from(`${value.toString(8).padStart(11, '0')}\0`, 'latin1');
  const bytes = Buffer.alloc(12, value < 0 ? 0xff : 0);
  bytes.writeBigInt64BE(BigInt(value), 4);
  bytes[0] = value < 0 ? 0xff : 0x80;
  return bytes;
}
