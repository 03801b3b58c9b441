import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Sidecar, SidecarEntry } from '../consumers/sidecar.js';
import { assertLines, expectedHostLine, hostLine, type Node } from '../differential/independent.js';
import { fullPath, type HostNode } from '../differential/tree.js';
import { crc32c } from '../native/script.js';

/** The tree on disk is what its sidecar says, path by path (§13). */
export function assertAgree(root: string, tree: readonly HostNode[], sidecar: Sidecar): void {
  const hashes = new Map(tree.map(({ path, sha256 }) => [path, sha256]));
  const names = namesByPath(sidecar.entries);
  const expected = sidecar.entries.map((entry) =>
    nodeOf(entry, names.get(entry.path)!, hashes.get(entry.path) ?? null),
  );
  assertLines(tree.map(hostLine), expected.map(expectedHostLine), 'tree and sidecar differ');
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

function nodeOf(entry: SidecarEntry, names: readonly string[], sha256: string | null): Node {
  const { path, type, time, xattrs } = entry;
  const nanoseconds = ((time % SECOND) + SECOND) % SECOND;
  return {
    ...entry,
    kind: type === 'link' ? 'sym' : (type as Node['kind']),
    seconds: Number((time - nanoseconds) / SECOND),
    nanoseconds: Number(nanoseconds),
    size: entry.size ?? 0,
    sha256,
    target: entry.link,
    isMarker: type === 'file' && path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.'),
    names,
    xattrs: xattrs
      .filter(({ isSet, name }) => isSet || name === 'security.capability')
      .map(({ name, value }) => [name, value.toString('latin1')] as const),
  };
}
