/** Text as UTF-8, or the bytes themselves. */
export type Bytes = string | Uint8Array;

/** Layouts of a tar header. `pax` is a ustar header with an extended header before it where something does not fit. */
export type TarFormat = 'v7' | 'ustar' | 'gnu' | 'star' | 'pax';

/** Size of a tar block, in bytes. */
export const BLOCK_BYTES = 512;

/** One header block, field by field; what is left out is zero or empty. */
export interface TarHeader {
  /** At most 100 bytes; not split into a prefix. */
  readonly name: Bytes;
  readonly mode?: number;
  readonly uid?: number | bigint;
  readonly gid?: number | bigint;
  /** The size field; says nothing about what follows the header. */
  readonly sizeBytes?: number | bigint;
  /** Whole seconds since 1970. */
  readonly mtime?: number | bigint;
  /** One character, or the byte's value; `'0'` when left out. */
  readonly typeFlag?: string | number;
  /** At most 100 bytes. */
  readonly linkName?: Bytes;
  /** At most 32 bytes. */
  readonly userName?: Bytes;
  /** At most 32 bytes. */
  readonly groupName?: Bytes;
  readonly major?: number | bigint;
  readonly minor?: number | bigint;
  /** At most 155 bytes, 131 for `star`. */
  readonly prefix?: Bytes;
  /** Decides the magic and the fields behind it; `ustar` when left out. */
  readonly format?: Exclude<TarFormat, 'pax'>;
  /** Every number in base-256; `gnu` and `star` use it by themselves for numbers that octal digits cannot hold. */
  readonly isBase256?: boolean;
  /** Another checksum than the right one; `'signed'` is the sum over signed bytes that some old writers made. */
  readonly checksum?: number | 'signed';
  /** Bytes put over the finished header, before its checksum is computed. */
  readonly patches?: readonly { readonly offset: number; readonly bytes: Bytes }[];
}

/** PAX records in order; a list of pairs can repeat a key. */
export type PaxRecords = Readonly<Record<string, Bytes>> | readonly (readonly [Bytes, Bytes])[];

/** The bytes of text or bytes; always a copy-free view. */
export function toBytes(value: Bytes): Buffer {
  return typeof value === 'string'
    ? Buffer.from(value, 'utf8')
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** Zero bytes that fill `length` up to a whole block. */
export function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES);
}

/**
 * Writes one header block.
 * @returns 512 bytes
 * @throws RangeError when a value does not fit its field in this format
 * @see POSIX pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format"
 */
export function encodeHeader(header: TarHeader): Buffer {
  const format = header.format ?? 'ustar';
  const block = Buffer.alloc(BLOCK_BYTES);
  const isWide = format === 'gnu' || format === 'star';
  const putNumber = (offset: number, width: number, value: number | bigint): void => {
    if (header.isBase256 === true || (isWide && !fitsOctal(value, width))) putBase256(block, offset, width, value);
    else putOctal(block, offset, width, value);
  };
  putText(block, 0, 100, header.name);
  putNumber(100, 8, header.mode ?? 0);
  putNumber(108, 8, header.uid ?? 0);
  putNumber(116, 8, header.gid ?? 0);
  putNumber(124, 12, header.sizeBytes ?? 0);
  putNumber(136, 12, header.mtime ?? 0);
  const typeFlag = header.typeFlag ?? '0';
  block[156] = typeof typeFlag === 'number' ? typeFlag : typeFlag.charCodeAt(0);
  putText(block, 157, 100, header.linkName ?? '');
  if (format !== 'v7') {
    block.write(format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
    putText(block, 265, 32, header.userName ?? '');
    putText(block, 297, 32, header.groupName ?? '');
    putNumber(329, 8, header.major ?? 0);
    putNumber(337, 8, header.minor ?? 0);
  }
  if (format === 'ustar') putText(block, 345, 155, header.prefix ?? '');
  if (format === 'star') {
    putText(block, 345, 131, header.prefix ?? '');
    putNumber(476, 12, header.mtime ?? 0);
    putNumber(488, 12, header.mtime ?? 0);
    block.write('tar\0', 508, 'latin1');
  }
  for (const patch of header.patches ?? []) toBytes(patch.bytes).copy(block, patch.offset);
  putChecksum(block, header.checksum);
  return block;
}

/** Whether a field of `width` bytes holds the value as octal digits and a NUL. */
export function fitsOctal(value: number | bigint, width: number): boolean {
  return value >= 0 && BigInt(value) < 1n << BigInt(3 * (width - 1));
}

/**
 * One record of a PAX extended header, `LENGTH KEY=VALUE\n`.
 * @param lengthText written in place of the right length
 * @see POSIX pax, "pax Extended Header"
 */
export function paxRecord(key: Bytes, value: Bytes, lengthText?: string): Buffer {
  const tail = Buffer.concat([Buffer.from(' '), toBytes(key), Buffer.from('='), toBytes(value), Buffer.from('\n')]);
  let length = tail.length + 1;
  while (String(length).length + tail.length > length) length++;
  return Buffer.concat([Buffer.from(lengthText ?? String(length)), tail]);
}

/** The body of a PAX extended header. */
export function encodePaxRecords(records: PaxRecords): Buffer {
  return Buffer.concat(paxPairs(records).map(([key, value]) => paxRecord(key, value)));
}

/** The records as pairs, in order. */
export function paxPairs(records: PaxRecords): readonly (readonly [Bytes, Bytes])[] {
  return isPairs(records) ? records : Object.entries(records);
}

function isPairs(records: PaxRecords): records is readonly (readonly [Bytes, Bytes])[] {
  return Array.isArray(records);
}

function putText(block: Buffer, offset: number, width: number, value: Bytes): void {
  const bytes = toBytes(value);
  if (bytes.length > width) throw new RangeError(`${bytes.length} bytes do not fit a header field of ${width}`);
  bytes.copy(block, offset);
}

function putOctal(block: Buffer, offset: number, width: number, value: number | bigint): void {
  if (!fitsOctal(value, width)) throw new RangeError(`${value} does not fit ${width - 1} octal digits`);
  block.write(value.toString(8).padStart(width - 1, '0'), offset, 'latin1');
}

function putBase256(block: Buffer, offset: number, width: number, value: number | bigint): void {
  let rest = BigInt(value);
  for (let at = offset + width - 1; at >= offset; at--) {
    block[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[offset] = value < 0 ? 0xff : block[offset]! | 0x80;
}

function putChecksum(block: Buffer, checksum: TarHeader['checksum']): void {
  block.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of block) sum += checksum === 'signed' && byte > 127 ? byte - 256 : byte;
  const shown = typeof checksum === 'number' ? checksum : sum;
  block.write(`${shown.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
