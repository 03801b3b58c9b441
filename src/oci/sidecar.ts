import { SluiceError } from '../errors.js';

/** What an entry is, by mtree's word. */
export type SidecarType = 'dir' | 'file' | 'link' | 'char' | 'block' | 'fifo' | 'socket';

/** Owner, mode and time as the image gives them, whatever the host's file says. */
export interface SidecarMetadata {
  /** Low 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds, floored. */
  readonly mtime: number;
  readonly mtimeNs: number;
}

/** One extended attribute of the image. */
export interface SidecarXattr {
  readonly name: Buffer;
  readonly value: Buffer;
  /** Whether the layer's file has it too. */
  readonly isSet: boolean;
}

/** A name of the layer's tree. */
export interface SidecarEntry extends SidecarMetadata {
  readonly kind: 'entry';
  /** Relative to the root, no symlink on the way; empty for the root itself. */
  readonly path: Buffer;
  readonly type: SidecarType;
  /** Bytes of a regular file; 0 for the rest. */
  readonly size: number;
  /** How many names of the layer the inode has. */
  readonly names: number;
  /** Target of a symlink; empty for the rest. */
  readonly link: Buffer;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Whether no entry of the layer gave the directory metadata (P1). */
  readonly isImplied: boolean;
  /** An earlier name of the same inode; null for the first one. */
  readonly hardLink: Buffer | null;
  readonly xattrs: readonly SidecarXattr[];
  /** CRC-32C of a regular file's content; null for the rest. */
  readonly crc32c: number | null;
  /** Whether a whiteout of this very name was folded into it (W4). */
  readonly isFolded: boolean;
}

/** A hard link whose target lies in a lower layer (H6). */
export interface SidecarDeferred extends SidecarMetadata {
  readonly kind: 'deferred';
  readonly path: Buffer;
  readonly target: Buffer;
  /** Index of the entry among the layer's. */
  readonly entry: number;
}

export type SidecarItem = SidecarEntry | SidecarDeferred;

/** The comment that marks an implied directory, behind its line. */
export const IMPLIED_LINE = '#sluice.implied';

/** A name in vis(3) form, but for the digits behind a backslash. */
const NAME = String.raw`[A-Za-z0-9._\-+,:@/~%^\\]+`;
const BAD_ESCAPE = /\\(?![0-3][0-7]{2})/;
const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const MODE = 'mode=(0[0-7]{3,4})';
const OWNER = String.raw`uid=(\d+) gid=(\d+)`;
const TIME = String.raw`time=(-?\d+)\.(\d{9})`;

const ENTRY = new RegExp(
  String.raw`^\.(?:/(${NAME}))? type=([a-z]+)(?: device=native,(\d+),(\d+))? ${MODE} ${OWNER}` +
    String.raw`(?: size=(\d+))?(?: nlink=(\d+))? ${TIME}(?: link=(${NAME}))?$`,
);
const DEFERRED = new RegExp(
  String.raw`^#sluice\.deferred \./(${NAME}) \./(${NAME}) ${OWNER} ${MODE} ${TIME} index=(\d+)$`,
);
const XATTR = new RegExp(String.raw`^#sluice\.xattr (set|kept) (${NAME}) (${BASE64})$`);
const HARD_LINK = new RegExp(String.raw`^#sluice\.hardlink \./(${NAME})$`);
const FOLDED = new RegExp(String.raw`^#sluice\.folded (${NAME})$`);
const CRC = /^#sluice\.crc32c ([0-9a-f]{8})$/;

const TYPES: readonly string[] = ['dir', 'file', 'link', 'char', 'block', 'fifo', 'socket'] satisfies SidecarType[];

type Open = { -readonly [K in keyof SidecarEntry]: SidecarEntry[K] } & { xattrs: SidecarXattr[] };

/** What a line says, its comments and all. */
export interface SidecarLine {
  readonly line: string;
  readonly item: SidecarItem;
}

/**
 * Reads the lines behind a sidecar's head.
 * @param lines without their newlines, a character a byte; the head's lines are passed over
 * @returns entries in the order of their path bytes, deferred links at their places
 * @throws SluiceError SIDECAR_CORRUPT at the first line that is not one of ours
 * @see extraction §13
 */
