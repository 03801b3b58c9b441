import { chmodSync, lstatSync } from 'node:fs';
import { SluiceError } from '../errors.js';
import { native } from '../native.js';
import type { RealTree } from './real-tree.js';

/** What an implied directory takes over from a lower layer (P3). */
export interface DirectoryStat {
  /** `uid:gid:0<mode>` (M2). */
  readonly override: string;
  /** The image's `user.*`, sorted by name. */
  readonly xattrs: readonly (readonly [name: Buffer, value: Buffer])[];
  readonly mtimeNs: bigint;
}

/** What it has when no lower layer has the directory. */
export const DEFAULT_STAT: DirectoryStat = { override: '0:0:040755', xattrs: [], mtimeNs: 0n };

const OVERRIDE = Buffer.from('user.containers.override_stat');
const USER = Buffer.from('user.');
const NS = 1_000_000_000n;

/** @returns null for a directory that has no `override_stat` */
export function readDirectoryStat(tree: RealTree, path: Buffer): DirectoryStat | null {
  const name = tree.name(path);
  const override = native().xattrGet(name, OVERRIDE);
  if (!override) return null;
  const xattrs = userXattrs(name).map((xattr) => [xattr, native().xattrGet(name, xattr) ?? Buffer.alloc(0)] as const);
  return { override: override.toString('latin1'), xattrs, mtimeNs: lstatSync(name, { bigint: true }).mtimeNs };
}

/** `override_stat` is set last: it marks a directory that is complete, whenever the process ends. */
export function writeDirectoryStat(tree: RealTree, path: Buffer, stat: DirectoryStat): void {
  const name = tree.name(path);
  const mode = modeOf(stat.override);
  for (const stale of userXattrs(name)) native().xattrRemove(name, stale);
  for (const [xattr, value] of stat.xattrs) native().xattrSet(name, xattr, value);
  // The directory itself by its descriptor: chmod by name would follow a symlink.
  chmodSync(`/proc/self/fd/${tree.directory(path)}/.`, (mode & 0o777) | 0o700);
  const seconds = stat.mtimeNs / NS - (stat.mtimeNs % NS < 0n ? 1n : 0n);
  native().setTimes(tree.name(path), Number(seconds), Number(stat.mtimeNs - seconds * NS));
  native().xattrSet(tree.name(path), OVERRIDE, Buffer.from(stat.override));
}

export function isSameStat(a: DirectoryStat, b: DirectoryStat): boolean {
  return describeStat(a) === describeStat(b);
}

/** One text for one value. */
export function describeStat({ override, xattrs, mtimeNs }: DirectoryStat): string {
  const attributes = xattrs.map(([name, value]) => ` ${JSON.stringify(name.toString())}=${value.toString('base64')}`);
  return `${override} mtime=${mtimeNs}ns${attributes.join('')}`;
}

function userXattrs(name: Buffer): Buffer[] {
  const names = native().xattrList(name);
  const isImages = (xattr: Buffer): boolean => xattr.subarray(0, USER.length).equals(USER) && !xattr.equals(OVERRIDE);
  return names.filter(isImages).toSorted(Buffer.compare);
}

function modeOf(override: string): number {
  const [, mode] = /^\d+:\d+:0([0-7]+)$/.exec(override) ?? [];
  if (mode === undefined) {
    throw new SluiceError('STORE_FAILED', {
      message: `completing a directory: ${JSON.stringify(override)} is no override_stat of one`,
      rule: 'M2',
    });
  }
  return parseInt(mode, 8) & 0o7777;
}
