import { type BigIntStats, closeSync, constants, lstatSync, openSync, readlinkSync } from 'node:fs';
import { CAPABILITY_COPY } from '../../layer/xattr-policy.js';
import { native } from '../../native.js';
import type { SidecarEntry } from '../../oci/sidecar.js';
import type { RealTree } from '../../rootfs/real-tree.js';
import type { LayerProblem } from '../../transfer/check-task.js';
import type { LayerPlace } from '../../transfer/rootfs-tasks.js';
import { hostModesOf, hostTypeOf, isHostTime, overrideOf } from './expected-host.js';

const OVERRIDE = Buffer.from('user.containers.override_stat');
const USER = Buffer.from('user.');

/** Takes what is wrong with one entry. */
export type Report = (kind: LayerProblem['kind'], expected?: string, got?: string) => void;

/**
 * Holds name, type, mode, size, time, links and target of an entry against the disk.
 * @returns whether attributes and content can be looked at
 * @throws errors of the machine
 */
export function checkStat(tree: RealTree, entry: SidecarEntry, report: Report): boolean {
  const name = tree.name(entry.path);
  const found = lstatSync(name, { bigint: true });
  const [type, got] = [hostTypeOf(entry), typeOf(found)];
  if (got !== type) {
    report('type', type, got);
    return false;
  }
  if (type === 'file' && found.size !== BigInt(entry.size)) report('size', String(entry.size), String(found.size));
  if (type === 'link' && !readlinkSync(name, { encoding: 'buffer' }).equals(entry.link)) report('target');
  if (type !== 'dir' && found.nlink !== BigInt(entry.names)) report('links', String(entry.names), String(found.nlink));
  if (entry.hardLink && lstatSync(tree.name(entry.hardLink), { bigint: true }).ino !== found.ino) report('links');
  if (entry.isImplied) return true; // it takes mode and time from lower layers (extraction P3)
  const [modes, mode] = [hostModesOf(entry), Number(found.mode & 0o7777n)];
  if (type !== 'link' && !modes.includes(mode)) report('mode', modes[0]!.toString(8), mode.toString(8));
  if (!isHostTime(entry, found.mtimeNs)) report('time', `${entry.mtime}.${entry.mtimeNs}`, `${found.mtimeNs} ns`);
  return true;
}

/** Holds the attributes of an entry against the disk: owner and mode, and those of the image that are set. */
export function checkAttributes(tree: RealTree, entry: SidecarEntry, stat: LayerPlace['stat'], report: Report): void {
  if (stat === 'sidecar' || entry.isImplied) return;
  const path = tree.name(entry.path);
  const override = overrideOf(entry, stat);
  if (override !== null) compare(path, OVERRIDE, Buffer.from(override), report);
  const expected = new Set(override === null ? [] : [OVERRIDE.toString('latin1')]);
  for (const { name, value, isSet } of entry.xattrs) {
    if (name.equals(CAPABILITY)) expected.add(Buffer.from(CAPABILITY_COPY).toString('latin1'));
    if (!isSet) continue;
    expected.add(name.toString('latin1'));
    if (isReadable(name)) compare(path, name, value, report);
  }
  if (entry.type === 'link') return;
  for (const name of native().xattrList(path)) {
    const text = name.toString('latin1');
    if (name.subarray(0, USER.length).equals(USER) && !expected.has(text)) report('attribute', 'none', text);
  }
}

const CAPABILITY = Buffer.from('security.capability');

/** Ordinary users are not shown `trusted.*`. */
function isReadable(name: Buffer): boolean {
  return process.geteuid?.() === 0 || !name.toString('latin1').startsWith('trusted.');
}

function compare(path: Buffer, name: Buffer, value: Buffer, report: Report): void {
  const got = native().xattrGet(path, name);
  if (!got?.equals(value)) report('attribute', `${name.toString()}=${describe(value)}`, got ? describe(got) : 'none');
}

function describe(value: Buffer): string {
  return /^[\x20-\x7e]*$/.test(value.toString('latin1')) ? value.toString() : value.toString('base64');
}

/**
 * Holds the content of a regular file against its checksum.
 * @returns bytes read
 */
export function checkContent(tree: RealTree, entry: SidecarEntry, report: Report): number {
  if (entry.type !== 'file') return 0;
  if (entry.crc32c === null) {
    report('sidecar', 'a checksum', 'none');
    return 0;
  }
  const file = openSync(tree.name(entry.path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const crc = native().crc32cOf(file);
    if (crc !== entry.crc32c) report('content', hex(entry.crc32c), hex(crc));
    return entry.size;
  } finally {
    closeSync(file);
  }
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

function typeOf(found: BigIntStats): string {
  if (found.isDirectory()) return 'dir';
  if (found.isSymbolicLink()) return 'link';
  return found.isFile() ? 'file' : 'other';
}
