import type { SidecarEntry, SidecarType } from '../../oci/sidecar.js';

/** The type bits of each type, above the twelve bits of the mode (extraction M2, M5). */
const TYPE_BITS: Readonly<Record<SidecarType, number>> = {
  dir: 0o040000,
  file: 0o100000,
  link: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
};

/** Range of times of a file; see extraction M18. */
const EARLIEST = -2147483648;
const LATEST = 15032385535;
/** Where file systems with short inodes end. */
const LATEST_SHORT = 2147483647;

/** What stands on the host for an entry. */
export function hostTypeOf({ type }: SidecarEntry): 'dir' | 'file' | 'link' {
  return type === 'dir' || type === 'link' ? type : 'file';
}

/** The modes that an entry may have on the host (extraction M1); a file that is a marker's other name may have either. */
export function hostModesOf({ type, mode, path, names }: SidecarEntry): readonly number[] {
  if (type === 'dir') return [(mode & 0o777) | 0o700];
  const own = (mode & 0o777) | 0o600;
  if (type !== 'file' || isMarker(path)) return names > 1 && type === 'file' ? [0o600, own] : [0o600];
  return names > 1 ? [own, 0o600] : [own];
}

/** Whether a time in nanoseconds is what the host shows of an entry's (extraction M18). */
export function isHostTime({ mtime, mtimeNs }: SidecarEntry, gotNs: bigint): boolean {
  const seconds = BigInt(Math.min(LATEST, Math.max(EARLIEST, mtime)));
  const isClamped = seconds !== BigInt(mtime);
  if (gotNs === seconds * 1_000_000_000n + BigInt(isClamped ? 0 : mtimeNs)) return true;
  return mtime > LATEST_SHORT && gotNs / 1_000_000_000n === BigInt(LATEST_SHORT);
}

/** The value of `user.containers.override_stat` (extraction M2, M5); null for symlinks, which have none. */
export function overrideOf(entry: SidecarEntry, stat: 'containers' | 'libkrun'): string | null {
  const { type, mode, uid, gid } = entry;
  if (type === 'link') return null;
  const own = `${uid}:${gid}:0${(TYPE_BITS[type] | mode).toString(8)}`;
  if (stat === 'libkrun') return isDevice(type) ? `${own}:${deviceNumber(entry)}` : own;
  if (isDevice(type)) return `${own}:${type}-${entry.devMajor}-${entry.devMinor}`;
  return type === 'fifo' ? `${own}:pipe` : type === 'socket' ? `${own}:socket` : own;
}

function isDevice(type: SidecarType): boolean {
  return type === 'char' || type === 'block';
}

function deviceNumber({ devMajor, devMinor }: SidecarEntry): bigint {
  const [major, minor] = [BigInt(devMajor), BigInt(devMinor)];
  return (minor & 0xffn) | (major << 8n) | ((minor & ~0xffn) << 12n);
}

function isMarker(path: Buffer): boolean {
  const start = path.lastIndexOf(0x2f) + 1;
  return path.subarray(start, start + 4).equals(MARKER);
}

const MARKER = Buffer.from('.wh.');
