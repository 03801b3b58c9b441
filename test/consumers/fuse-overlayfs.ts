import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

/** No call to the mount hangs longer: it is then cut off by force. */
const PATIENCE_SECONDS = 90;

/** Unmounts when its input ends, as it does when this process dies, or when patience ends. */
const GUARD = `timeout ${PATIENCE_SECONDS} cat >/dev/null; umount -f "$0" 2>/dev/null || umount -l "$0" 2>/dev/null; true`;

/**
 * Mounts layers with fuse-overlayfs until the test is over, read-only, owners and modes from `user.containers.override_stat`.
 * The directories go by other names: before 1.15 it takes every colon for the end of one.
 * @param directories of layers, bottom to top
 * @returns the mount point
 */
export async function mountLayers(t: Cleanup, directories: readonly string[]): Promise<string> {
  let unmount = (): Promise<unknown> => Promise.resolve();
  t.after(async () => void (await unmount())); // before the directory goes: hooks run in the order they are registered
  const folder = temporaryDirectory(t, 'sluice-mount');
  const names = directories.map((directory, at) => {
    const name = join(folder, String(at));
    symlinkSync(directory, name);
    return name;
  });
  const point = join(folder, 'root');
  mkdirSync(point);
  const guard = spawn('sh', ['-c', GUARD, point], { stdio: ['pipe', 'ignore', 'ignore'] });
  unmount = async () => {
    guard.stdin!.end();
    if (guard.exitCode === null) await once(guard, 'exit');
  };
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
