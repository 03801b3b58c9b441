import type { Budget, StatFormat, Warning } from './protocol.js';

/** One layer of an image's stack on disk. */
export interface LayerPlace {
  readonly digest: string;
  /** `<layers>/<digest>.extracted` */
  readonly directory: string;
  /** `<layers>/<digest>.mtree` */
  readonly sidecar: string;
  readonly stat: StatFormat;
}

/** Tells which layers have implied directories; needs no lock. */
export interface FindImpliedTask {
  readonly kind: 'find-implied';
  readonly layers: readonly LayerPlace[];
}

/** Completes the implied directories of an image's layers (extraction P3 to P5). The layers' locks are held. */
export interface CompleteTask {
  readonly kind: 'complete';
  /** Bottom to top. */
  readonly layers: readonly LayerPlace[];
  /** Digests that {@link FindImpliedTask} answered. */
  readonly implied: readonly string[];
  /** With whom a sync is shared when anything was changed, see `sync-group.ts`; null: none. */
  readonly sync: SharedArrayBuffer | null;
}

/** What a {@link CompleteTask} found about one layer. */
export interface CompletedLayer {
  readonly digest: string;
  readonly warnings: readonly Warning[];
  /** The layer cannot simply be stacked in this image. */
  readonly needsCompose: boolean;
}

/** Builds one root file system of an image's layers in `<staging>/tree`, and its sidecar `<staging>/mtree`. */
export interface ComposeTask {
  readonly kind: 'compose';
  /** Its state word ends the task; see `control.ts`. */
  readonly control: SharedArrayBuffer;
  /** Bottom to top. */
  readonly layers: readonly LayerPlace[];
  /** An empty directory. */
  readonly staging: string;
  /** Find parents by walking alone, as on a kernel without openat2. */
  readonly walk: boolean;
  /** Whether the file system takes different names for one (extraction E15). */
  readonly folds: boolean;
  /** B2 to B4 count what is made; the rest bounds what is fetched, and has no say here. */
  readonly budget: Budget;
  readonly sync: SharedArrayBuffer | null;
}

export type RootfsTask = FindImpliedTask | CompleteTask | ComposeTask;
