import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Sidecar, SidecarEntry } from '../consumers/sidecar.js';
import { assertLines, expectedHostLine, hostLine, type Node } from '../differential/independent.js';
import { fullPath, type HostNode } from '../differential/tree.js';
import { crc32c } from '../native/script.js';

/** The tree on disk is what its sidecar says, path by path (§13). */
export function assertAgree(root: string, tree: readonly HostNode[], sidecar: Sidecar): void {
  const { stat } = sidecar.head;
  const hosts = new Map(tree.map((host) => [host.path, host]));
  const names = namesByPath(sidecar.entries);
  const hasFolds = sidecar.entries.some(({ folded }) => folded.length > 0);
  const expected = sidecar.entries.map((entry) =>
    nodeOf(entry, names.get(entry.path)!, hosts.get(entry.path), hasFolds),
  );
  assertLines(
    tree.map(hostLine),
    expected.map((node) => expectedHostLine(node, stat)),
    'tree and sidecar differ',
  );
  for (const { path, type, crc32c: noted, names: count } of sidecar.entries) {
    assert.equal(count, names.get(path)!.length, `names of ${path}`);
    if (type === 'file') assert.equal(noted, crc32c(readFileSync(fullPath(root, path))), `content of ${path}`);
  }
}

/** All names of each path's inode, sorted as the sidecar is. */
function namesByPath(entries: readonly SidecarEntry[]): ReadonlyMap<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { path, hardlink } of entries) {
    const group = hardlink === null ? [] : names.get(hardlink);
    assert.ok(group, `the first name of ${path} stands before it`);
    group.push(path);
    names.set(path, group);
  }
  return names;
}

const SECOND = 1_000_000_000n;

function nodeOf(entry: SidecarEntry, names: readonly string[], host: HostNode | undefined, hasFolds: boolean): Node {
  const { type, time, xattrs } = entry;
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return {
    ...entry,
    kind: type === 'link' ? 'sym' : (type as Node['kind']),
    seconds: Number((time - nanoseconds) / SECOND),
    nanoseconds: Number(nanoseconds),
    size: entry.size ?? 0,
    sha256: host?.sha256 ?? null,
    target: entry.link,
    isMarker: isMarker(entry, names, host, hasFolds),
    names,
    xattrs: xattrs
      .filter(({ isSet, name }) => isSet || name === 'security.capability')
      .map(({ name, value }) => [name, value.toString('latin1')] as const),
  };
}

/**
 * A marker's host mode is its own (W2). The host mode of a file that a marker is or was a name of is that of whichever came
 * last, and the sidecar does not tell which.
 */
function isMarker(
  { path, type, size }: SidecarEntry,
  names: readonly string[],
  host: HostNode | undefined,
  hasFolds: boolean,
): boolean {
  const isNamedSo = (name: string): boolean => name.slice(name.lastIndexOf('/') + 1).startsWith('.wh.');
  if (type !== 'file') return false;
  if (names.length === 1 && isNamedSo(path)) return true;
  return size === 0 && host?.mode === 0o600 && (hasFolds || names.some(isNamedSo));
}
