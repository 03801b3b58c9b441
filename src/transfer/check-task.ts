import type { LayerPlace } from './rootfs-tasks.js';

/** Holds a layer against its sidecar. The layer's lock is held, shared. */
export interface CheckTask {
  readonly kind: 'check';
  /** Its state word ends the task; see `control.ts`. */
  readonly control: SharedArrayBuffer;
  readonly layer: LayerPlace;
  /** Look at names, types, sizes, modes and times alone, and read neither contents nor attributes. */
  readonly quick: boolean;
}

/** One thing that is not as the sidecar says. */
export interface LayerProblem {
  readonly kind:
    | 'missing'
    | 'extra'
    | 'type'
    | 'mode'
    | 'size'
    | 'time'
    | 'links'
    | 'target'
    | 'attribute'
    | 'content'
    | 'unreadable'
    | 'sidecar';
  /** Name of the entry, printable form. */
  readonly entry: string;
  readonly expected?: string;
  readonly got?: string;
}

/** What a {@link CheckTask} found. */
export interface CheckedLayer {
  readonly entries: number;
  /** Bytes of files that were read. */
  readonly bytes: number;
  /** Problems in all, of which {@link first} holds the first 20. */
  readonly problems: number;
  readonly first: readonly LayerProblem[];
}
