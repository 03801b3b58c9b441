import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where corpora lie and contenders write. */
export interface Place extends Disposable {
  readonly path: string;
  /** A new, empty directory; what the last one held is gone, and everything is written back. */
  emptyOut(): string;
}

/**
 * Opens a place: a tmpfs of its own where that can be mounted, else a directory.
 * @param under directory to make it in; no tmpfs is mounted then
 */
export function openPlace(under?: string): Place {
  const path = mkdtempSync(join(under ?? tmpdir(), 'sluice-bench-'));
  if (under === undefined) spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=80%,mode=0700', 'sluice-bench', path]);
  const out = join(path, 'out');
  return {
    path,
    emptyOut: () => {
      removeTree(out);
      mkdirSync(out);
      spawnSync('sync');
      return out;
    },
    [Symbol.dispose]: () => {
      removeTree(out);
      const isMounted = mountsBelow(path).includes(path);
      if (isMounted) unmountBelow(path);
      else removeTree(path);
      if (isMounted) rmdirSync(path);
    },
  };
}

/** Also what a contender left mounted, as container engines do, and what its owner can't enter. */
function removeTree(path: string): void {
  unmountBelow(path);
  if (process.getuid?.() !== 0) spawnSync('chmod', ['-R', 'u+rwX', path]);
  spawnSync('rm', ['-rf', path]);
}

function unmountBelow(path: string): void {
  for (const mount of mountsBelow(path).toReversed()) spawnSync('umount', ['-l', mount]);
}

/** Mount points at and below a path, in the order they were mounted. */
function mountsBelow(path: string): string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point === path || point.startsWith(`${path}/`));
}
