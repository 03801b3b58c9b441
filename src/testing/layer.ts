import { encodeSparse, type SparseForm, type SparseRow, type SparseSegment } from './sparse.js';
import {
  BLOCK_BYTES,
  encodeHeader,
  encodePaxRecords,
  fitsOctal,
  padding,
  paxPairs,
  toBytes,
  type Bytes,
  type PaxRecords,
  type TarFormat,
  type TarHeader,
} from './tar.js';

/** What can be said about any entry; what a format cannot hold is refused with a RangeError. */
export interface EntryOptions {
  /** Permission bits; 0o755 for directories, 0o644 for the rest. */
  readonly mode?: number;
  readonly uid?: number | bigint;
  readonly gid?: number | bigint;
  readonly userName?: string;
  readonly groupName?: string;
  /** Seconds since 1970, fractions and negative ones too; decimal text keeps nanoseconds exact. 0 when left out. */
  readonly mtime?: number | string;
  /** Written as `SCHILY.xattr.KEY`, in the order given. */
  readonly xattrs?: Readonly<Record<string, Bytes>>;
  /** `pax` when left out. */
  readonly format?: TarFormat;
  /** The size field, whatever the body is; PAX or base-256 where octal digits do not do. */
  readonly size?: number | bigint;
  /** Another type flag than the builder's. */
  readonly typeFlag?: string | number;
  /** Body bytes, also for entries that should have none. */
  readonly body?: Bytes;
  /** More PAX records for this entry, after its own: the last of a key wins. */
  readonly records?: PaxRecords;
  readonly isBase256?: boolean;
  readonly checksum?: TarHeader['checksum'];
  /** The prefix field, on top of the whole name in the name field. */
  readonly prefix?: Bytes;
  readonly patches?: TarHeader['patches'];
}

/** One part of a layer, made by the builders of this module and put together by {@link layer}. */
export type LayerPart =
  | {
      readonly kind: 'entry';
      readonly typeFlag: string | number;
      readonly name: Buffer;
      readonly linkName: Buffer;
      readonly body: Buffer;
      readonly device: { readonly major: number | bigint; readonly minor: number | bigint };
      readonly sparse: {
        readonly form: SparseForm;
        readonly rows: readonly SparseRow[];
        readonly realBytes: number;
      } | null;
      readonly options: EntryOptions;
    }
  | { readonly kind: 'pax'; readonly records: PaxRecords }
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'end'; readonly blocks: number }
  | { readonly kind: 'junk'; readonly bytes: Buffer };

type EntryPart = Extract<LayerPart, { kind: 'entry' }>;

/**
 * Puts a tar archive together. Two zero blocks end it unless {@link end} says otherwise; parts behind an end are
 * written behind it. Records of {@link pax} go into the one extended header of the entry after them, behind its own;
 * where no entry follows at once, they become a header of their own.
 *
 * ```ts
 * layer(dir('etc'), file('etc/passwd', 'root:x:0:0\n', { mtime: -1.5 }), symlink('var/run', '/run'));
 * ```
 */
export function layer(...parts: readonly LayerPart[]): Buffer {
  const chunks: Buffer[] = [];
  let pending: PaxRecords | null = null;
  let isEnded = false;
  for (const part of parts) {
    if (pending && part.kind !== 'entry') {
      chunks.push(encodePaxHeader('', paxPairs(pending)));
      pending = null;
    }
    switch (part.kind) {
      case 'entry':
        chunks.push(...encodeEntry(part, pending ?? []));
        pending = null;
        break;
      case 'pax':
        pending = part.records;
        break;
      case 'bytes':
        chunks.push(part.bytes);
        break;
      case 'end':
        chunks.push(Buffer.alloc(part.blocks * BLOCK_BYTES));
        isEnded = true;
        break;
      case 'junk':
        if (!isEnded) chunks.push(Buffer.alloc(2 * BLOCK_BYTES));
        chunks.push(part.bytes);
        isEnded = true;
        break;
      default:
        part satisfies never;
    }
  }
  if (pending) chunks.push(encodePaxHeader('', paxPairs(pending)));
  if (!isEnded) chunks.push(Buffer.alloc(2 * BLOCK_BYTES));
  return Buffer.concat(chunks);
}

/** A directory; a slash is put at the end of the name unless it has one. */
export function dir(name: Bytes, options: EntryOptions = {}): LayerPart {
  const bytes = toBytes(name);
  const withSlash = bytes.at(-1) === 0x2f ? bytes : Buffer.concat([bytes, Buffer.from('/')]);
  return entry('5', withSlash, { mode: 0o755, ...options });
}

