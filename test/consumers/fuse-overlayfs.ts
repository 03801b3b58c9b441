import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { makeMountPoint, PATIENCE_SECONDS } from '../helpers/mount-point.js';
import type { Cleanup } from '../helpers/temporary.js';

/**
 * Mounts layers with fuse-overlayfs until the test is over, read-only, owners and modes from `user.containers.override_stat`.
 * The directories go by other names: before 1.15 it takes every colon for the end of one.
 * @param directories of layers, bottom to top
 * @returns the mount point
 */
export function mountLayers(t: Cleanup, directories: readonly string[]): string {
  const { point, folder } = makeMountPoint(t);
  const names = directories.map((directory, at) => {
    const name = join(folder, String(at));
    symlinkSync(directory, name);
    return name;
  });
  const lowerdir = names.toReversed().join(':');
  execFileSync('fuse-overlayfs', ['-o', `lowerdir=${lowerdir},xattr_permissions=2`, point], {
    timeout: PATIENCE_SECONDS * 1000,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return point;
}

/** Whether the program on PATH is of this version or later. */
export function isFuseOverlayfs(major: number, minor: number): boolean {
  const text = execFileSync('fuse-overlayfs', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const [, foundMajor, foundMinor] = /fuse-overlayfs: version (\d+)\.(\d+)/.exec(text) ?? [];
  assert.ok(foundMajor && foundMinor, text);
  return Number(foundMajor) > major || (Number(foundMajor) === major && Number(foundMinor) >= minor);
}
