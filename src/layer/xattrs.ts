import { XATTR } from './commands.js';
import type { Xattr } from './tar/entry.js';
import { CAPABILITY_COPY, decideXattr, type XattrHolder } from './xattr-policy.js';

/** Attributes of one entry, decided upon, as the writer takes them. */
export interface PackedXattrs {
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Rules that warn, one for each attribute that a rule warns of. */
  readonly warnings: readonly string[];
}

const HEAD_BYTES = 9;

export const NO_PACKED_XATTRS: PackedXattrs = { bytes: new Uint8Array(0), count: 0, warnings: [] };

/** At most so many bytes does {@link packXattrs} make of them. */
export function mostPackedBytes(xattrs: readonly Xattr[]): number {
  let length = 0;
  for (const { name, value } of xattrs) {
    length += 2 * HEAD_BYTES + name.length + CAPABILITY_COPY.length + 2 * value.length;
  }
  return length;
}

/** What is set and what is kept, in the order of §12: what needs privileges last, so that the others have the room. */
export function packXattrs(xattrs: readonly Xattr[], holder: XattrHolder): PackedXattrs {
  if (xattrs.length === 0) return NO_PACKED_XATTRS;
  const bytes = new Uint8Array(mostPackedBytes(xattrs));
  const view = new DataView(bytes.buffer);
  const warnings: string[] = [];
  let at = 0;
  let count = 0;
  const add = (flag: number, name: Uint8Array, value: Uint8Array): void => {
    view.setUint8(at, flag);
    view.setUint32(at + 1, name.length, true);
    view.setUint32(at + 5, value.length, true);
    bytes.set(name, at + HEAD_BYTES);
    bytes.set(value, at + HEAD_BYTES + name.length);
    at += HEAD_BYTES + name.length + value.length;
    count++;
  };
  const last: Xattr[] = [];
  for (const xattr of xattrs) {
    const { name, value } = xattr;
    const decided = decideXattr(Buffer.from(name).toString('latin1'), holder);
    if (decided.hasCopy) add(XATTR.SET_UNLISTED, CAPABILITY_COPY, value);
    if (decided.isPrivileged) last.push(xattr);
    else add(decided.flag, name, value);
    if (decided.warning) warnings.push(decided.warning);
  }
  for (const { name, value } of last) add(XATTR.SET, name, value);
  return { bytes: bytes.subarray(0, at), count, warnings };
}