/** A regular file. */
export function file(name: Bytes, content: Bytes = '', options: EntryOptions = {}): LayerPart {
  return entry('0', name, { body: content, ...options });
}

/** A symbolic link; the target is written as it is. */
export function symlink(name: Bytes, target: Bytes, options: EntryOptions = {}): LayerPart {
  return { ...entry('2', name, { mode: 0o777, ...options }), linkName: toBytes(target) };
}

/** A hard link to another entry's name. */
export function hardlink(name: Bytes, target: Bytes, options: EntryOptions = {}): LayerPart {
  return { ...entry('1', name, options), linkName: toBytes(target) };
}

/** A character device. */
export function charDevice(
  name: Bytes,
  major: number | bigint,
  minor: number | bigint,
  options: EntryOptions = {},
): LayerPart {
  return { ...entry('3', name, options), device: { major, minor } };
}

/** A block device. */
export function blockDevice(
  name: Bytes,
  major: number | bigint,
  minor: number | bigint,
  options: EntryOptions = {},
): LayerPart {
  return { ...entry('4', name, options), device: { major, minor } };
}

/** A named pipe. */
export function fifo(name: Bytes, options: EntryOptions = {}): LayerPart {
  return entry('6', name, options);
}

/** What a whiteout is written as; an empty regular file in every tool that writes layers. */
export type WhiteoutForm = 'file' | 'dir' | 'sym' | 'link' | 'char' | 'block' | 'fifo';

const WHITEOUT_TYPE: Readonly<Record<WhiteoutForm, string>> = {
  file: '0',
  dir: '5',
  sym: '2',
  link: '1',
  char: '3',
  block: '4',
  fifo: '6',
};

/**
 * A whiteout: `etc/old` is written as `etc/.wh.old`.
 * @see OCI image-spec layer.md, "Whiteouts"
 */
export function whiteout(name: Bytes, options: EntryOptions & { readonly as?: WhiteoutForm } = {}): LayerPart {
  const bytes = toBytes(name);
  const slash = bytes.lastIndexOf(0x2f) + 1;
  return whiteoutEntry([bytes.subarray(0, slash), Buffer.from('.wh.'), bytes.subarray(slash)], options);
}

/** The marker that hides all that lower layers have in a directory: `etc/.wh..wh..opq`. */
export function opaque(directory: Bytes, options: EntryOptions & { readonly as?: WhiteoutForm } = {}): LayerPart {
  const bytes = toBytes(directory);
  const isSlashed = bytes.length === 0 || bytes.at(-1) === 0x2f;
  return whiteoutEntry([bytes, Buffer.from(isSlashed ? '' : '/'), Buffer.from('.wh..wh..opq')], options);
}

function whiteoutEntry(name: Buffer[], options: EntryOptions & { readonly as?: WhiteoutForm }): LayerPart {
  const form = options.as ?? 'file';
  const part = entry(WHITEOUT_TYPE[form], Buffer.concat(name), options);
  return { ...part, linkName: Buffer.from(form === 'link' || form === 'sym' ? 'target' : '') };
}

/** What a sparse file may lie about, besides what any entry may. */
export interface SparseOptions extends EntryOptions {
  /** `1.0` when left out. */
  readonly form?: SparseForm;
  /** Size of the file; the end of its last segment when left out. */
  readonly realBytes?: number;
  /** Another map than the segments give. */
  readonly map?: readonly SparseRow[];
}

/** A sparse file: stored segments and holes between them. A hole at the end gets a last, empty row, as GNU tar does. */
export function sparse(name: Bytes, segments: readonly SparseSegment[], options: SparseOptions = {}): LayerPart {
  const form = options.form ?? '1.0';
  const stored = Math.max(0, ...segments.map(({ offset, bytes }) => offset + bytes.length));
  const realBytes = options.realBytes ?? stored;
  const rows = segments.map(({ offset, bytes }) => ({ offset, length: bytes.length }));
  if (realBytes > stored) rows.push({ offset: realBytes, length: 0 });
  const part = entry('0', name, {
    ...(form === 'gnu' && { format: 'gnu' }),
    body: Buffer.concat(segments.map(({ bytes }) => bytes)),
    ...options,
  });
  return { ...part, sparse: { form, rows: options.map ?? rows, realBytes } };
}

