import { IMPLIED_LINE } from '../oci/sidecar.js';
import type { FindImpliedTask } from '../transfer/rootfs-tasks.js';
import { sidecarHolds } from './sidecar-file.js';

/** Digests of the layers that have implied directories: image commit costs nothing for the others (P3). */
export function findImplied({ layers }: FindImpliedTask): readonly string[] {
  return layers.filter(({ sidecar }) => sidecarHolds(sidecar, `\n${IMPLIED_LINE}\n`)).map(({ digest }) => digest);
}
