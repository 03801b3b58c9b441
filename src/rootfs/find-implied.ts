import type { FindImpliedTask } from '../transfer/rootfs-tasks.js';
import { hasImpliedDirectories } from './sidecar-file.js';

/** Digests of the layers that have implied directories: image commit costs nothing for the others (P3). */
export function findImplied({ layers }: FindImpliedTask): readonly string[] {
  return layers.filter(({ sidecar }) => hasImpliedDirectories(sidecar)).map(({ digest }) => digest);
}