/** An entry of any type flag. */
export function entry(typeFlag: string | number, name: Bytes, options: EntryOptions = {}): EntryPart {
  return {
    kind: 'entry',
    typeFlag: options.typeFlag ?? typeFlag,
    name: toBytes(name),
    linkName: Buffer.alloc(0),
    body: toBytes(options.body ?? ''),
    device: { major: 0, minor: 0 },
    sparse: null,
    options,
  };
}

/** PAX records for the next entry, e.g. `pax({ path: 'x', size: '99' })`. */
export function pax(records: PaxRecords): LayerPart {
  return { kind: 'pax', records };
}

/** A PAX global header. */
export function paxGlobal(records: PaxRecords): LayerPart {
  return meta('g', encodePaxRecords(records), { name: 'pax_global_header' });
}

/** A GNU long name for the next entry (`L`), also where it would not be needed. */
export function gnuLongName(name: Bytes): LayerPart {
  return { kind: 'bytes', bytes: encodeGnuLong('L', toBytes(name)) };
}

/** A GNU long link name for the next entry (`K`). */
export function gnuLongLink(target: Bytes): LayerPart {
  return { kind: 'bytes', bytes: encodeGnuLong('K', toBytes(target)) };
}

/** A header of any type with a body as it is, e.g. Solaris' `X`, or PAX records that lie about their length. */
export function meta(typeFlag: string, body: Bytes, header: Partial<TarHeader> = {}): LayerPart {
  return { kind: 'bytes', bytes: encodeMeta(typeFlag, toBytes(body), header) };
}

/** Bytes as they are, without padding. */
export function raw(bytes: Bytes): LayerPart {
  return { kind: 'bytes', bytes: toBytes(bytes) };
}

/** The end mark: 2 zero blocks are right, 1 and 0 are what broken writers leave. */
export function end(blocks: 0 | 1 | 2): LayerPart {
  return { kind: 'end', blocks };
}

/** Bytes behind the end mark; a whole end mark is written first unless {@link end} wrote one. */
export function junk(bytes: Bytes): LayerPart {
  return { kind: 'junk', bytes: toBytes(bytes) };
}

function encodeEntry(part: EntryPart, extra: PaxRecords): Buffer[] {
  const { options } = part;
  const format = options.format ?? 'pax';
  const sparseForm = part.sparse && encodeSparse(part.sparse.form, part.name, part.sparse.rows, part.sparse.realBytes);
  const body = Buffer.concat([sparseForm?.mapBody ?? Buffer.alloc(0), part.body]);
  const wanted: Wanted = {
    name: sparseForm?.isNameInRecord ? Buffer.concat([Buffer.from('GNUSparseFile.0/'), part.name]) : part.name,
    linkName: part.linkName,
    uid: options.uid ?? 0,
    gid: options.gid ?? 0,
    sizeBytes: options.size ?? body.length,
    mtime: options.mtime ?? 0,
    userName: options.userName ?? '',
    groupName: options.groupName ?? '',
  };
  const fitted = fit(wanted, format);
  const records = [
    ...fitted.records,
    ...Object.entries(options.xattrs ?? {}).map(([key, value]) => [`SCHILY.xattr.${key}`, value] as const),
    ...(sparseForm?.records ?? []),
    ...paxPairs(options.records ?? []),
    ...paxPairs(extra),
  ];
  if (options.xattrs && format !== 'pax') throw new RangeError(`${format} headers hold no extended attributes`);
  const isDevice = part.device.major !== 0 || part.device.minor !== 0;
  const canOctal = fitsOctal(part.device.major, 8) && fitsOctal(part.device.minor, 8);
  const header = encodeHeader({
    ...fitted.header,
    mode: options.mode ?? 0o644,
    typeFlag: sparseForm?.typeFlag === 'S' ? 'S' : flagIn(format, part.typeFlag),
    ...(isDevice && part.device),
    format: format === 'pax' ? 'ustar' : format,
    isBase256: options.isBase256 ?? (isDevice && !canOctal),
    ...(options.prefix !== undefined && { prefix: options.prefix }),
    ...(options.checksum !== undefined && { checksum: options.checksum }),
    patches: [...(sparseForm?.patches ?? []), ...(options.patches ?? [])],
  });
  return [
    ...(records.length > 0 ? [encodePaxHeader(part.name, records)] : []),
    ...fitted.before,
    header,
    sparseForm?.extension ?? Buffer.alloc(0),
    body,
    padding(body.length),
  ];
}

interface Wanted {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly uid: number | bigint;
  readonly gid: number | bigint;
  readonly sizeBytes: number | bigint;
  readonly mtime: number | string;
  readonly userName: string;
  readonly groupName: string;
}