export function* parseSidecar(lines: Iterable<string>): Generator<SidecarItem, void, undefined> {
  for (const { item } of parseSidecarLines(lines)) yield item;
}

/** As {@link parseSidecar}, with the line that each item was read from. */
export function* parseSidecarLines(lines: Iterable<string>): Generator<SidecarLine, void, undefined> {
  let open: { readonly line: string; readonly item: Open } | null = null;
  let headLines = 0;
  for (const line of lines) {
    if (!line.startsWith('#')) {
      if (open) yield open;
      open = { line, item: parseEntry(line) };
    } else if (line.startsWith('#sluice.deferred ')) {
      if (open) yield open;
      open = null;
      yield { line, item: parseDeferred(line) };
    } else if (open) addComment(open.item, line);
    else if (!isHead(line) || ++headLines > MOST_HEAD_LINES) throw corrupt(line);
  }
  if (open) yield open;
}

const MOST_HEAD_LINES = 3;

function isHead(line: string): boolean {
  return line === '#mtree' || /^#sluice\.(?:layer|counts|rootfs) /.test(line);
}

function parseEntry(line: string): Open {
  const match = ENTRY.exec(line);
  if (!match || !TYPES.includes(match[2]!)) throw corrupt(line);
  const [, path = '', type, devMajor, devMinor, mode, uid, gid, size, names, seconds, nanoseconds, link] = match;
  const isWhole =
    (devMajor !== undefined) === (type === 'char' || type === 'block') &&
    (size !== undefined) === (type === 'file') &&
    (link !== undefined) === (type === 'link');
  if (!isWhole) throw corrupt(line);
  return {
    kind: 'entry',
    path: unvis(path),
    type: type as SidecarType,
    size: Number(size ?? 0),
    names: Number(names ?? 1),
    link: unvis(link ?? ''),
    devMajor: Number(devMajor ?? 0),
    devMinor: Number(devMinor ?? 0),
    ...metadataOf(mode!, uid!, gid!, seconds!, nanoseconds!),
    isImplied: false,
    hardLink: null,
    xattrs: [],
    crc32c: null,
    isFolded: false,
  };
}

function parseDeferred(line: string): SidecarDeferred {
  const match = DEFERRED.exec(line);
  if (!match) throw corrupt(line);
  const [, path, target, uid, gid, mode, seconds, nanoseconds, entry] = match;
  const metadata = metadataOf(mode!, uid!, gid!, seconds!, nanoseconds!);
  return { kind: 'deferred', path: unvis(path!), target: unvis(target!), entry: Number(entry), ...metadata };
}

function metadataOf(mode: string, uid: string, gid: string, seconds: string, nanoseconds: string): SidecarMetadata {
  return {
    mode: parseInt(mode, 8),
    uid: Number(uid),
    gid: Number(gid),
    mtime: Number(seconds),
    mtimeNs: Number(nanoseconds),
  };
}

function addComment(entry: Open, line: string): void {
  const xattr = XATTR.exec(line);
  const hardLink = HARD_LINK.exec(line);
  const folded = FOLDED.exec(line);
  const crc = CRC.exec(line);
  if (xattr) {
    const [, how, name, value] = xattr;
    entry.xattrs.push({ name: unvis(name!), value: Buffer.from(value!, 'base64'), isSet: how === 'set' });
  } else if (hardLink) entry.hardLink = unvis(hardLink[1]!);
  else if (line === IMPLIED_LINE) entry.isImplied = true;
  else if (folded) entry.isFolded = unvis(folded[1]!).length > 0;
  else if (crc) entry.crc32c = parseInt(crc[1]!, 16);
  else throw corrupt(line);
}

/** Bytes of a text in vis(3) form. @throws SluiceError SIDECAR_CORRUPT for a backslash without its three digits */
function unvis(text: string): Buffer {
  if (!text.includes('\\')) return Buffer.from(text, 'latin1');
  if (BAD_ESCAPE.test(text)) throw corrupt(text);
  const plain = text.replace(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return Buffer.from(plain, 'latin1');
}

/** The error of a line that the writer did not make. */
export function corrupt(line: string): SluiceError {
  return new SluiceError('SIDECAR_CORRUPT', {
    message: `reading a sidecar: ${JSON.stringify(line.slice(0, 200))} is no line of it`,
    rule: 'extraction §13',
  });
}
