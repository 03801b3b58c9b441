import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { native } from '../../src/native.js';
import { fullPath } from './tree.js';

/** What a format of archives can hold. */
export interface TreeLimits {
  /** Bytes of the longest name and path. */
  readonly nameBytes: number;
  readonly pathBytes: number;
  /** Bytes of a symlink's target, and of a path that has or is a hard link. */
  readonly targetBytes: number;
  readonly maxId: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
  readonly hasNanoseconds: boolean;
  readonly hasXattrs: boolean;
  readonly hasFifos: boolean;
  /** Whether a sparse file may have a path that is no UTF-8. */
  readonly hasSparseBytes: boolean;
}

/** One node in words. */
export interface NodePlan {
  readonly kind: 'file' | 'dir' | 'symlink' | 'hardlink' | 'sparse' | 'fifo';
  /** Latin1: every character is a byte. */
  readonly part: string;
  readonly target: string;
  /** Which directory it goes into, and what a hard link is of. */
  readonly pick: number;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly hasXattr: boolean;
}

const PARTS = ['a', 'd e', '\\#', '[*?', 'new\nline', '\xc3\xa9', '\xff\xfe', 'L'.repeat(90), 'M'.repeat(250)];

/** A directory tree as somebody would pack it. */
export const treePlans: fc.Arbitrary<readonly NodePlan[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('file', 'file', 'dir', 'dir', 'symlink', 'hardlink', 'sparse', 'fifo'),
    part: fc.constantFrom(...PARTS),
    target: fc.constantFrom('a', '/etc/passwd', '../../..', 'no where\n', '\xff', 'T'.repeat(101), 'deep/'.repeat(700)),
    pick: fc.nat(1000),
    sizeBytes: fc.constantFrom(0, 1, 511, 512, 513, 1024, 10_239, 10_240, 70_000),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1000, 2_097_151, 2_097_152, 4_294_967_294),
    gid: fc.constantFrom(0, 33, 2_097_152),
    seconds: fc.constantFrom(0, 1, -1, -2_000_000_000, 1_500_000_000, 8_589_934_591, 8_589_934_592),
    nanoseconds: fc.constantFrom(0, 1, 500_000_000, 999_999_999),
    hasXattr: fc.boolean(),
  }),
  { minLength: 1, maxLength: 16 },
);

/** Makes the tree in an empty directory, as far as the limits let it; owners are set by root alone. */
export function makeTree(root: string, plans: readonly NodePlan[], limits: TreeLimits): void {
  const folders: { readonly path: string; readonly plan: NodePlan }[] = [];
  const linkable: string[] = [];
  for (const [index, plan] of plans.entries()) {
    const part = `${index}${plan.part.length < limits.nameBytes ? plan.part : ''}`;
    const folder = folders[plan.pick % (folders.length + 1)];
    const isInRoot = folder === undefined || folder.path.length + part.length + 1 > limits.pathBytes;
    const path = isInRoot ? part : `${folder.path}/${part}`;
    const canLink = path.length <= limits.targetBytes;
    const source = linkable[plan.pick % Math.max(1, linkable.length)];
    if (plan.kind === 'hardlink' && source !== undefined && canLink) {
      linkSync(fullPath(root, source), fullPath(root, path));
      continue;
    }
    const isPlain = !limits.hasSparseBytes && plan.kind === 'sparse' && path.includes('\xff');
    make(fullPath(root, path), isPlain ? { ...plan, kind: 'file' } : plan, limits);
    if (plan.kind === 'dir') folders.push({ path, plan });
    else {
      dress(fullPath(root, path), plan, limits);
      // GNU tar packs each name of a FIFO as one of its own.
      if (canLink && plan.kind !== 'fifo') linkable.push(path);
    }
  }
  for (const { path, plan } of folders.toReversed()) dress(fullPath(root, path), plan, limits);
}

function make(path: Buffer, plan: NodePlan, { targetBytes, hasFifos }: TreeLimits): void {
  const { kind, target } = plan;
  if (kind === 'dir') mkdirSync(path);
  else if (kind === 'symlink') symlinkSync(Buffer.from(target.length <= targetBytes ? target : 'a', 'latin1'), path);
  else if (kind === 'fifo' && hasFifos) execFileSync('sh', ['-c', MAKE_FIFO, 'sh', printfText(path)]);
  else fill(path, plan);
}

/** The name as octal text, which arguments of a child can be: they are UTF-8 else. */
const MAKE_FIFO = 'mkfifo "$(printf "%b_" "$1" | sed \'$ s/_$//\')"';

function printfText(path: Buffer): string {
  return [...path].map((byte) => `\\0${byte.toString(8).padStart(3, '0')}`).join('');
}

function fill(path: Buffer, { kind, sizeBytes, pick }: NodePlan): void {
  const bytes = Buffer.alloc(sizeBytes, `${pick} `);
  if (kind !== 'sparse') return writeFileSync(path, bytes);
  const file = openSync(path, 'w');
  ftruncateSync(file, 400_000 + (pick % 600));
  for (const offset of [8192, 180_224].slice(0, pick % 3)) writeSync(file, bytes, 0, sizeBytes, offset);
  closeSync(file);
}

function dress(path: Buffer, plan: NodePlan, limits: TreeLimits): void {
  const { kind, mode, uid, gid, seconds, nanoseconds } = plan;
  if (process.getuid!() === 0) lchownSync(path, Math.min(uid, limits.maxId), Math.min(gid, limits.maxId));
  if (plan.hasXattr && limits.hasXattrs && kind !== 'symlink' && kind !== 'fifo') {
    native().xattrSet(path, Buffer.from('user.note'), Buffer.from([plan.pick & 0xff, 10, 0, 61, 255]));
  }
  // Whoever packs it, root or not, must be able to read it.
  if (kind !== 'symlink') chmodSync(path, mode | (kind === 'dir' ? 0o700 : 0o400));
  const second = Math.min(Math.max(seconds, limits.minSeconds), limits.maxSeconds);
  native().setTimes(path, second, limits.hasNanoseconds ? nanoseconds : 0);
}
