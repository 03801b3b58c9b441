import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Sidecar, SidecarEntry } from '../consumers/sidecar.js';
import type { Cleanup } from '../helpers/temporary.js';
import type { StatFormat } from '../../src/transfer/protocol.js';
import type { HostNode } from './tree.js';

/** One path as the second reading of a layer has it. */
export interface Node {
  readonly path: string;
  readonly kind: 'file' | 'dir' | 'sym' | 'char' | 'block' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly size: number;
  readonly sha256: string | null;
  readonly target: string | null;
  readonly device: readonly [number, number] | null;
  readonly isImplied: boolean;
  readonly isMarker: boolean;
  readonly names: readonly string[];
  readonly xattrs: readonly (readonly [name: string, value: string])[];
}

export type IndependentReading =
  | { readonly refused: string }
  | { readonly nodes: readonly Node[]; readonly deferred: readonly (readonly [string, string])[] };

const scriptOf = (name: string): string =>
  fileURLToPath(new URL(`../../../test/differential/${name}`, import.meta.url));

/** Reads a layer, gzipped or not, with python's tarfile and the rules in their plainest form. */
export function readIndependently(archive: string): IndependentReading {
  const output = execFileSync('python3', [scriptOf('read-layer.py')], {
    input: `${archive}\n`,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  return JSON.parse(output) as IndependentReading;
}

/** The same as {@link readIndependently} many times, by one process that ends after the test. */
export function createIndependentReader(t: Cleanup): (archive: string) => Promise<IndependentReading> {
  return createAnswerer(t, 'read-layer.py');
}

/** Composes layers likewise. The function takes archives, bottom to top. */
export function createIndependentComposer(t: Cleanup): (archives: readonly string[]) => Promise<IndependentReading> {
  const answer = createAnswerer(t, 'compose-layers.py');
  return (archives) => answer(archives.join('\t'));
}

function createAnswerer(t: Cleanup, script: string): (line: string) => Promise<IndependentReading> {
  const child = spawn('python3', [scriptOf(script)], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => void child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return async (line) => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    assert.ok(!done, 'python answers');
    return JSON.parse(value) as IndependentReading;
  };
}

/** The tree and the sidecar are what the second reading says, path by path. */
export function assertSame(
  reading: IndependentReading,
  tree: readonly HostNode[],
  sidecar: Sidecar,
  message?: string,
): void {
  assert.ok('nodes' in reading, message);
  assertLines(
    tree.map(hostLine),
    reading.nodes.map((node) => expectedHostLine(node)),
    message,
  );
  assertLines(sidecar.entries.map(sidecarLine), reading.nodes.map(expectedSidecarLine), message);
  assert.deepEqual(
    sidecar.deferred.map(({ path, target }) => [path, target]),
    reading.deferred,
    message,
  );
}

/** The same for a composed root, in which an implied directory is complete (P3). */
export function assertSameRoot(
  reading: IndependentReading,
  tree: readonly HostNode[],
  { entries }: Pick<Sidecar, 'entries'>,
): void {
  assert.ok('nodes' in reading);
  const complete = reading.nodes.map((node) => ({ ...node, isImplied: false }));
  assertLines(
    tree.map(hostLine),
    complete.map((node) => expectedHostLine(node)),
    'the composed roots differ',
  );
  assertLines(entries.map(sidecarLine), reading.nodes.map(expectedSidecarLine), 'the composed sidecars differ');
}

const SHOWN = 20;

/** The first differences alone: a diff of a whole layer takes minutes. */
export function assertLines(got: readonly string[], wanted: readonly string[], message = 'the trees differ'): void {
  const [gotSet, wantedSet] = [new Set(got), new Set(wanted)];
  const extra = got.filter((line) => !wantedSet.has(line));
  const missing = wanted.filter((line) => !gotSet.has(line));
  if (extra.length > 0 || missing.length > 0) assert.deepEqual(extra.slice(0, SHOWN), missing.slice(0, SHOWN), message);
  assert.equal(got.length, wanted.length, message);
}

const EARLIEST = -(2n ** 31n) * 1_000_000_000n;
const LATEST = 15_032_385_535n * 1_000_000_000n;
const TYPE_BITS = { file: 0o100000, dir: 0o040000, char: 0o020000, block: 0o060000, fifo: 0o010000 } as const;

function timeOf({ seconds, nanoseconds }: Node): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

/** What of a node does not depend on who extracts. */
export function hostLine(node: Omit<HostNode, 'owner'>): string {
  const { path, type, mode, override, size, sha256, target, time, names, xattrs } = node;
  const shownMode = type === 'sym' ? '' : mode.toString(8);
  return JSON.stringify([path, type, shownMode, override, size, sha256, target, String(time), names, xattrs]);
}

/** What the host must show of it (M1 to M6, M11 to M13, M18). */
export function expectedHostLine(node: Node, stat: StatFormat = 'containers'): string {
  const { path, kind, target, names } = node;
  const isPlain = kind === 'file' || kind === 'dir' || kind === 'sym';
  const time = timeOf(node);
  return hostLine({
    path,
    type: isPlain ? kind : 'file',
    mode: hostMode(node),
    override: stat === 'sidecar' ? null : overrideOf(node, stat),
    size: node.size,
    sha256: isPlain ? node.sha256 : EMPTY_SHA256,
    target,
    time: time < EARLIEST ? EARLIEST : time > LATEST ? LATEST : time,
    names,
    xattrs: stat === 'sidecar' ? [] : hostXattrs(node),
  });
}

export const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** M1, M5, W2. */
function hostMode({ kind, mode, isMarker }: Node): number {
  if (kind === 'sym') return 0o777;
  if (kind === 'dir') return (mode & 0o777) | 0o700;
  return kind === 'file' && !isMarker ? (mode & 0o777) | 0o600 : 0o600;
}

/** M2, M5, M6, P1. */
function overrideOf({ kind, mode, uid, gid, device, isImplied }: Node, stat: StatFormat): string | null {
  if (kind === 'sym' || isImplied) return null;
  const base = `${uid}:${gid}:0${(TYPE_BITS[kind] | mode).toString(8)}`;
  const isDevice = kind === 'char' || kind === 'block';
  if (stat === 'libkrun') return isDevice ? `${base}:${deviceNumber(device!)}` : base;
  return `${base}${kind === 'fifo' ? ':pipe' : isDevice ? `:${kind}-${device![0]}-${device![1]}` : ''}`;
}

/** Linux's `dev_t` (M5). */
function deviceNumber([major, minor]: readonly [number, number]): bigint {
  const [maj, min] = [BigInt(major), BigInt(minor)];
  return (min & 0xffn) | (maj << 8n) | ((min & ~0xffn) << 12n);
}

const FORGEABLE = /^user\.(overlay|fuseoverlayfs|containers|msb)\./;

/** M11, M12, M13. */
function hostXattrs({ kind, isMarker, xattrs }: Node): readonly (readonly [string, string])[] {
  if (isMarker || (kind !== 'file' && kind !== 'dir')) return [];
  return xattrs
    .filter(([name]) => (name.startsWith('user.') && !FORGEABLE.test(name)) || name === 'security.capability')
    .map(([name, value]): readonly [string, string] => [
      name === 'security.capability' ? 'user.containers.override_security.capability' : name,
      value,
    ])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function sidecarLine(entry: SidecarEntry): string {
  const { path, type, device, mode, uid, gid, size, names, time, link, isImplied, hardlink, xattrs } = entry;
  const shown = xattrs.map(({ name, value }) => [name, value.toString('latin1')]);
  const fixed = [path, type, device, mode, uid, gid, size, names, String(time), link, isImplied, hardlink];
  return JSON.stringify([...fixed, shown]);
}

function expectedSidecarLine(node: Node): string {
  const { path, kind, names, size } = node;
  return JSON.stringify([
    path,
    kind === 'sym' ? 'link' : kind,
    node.device,
    node.mode,
    node.uid,
    node.gid,
    kind === 'file' ? size : null,
    names.length,
    String(timeOf(node)),
    node.target,
    node.isImplied,
    names[0] === path ? null : names[0],
    node.xattrs,
  ]);
}
