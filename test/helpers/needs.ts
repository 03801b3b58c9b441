import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * For `{ skip: needs('skopeo') }` of a test.
 * @returns false when the program is on PATH, else the reason to skip
 * @throws Error instead of a reason where `CI` is set: nothing is skipped there
 */
export function needs(program: string): false | string {
  if (isOnPath(program)) return false;
  const reason = `needs the program ${program}`;
  if (process.env['CI']) throw new Error(`${reason}, and nothing is skipped in CI`);
  return reason;
}

/**
 * For tests that mount a file system of user space as root; the one thing that is skipped in CI too, where the kernel or the
 * container lacks it.
 * @throws Error instead of a reason for another user where `CI` is set
 */
export function needsMounts(): false | string {
  if (!existsSync('/dev/fuse')) return 'needs /dev/fuse';
  if (process.getuid?.() === 0) return false;
  const reason = 'needs root to see true owners in a mount';
  if (process.env['CI']) throw new Error(`${reason}, and nothing is skipped in CI`);
  return reason;
}

/** For tests that mount a small file system of their own; like {@link needsMounts}, skipped in CI too. */
export function needsTmpfs(): false | string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder], { stdio: 'ignore' });
    execFileSync('umount', [folder]);
    return false;
  } catch {
    return 'needs to mount a tmpfs';
  } finally {
    rmdirSync(folder);
  }
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => folder !== '')
    .some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
