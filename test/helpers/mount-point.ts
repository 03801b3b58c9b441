import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory, type Cleanup } from './temporary.js';

/** No call to the mount hangs longer: it is then cut off by force. */
export const PATIENCE_SECONDS = 90;

/** Unmounts when its input ends, as it does when this process dies, or when patience ends. */
const GUARD = `timeout ${PATIENCE_SECONDS} cat >/dev/null; umount -f "$0" 2>/dev/null || umount -l "$0" 2>/dev/null; true`;

/**
 * A directory for a file system of user space, which is unmounted when the test is over.
 * @returns the mount point, and an own directory beside it for what it is mounted from
 */
export function makeMountPoint(t: Cleanup): { readonly point: string; readonly folder: string } {
  let unmount = (): Promise<unknown> => Promise.resolve();
  t.after(async () => void (await unmount())); // before the directory goes: hooks run in the order they are registered
  const folder = temporaryDirectory(t, 'sluice-mount');
  const point = join(folder, 'root');
  mkdirSync(point);
  const guard = spawn('sh', ['-c', GUARD, point], { stdio: ['pipe', 'ignore', 'ignore'] });
  unmount = async () => {
    guard.stdin!.end();
    if (guard.exitCode === null) await once(guard, 'exit');
  };
  return { point, folder };
}
