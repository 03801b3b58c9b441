import { malformed, readDecimal, readTime } from './numbers.js';
import type { Xattr } from './entry.js';

/** What the records of one PAX header override; undefined means: the ustar field counts. */
export interface PaxRecords {
  path: Uint8Array | undefined;
  linkpath: Uint8Array | undefined;
  size: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  mtime: { readonly seconds: number; readonly nanoseconds: number } | undefined;
  readonly schilyXattrs: Map<string, Xattr>;
  readonly libarchiveXattrs: Map<string, Xattr>;
  /** GNU.sparse.* by what follows that prefix. */
  readonly sparse: Map<string, string>;
  /** PAX 0.0: GNU.sparse.offset and .numbytes alternate. */
  readonly sparsePairs: number[];
  /** `SUN.holesdata`, a form of sparse file that is not read (T10). */
  hasSolarisHoles: boolean;
  /** Whether there is anything but `comment` (T8). */
  isMeaningful: boolean;
}

const SCHILY = 'SCHILY.xattr.';
/** ACLs as text, of star: known to the sidecar by this name (M15). */
const SCHILY_ACL = 'SCHILY.acl.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';
const SPARSE = 'GNU.sparse.';

/**
 * Parses the records of a PAX extended header.
 * @param bytes the header's body; not kept, but for what subarrays of it end in the result
 * @throws SluiceError TAR_MALFORMED (T5), NAME_REFUSED (X2)
 * @see POSIX pax, "pax Extended Header"
 */
export function parsePax(bytes: Uint8Array): PaxRecords {
  const records: PaxRecords = {
    path: undefined,
    linkpath: undefined,
    size: undefined,
    uid: undefined,
    gid: undefined,
    mtime: undefined,
    schilyXattrs: new Map(),
    libarchiveXattrs: new Map(),
    sparse: new Map(),
    sparsePairs: [],
    hasSolarisHoles: false,
    isMeaningful: false,
  };
  let at = 0;
  while (at < bytes.length) {
    const { keyStart, equals, end, next } = frameRecord(bytes, at);
    applyRecord(records, bytes, keyStart, equals, end);
    at = next;
  }
  return records;
}

function frameRecord(bytes: Uint8Array, at: number): { keyStart: number; equals: number; end: number; next: number } {
  let length = 0;
  let i = at;
  for (; i < bytes.length && i < at + 10 && bytes[i] !== 0x20; i++) {
    const digit = bytes[i]! - 0x30;
    if (digit < 0 || digit > 9) throw malformed('a PAX record has no proper length', 'T5');
    length = length * 10 + digit;
  }
  const next = at + length;
  if (i === at || bytes[i] !== 0x20 || next > bytes.length || next <= i + 1) {
    throw malformed('a PAX record has a wrong length', 'T5');
  }
  if (bytes[next - 1] !== 0x0a) throw malformed('a PAX record does not end in a newline', 'T5');
  const keyStart = i + 1;
  let equals = keyStart;
  while (equals < next - 1 && bytes[equals] !== 0x3d) equals++;
  if (equals === next - 1) throw malformed('a PAX record has no "="', 'T5');
  if (equals === keyStart) throw malformed('a PAX record has an empty key', 'T5');
  return { keyStart, equals, end: next - 1, next };
}

function applyRecord(records: PaxRecords, bytes: Uint8Array, keyStart: number, equals: number, end: number): void {
  const key = latin1(bytes, keyStart, equals);
  const start = equals + 1;
  const isDeleted = start === end;
  if (key !== 'comment') records.isMeaningful = true;
  switch (key) {
    case 'path':
      records.path = isDeleted ? undefined : nameBytes(bytes, start, end);
      return;
    case 'linkpath':
      records.linkpath = isDeleted ? undefined : nameBytes(bytes, start, end);
      return;
    case 'size':
      records.size = isDeleted ? undefined : readDecimal(bytes, start, end, 'T2');
      return;
    case 'uid':
      records.uid = isDeleted ? undefined : readDecimal(bytes, start, end, 'M7');
      return;
    case 'gid':
      records.gid = isDeleted ? undefined : readDecimal(bytes, start, end, 'M7');
      return;
    case 'mtime':
      records.mtime = isDeleted ? undefined : readTime(bytes, start, end);
      return;
    case 'SUN.holesdata':
      records.hasSolarisHoles = !isDeleted;
      return;
    case 'GNU.sparse.offset':
    case 'GNU.sparse.numbytes':
      records.sparsePairs.push(readDecimal(bytes, start, end, 'T10'));
      if ((records.sparsePairs.length % 2 === 1) !== (key === 'GNU.sparse.offset')) {
        throw malformed('sparse offsets and lengths do not alternate', 'T10');
      }
      return;
    default:
      if (key.startsWith(SCHILY)) {
        setXattr(
          records.schilyXattrs,
          bytes.slice(keyStart + SCHILY.length, equals),
          isDeleted ? null : bytes.slice(start, end),
        );
      } else if (key.startsWith(SCHILY_ACL)) {
        setXattr(records.schilyXattrs, bytes.slice(keyStart, equals), isDeleted ? null : bytes.slice(start, end));
      } else if (key.startsWith(LIBARCHIVE)) {
        const name = percentDecode(bytes.subarray(keyStart + LIBARCHIVE.length, equals));
        setXattr(records.libarchiveXattrs, name, isDeleted ? null : Buffer.from(latin1(bytes, start, end), 'base64'));
      } else if (key.startsWith(SPARSE)) {
        if (isDeleted) records.sparse.delete(key.slice(SPARSE.length));
        else records.sparse.set(key.slice(SPARSE.length), latin1(bytes, start, end));
      }
  }
}

/** All attributes of the header; of two forms of one name SCHILY's wins (M11). */
export function mergeXattrs(records: PaxRecords): readonly Xattr[] {
  if (records.schilyXattrs.size === 0 && records.libarchiveXattrs.size === 0) return NO_XATTRS;
  return [...new Map([...records.libarchiveXattrs, ...records.schilyXattrs]).values()];
}

export const NO_XATTRS: readonly Xattr[] = [];

function setXattr(xattrs: Map<string, Xattr>, name: Uint8Array, value: Uint8Array | null): void {
  if (name.length === 0) throw malformed('a PAX record names an attribute without a name', 'T5');
  if (name.includes(0)) throw malformed('a PAX key contains NUL', 'T5');
  const key = latin1(name, 0, name.length);
  if (value === null) xattrs.delete(key);
  else xattrs.set(key, { name, value });
}

function nameBytes(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const name = bytes.slice(start, end);
  if (name.includes(0)) throw malformed('a name in a PAX record contains NUL', 'T5');
  return name;
}

function percentDecode(bytes: Uint8Array): Uint8Array {
  const text = latin1(bytes, 0, bytes.length).replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return Buffer.from(text, 'latin1');
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