interface Fitted {
  readonly header: TarHeader;
  readonly records: readonly (readonly [Bytes, Bytes])[];
  /** Meta headers that stand directly before the entry. */
  readonly before: readonly Buffer[];
}

function fit(wanted: Wanted, format: TarFormat): Fitted {
  if (format === 'pax') return fitPax(wanted);
  const seconds = Number(wanted.mtime);
  if (!Number.isSafeInteger(seconds)) throw new RangeError(`${format} headers hold no time ${wanted.mtime}`);
  const header = { ...wanted, mtime: seconds };
  switch (format) {
    case 'v7':
      return { header, records: [], before: [] };
    case 'ustar':
    case 'star':
      return {
        header: { ...header, ...splitName(wanted.name, format === 'star' ? 131 : 155) },
        records: [],
        before: [],
      };
    case 'gnu':
      return {
        header: { ...header, name: wanted.name.subarray(0, 100), linkName: wanted.linkName.subarray(0, 100) },
        records: [],
        before: [
          ...(wanted.linkName.length > 100 ? [encodeGnuLong('K', wanted.linkName)] : []),
          ...(wanted.name.length > 100 ? [encodeGnuLong('L', wanted.name)] : []),
        ],
      };
    default:
      return format satisfies never;
  }
}

/** What does not fit, and every name that is not ASCII, becomes a record; the header then holds a harmless rest. */
function fitPax(wanted: Wanted): Fitted {
  const records: [Bytes, Bytes][] = [];
  const text = (key: string, value: Buffer, width: number): Buffer => {
    if (value.length <= width && value.every((byte) => byte < 0x80)) return value;
    records.push([key, value]);
    return value.subarray(0, width);
  };
  const number = (key: string, value: number | bigint, width: number): number | bigint => {
    if (fitsOctal(value, width)) return value;
    records.push([key, String(value)]);
    return 0;
  };
  const header = {
    name: text('path', wanted.name, 100),
    linkName: text('linkpath', wanted.linkName, 100),
    userName: text('uname', Buffer.from(wanted.userName), 32),
    groupName: text('gname', Buffer.from(wanted.groupName), 32),
    uid: number('uid', wanted.uid, 8),
    gid: number('gid', wanted.gid, 8),
    sizeBytes: number('size', wanted.sizeBytes, 12),
    mtime: Math.max(0, Math.floor(Number(wanted.mtime))),
  };
  if (!Number.isSafeInteger(Number(wanted.mtime)) || !fitsOctal(Number(wanted.mtime), 12)) {
    records.push(['mtime', String(wanted.mtime)]);
    if (!fitsOctal(header.mtime, 12)) header.mtime = 0;
  }
  return { header, records, before: [] };
}

function splitName(name: Buffer, prefixBytes: number): Pick<TarHeader, 'name' | 'prefix'> {
  if (name.length <= 100) return { name };
  const slash = name.subarray(0, prefixBytes + 1).lastIndexOf(0x2f, -2);
  const rest = name.subarray(slash + 1);
  if (slash <= 0 || rest.length === 0 || rest.length > 100)
    throw new RangeError('the name does not fit prefix and name');
  return { name: rest, prefix: name.subarray(0, slash) };
}

/** v7 knows no directories and writes NUL for a file. */
function flagIn(format: TarFormat, typeFlag: string | number): string | number {
  return format === 'v7' && (typeFlag === '0' || typeFlag === '5') ? 0 : typeFlag;
}

function encodePaxHeader(name: Bytes, records: readonly (readonly [Bytes, Bytes])[]): Buffer {
  const headerName = Buffer.concat([Buffer.from('PaxHeaders.0/'), toBytes(name)]).subarray(0, 99);
  return encodeMeta('x', encodePaxRecords(records), {
    name: headerName.at(-1) === 0x2f ? headerName.subarray(0, -1) : headerName,
  });
}

function encodeGnuLong(typeFlag: 'L' | 'K', value: Buffer): Buffer {
  return encodeMeta(typeFlag, Buffer.concat([value, Buffer.alloc(1)]), { name: '././@LongLink', format: 'gnu' });
}

function encodeMeta(typeFlag: string, body: Buffer, header: Partial<TarHeader>): Buffer {
  const block = encodeHeader({ name: 'meta', mode: 0o644, sizeBytes: body.length, typeFlag, ...header });
  return Buffer.concat([block, body, padding(body.length)]);
}
