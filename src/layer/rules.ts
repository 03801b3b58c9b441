import { SluiceError } from '../errors.js';
import { KIND } from './commands.js';
import { leafStart } from './path.js';
import { TYPE, type Entry } from './tar/entry.js';

/** What an entry becomes; decided from its header and cleaned name alone. */
export type Decision =
  | { readonly kind: 'file' }
  | { readonly kind: 'placeholder'; readonly as: number }
  | { readonly kind: 'directory' }
  | { readonly kind: 'root' }
  | { readonly kind: 'symlink' }
  | { readonly kind: 'link' }
  | { readonly kind: 'whiteout' }
  | { readonly kind: 'skip'; readonly rule: string; readonly why: string };

const FILE: Decision = { kind: 'file' };
const DIRECTORY: Decision = { kind: 'directory' };
const ROOT: Decision = { kind: 'root' };
const SYMLINK: Decision = { kind: 'symlink' };
const LINK: Decision = { kind: 'link' };
const WHITEOUT: Decision = { kind: 'whiteout' };
const CHAR: Decision = { kind: 'placeholder', as: KIND.CHAR };
const BLOCK_DEVICE: Decision = { kind: 'placeholder', as: KIND.BLOCK };
const FIFO: Decision = { kind: 'placeholder', as: KIND.FIFO };
const VOLUME: Decision = { kind: 'skip', rule: 'T15b', why: 'a volume label is skipped' };

const MAX_ID = 4294967294;
const MAX_MAJOR = 4095;
const MAX_MINOR = 1048575;
const MAX_SYMLINK_BYTES = 4095;

/** `.wh.` */
const WHITEOUT_PREFIX = Buffer.from('.wh.');
const AUFS_PREFIX = Buffer.from('.wh..wh.');
export const OPAQUE: Uint8Array = Buffer.from('.wh..wh..opq');

/**
 * Decides what comes of an entry.
 * @param path buffer that holds its cleaned name at `start…end`
 * @throws SluiceError by the table of refusals (X1 to X8)
 */
export function decide(entry: Entry, path: Uint8Array, start: number, end: number): Decision {
  if (entry.type === TYPE.VOLUME) return VOLUME;
  const byType = decideType(entry);
  checkNumbers(entry);
  if (start === end) {
    if (byType === DIRECTORY) return ROOT;
    throw refused('X1', 'it would take the place of the root');
  }
  const leaf = leafStart(path, start, end);
  if (hasPrefix(path, leaf, end, WHITEOUT_PREFIX) && !isAufs(path, start, end)) {
    checkWhiteout(path, leaf, end);
    return WHITEOUT;
  }
  if (byType === SYMLINK || byType === LINK) checkTarget(entry, byType);
  return byType;
}

function decideType(entry: Entry): Decision {
  switch (entry.type) {
    case TYPE.FILE:
    case TYPE.CONTIGUOUS:
      return FILE;
    case TYPE.LINK:
      return LINK;
    case TYPE.SYMLINK:
      return SYMLINK;
    case TYPE.CHAR:
      return CHAR;
    case TYPE.BLOCK:
      return BLOCK_DEVICE;
    case TYPE.DIRECTORY:
    case TYPE.DUMP_DIRECTORY:
      return DIRECTORY;
    case TYPE.FIFO:
      return FIFO;
    default:
      throw new SluiceError('ENTRY_TYPE_UNSUPPORTED', {
        message: `reading an entry of type ${JSON.stringify(String.fromCharCode(entry.type))}`,
        rule: 'T15c',
      });
  }
}

function checkNumbers(entry: Entry): void {
  const isId = (id: number): boolean => id >= 0 && id <= MAX_ID;
  if (!isId(entry.uid)) throw outOfRange(`owner ${entry.uid}`, 'M7');
  if (!isId(entry.gid)) throw outOfRange(`group ${entry.gid}`, 'M7');
  if (entry.devMajor < 0 || entry.devMajor > MAX_MAJOR)
    throw outOfRange(`major device number ${entry.devMajor}`, 'T16');
  if (entry.devMinor < 0 || entry.devMinor > MAX_MINOR)
    throw outOfRange(`minor device number ${entry.devMinor}`, 'T16');
}

function checkTarget({ link }: Entry, decision: Decision): void {
  const length = link.end - link.start;
  const subject = decision === SYMLINK ? 'symlink' : 'hard link';
  if (length === 0) throw nameRefused(`the target of a ${subject} is empty`, 'X3');
  if (decision === SYMLINK && length > MAX_SYMLINK_BYTES)
    throw nameRefused('the target of a symlink is too long', 'X3');
  for (let at = link.start; at < link.end; at++) {
    if (link.bytes[at] === 0) throw nameRefused(`the target of a ${subject} contains NUL`, 'X2');
  }
}

/** `.wh.` alone, and the markers of `.` and `..`, hide nothing that exists (X5). */
function checkWhiteout(path: Uint8Array, leaf: number, end: number): void {
  const length = end - leaf - WHITEOUT_PREFIX.length;
  const dots = [...path.subarray(leaf + WHITEOUT_PREFIX.length, end)].every((byte) => byte === 0x2e);
  if (length === 0 || (length <= 2 && dots)) throw refused('X5', 'it is a whiteout of nothing that exists');
}

/** AUFS's own bookkeeping, but not the opaque marker (W7). */
export function isAufs(path: Uint8Array, start: number, end: number): boolean {
  if (!hasPrefix(path, start, end, AUFS_PREFIX)) return false;
  let stop = start;
  while (stop < end && path[stop] !== 0x2f) stop++;
  return !(stop - start === OPAQUE.length && hasPrefix(path, start, stop, OPAQUE));
}

/** Whether a directory part of the path starts like a whiteout (W6). */
export function hasMarkerDirectory(path: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    let stop = at;
    while (stop < end && path[stop] !== 0x2f) stop++;
    if (stop < end && hasPrefix(path, at, stop, WHITEOUT_PREFIX)) return true;
    at = stop + 1;
  }
  return false;
}

function hasPrefix(path: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (path[start + i] !== prefix[i]) return false;
  return true;
}

function refused(rule: string, why: string): SluiceError {
  return new SluiceError('ENTRY_REFUSED', { message: `extracting an entry: ${why}`, rule });
}

function nameRefused(why: string, rule: string): SluiceError {
  return new SluiceError('NAME_REFUSED', { message: `extracting an entry: ${why}`, rule });
}

function outOfRange(what: string, rule: string): SluiceError {
  return new SluiceError('NUMBER_OUT_OF_RANGE', { message: `extracting an entry: ${what} is out of range`, rule });
}
