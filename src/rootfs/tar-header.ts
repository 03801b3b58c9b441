import { SluiceError } from '../errors.js';
import { printable } from '../layer/path.js';
import type { SidecarEntry } from '../oci/sidecar.js';

export const BLOCK_BYTES = 512;

const TYPE_FLAGS: Readonly<Record<SidecarEntry['type'], string | null>> = {
  file: '0',
  link: '2',
  char: '3',
  block: '4',
  dir: '5',
  fifo: '6',
  socket: null,
};
const HARD_LINK = '1';
const PAX = 'x';

/** Places and lengths of the fields of a ustar header. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  devMajor: [329, 8],
  devMinor: [337, 8],
} as const;

/**
 * The blocks in front of an entry's content: its header, and a PAX header before it for what ustar has no room for.
 * Names and values are bytes throughout, which is why no library writes them.
 * @returns a multiple of 512 bytes
 * @throws SluiceError ENTRY_TYPE_UNSUPPORTED for a socket
 * @see POSIX pax, "ustar Interchange Format"
 */
export function encodeEntry(entry: SidecarEntry): Buffer {
  const records: Buffer[] = [];
  const header = Buffer.alloc(BLOCK_BYTES);
  const isHardLink = entry.hardLink !== null;
  putText(header, 'name', nameOf(entry), 'path', records);
  putText(header, 'link', entry.hardLink ?? entry.link, 'linkpath', records);
  putNumber(header, 'mode', entry.mode, null, records);
  putNumber(header, 'uid', entry.uid, 'uid', records);
  putNumber(header, 'gid', entry.gid, 'gid', records);
  putNumber(header, 'size', isHardLink ? 0 : entry.size, 'size', records);
  putTime(header, entry, records);
  putNumber(header, 'devMajor', entry.devMajor, null, records);
  putNumber(header, 'devMinor', entry.devMinor, null, records);
  if (!isHardLink) for (const { name, value } of entry.xattrs) records.push(xattrRecord(name, value));
  finish(header, isHardLink ? HARD_LINK : typeFlagOf(entry));
  return records.length === 0 ? header : Buffer.concat([encodePax(Buffer.concat(records)), header]);
}

/** What follows a content, and the archive. */
export function paddingOf(length: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (length % BLOCK_BYTES)) % BLOCK_BYTES);
}

function nameOf({ path, type, hardLink }: SidecarEntry): Buffer {
  if (path.length === 0) return Buffer.from('./');
  return type === 'dir' && !hardLink ? Buffer.concat([path, Buffer.from('/')]) : path;
}

function typeFlagOf({ type, path }: SidecarEntry): string {
  const flag = TYPE_FLAGS[type];
  if (flag !== null) return flag;
  throw new SluiceError('ENTRY_TYPE_UNSUPPORTED', {
    message: `packing "${printable(path)}": tar has no word for a ${type}`,
    entry: printable(path),
  });
}

function putText(header: Buffer, field: 'name' | 'link', bytes: Buffer, key: string, records: Buffer[]): void {
  const [at, length] = FIELD[field];
  if (bytes.length > length) records.push(paxRecord(key, bytes));
  bytes.copy(header, at, 0, length);
}

/** @param key PAX word for a number with too many digits; null where that can't be */
function putNumber(
  header: Buffer,
  field: keyof typeof FIELD,
  value: number,
  key: string | null,
  records: Buffer[],
): void {
  const [at, length] = FIELD[field];
  const digits = length - 1;
  const fits = value >= 0 && value < 8 ** digits;
  if (!fits && key !== null) records.push(paxRecord(key, Buffer.from(String(value))));
  header.write((fits ? value : 0).toString(8).padStart(digits, '0'), at, 'latin1');
}

/** `mtime` is floored, so that −2 and 500 000 000 ns is −1.5. */
function putTime(header: Buffer, { mtime, mtimeNs }: SidecarEntry, records: Buffer[]): void {
  const limit = 8 ** (FIELD.mtime[1] - 1);
  const isPlain = mtimeNs === 0 && mtime >= 0 && mtime < limit;
  if (!isPlain) records.push(paxRecord('mtime', Buffer.from(decimalTime(mtime, mtimeNs))));
  putNumber(header, 'mtime', mtime >= 0 && mtime < limit ? mtime : 0, null, records);
}

function decimalTime(seconds: number, nanoseconds: number): string {
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const digits = String(total < 0n ? -total : total).padStart(10, '0');
  const fraction = digits.slice(-9).replace(/0+$/, '');
  return `${total < 0n ? '-' : ''}${digits.slice(0, -9)}${fraction && `.${fraction}`}`;
}

/** A key ends at the first `=`; a name that has one takes the other spelling (M11). */
function xattrRecord(name: Buffer, value: Buffer): Buffer {
  if (!name.includes('=')) return paxRecord(Buffer.concat([Buffer.from('SCHILY.xattr.'), name]), value);
  const encoded = name.toString('latin1').replace(/[^A-Za-z0-9._-]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return paxRecord(`LIBARCHIVE.xattr.${encoded}`, Buffer.from(value.toString('base64')));
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string | Buffer, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(' '), Buffer.from(key), Buffer.from('='), value, Buffer.from('\n')]);
  let length = rest.length + String(rest.length).length;
  if (rest.length + String(length).length !== length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function encodePax(records: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write('PaxHeader', 'latin1');
  for (const [field, value] of [
    ['mode', 0o644],
    ['uid', 0],
    ['gid', 0],
    ['size', records.length],
    ['mtime', 0],
  ] as const)
    putNumber(header, field, value, null, []);
  finish(header, PAX);
  return Buffer.concat([header, records, paddingOf(records.length)]);
}

function finish(header: Buffer, typeFlag: string): void {
  header.write(typeFlag, FIELD.type[0], 'latin1');
  header.write('ustar\x0000', FIELD.magic[0], 'latin1');
  header.fill(' ', FIELD.checksum[0], FIELD.checksum[0] + FIELD.checksum[1]);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, FIELD.checksum[0], 'latin1');
}
