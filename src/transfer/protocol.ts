import type { ErrorData } from '../errors.js';
import type { WarningPlace } from '../events.js';
import type { CheckedLayer, CheckTask } from './check-task.js';
import type { CompletedLayer, RootfsTask } from './rootfs-tasks.js';
import type { Span } from '../spans.js';

/** The decoders a caller may ask for. */
export type DecoderName = 'auto' | 'isal' | 'zlib' | 'pako';

/**
 * Limits of one layer (extraction B1 to B6), and B1, B2 and B4 of the call's whole image as well; every one is checked
 * before the write that would exceed it.
 */
export interface Budget {
  readonly maxCompressedBytes: number;
  readonly maxUnpackedBytes: number;
  readonly maxFileBytes: number;
  readonly maxEntries: number;
  readonly maxMetaBytes: number;
  readonly maxRatio: number;
  readonly ratioGraceBytes: number;
}

/** A file with a blob's first bytes, to which what comes from the ring is added. */
export interface PartialBlob {
  readonly path: string;
  /** Bytes that are there; the ring begins after them. */
  readonly length: number;
}

/** Where a layer's packed bytes come from: a ring that the main thread fills, or a range of a file. */
export type LayerBlob =
  | { readonly kind: 'ring'; readonly ring: SharedArrayBuffer; readonly partial?: PartialBlob }
  | { readonly kind: 'file'; readonly path: string; readonly offset: number; readonly length: number };

/** What every thread that works on a layer is told. */
export interface LayerTask {
  /** State word and counters, see `control.ts`. */
  readonly control: SharedArrayBuffer;
  /** Counters that all layers of the call share, see `usage.ts`. */
  readonly usage: SharedArrayBuffer;
  readonly digest: string;
  readonly diffId: string;
  /** The descriptor's size in bytes. */
  readonly sizeBytes: number;
  readonly budget: Budget;
  /** Whether to keep when each step ran. */
  readonly isTraced?: boolean;
}

/** From packed bytes to tar bytes. */
export interface DecodeWork extends LayerTask {
  readonly blob: LayerBlob;
  readonly mediaType: string;
  readonly decoder: DecoderName;
}

/** From tar bytes to `tree`, an empty directory inside `staging`. */
export interface ApplyWork extends LayerTask {
  /** Holds `tree/` and gets the sidecar. */
  readonly staging: string;
  readonly stat: StatFormat;
  /** Set what needs privileges too, where permitted (extraction M13, M15). */
  readonly privilegedXattrs: boolean;
  /** Find parents by walking alone, as on a kernel without openat2. */
  readonly walk: boolean;
  /** Whether the file system takes different names for one (extraction E15). */
  readonly folds: boolean;
  /** With whom the sync at the end is shared, see `sync-group.ts`; null: none. */
  readonly sync: SharedArrayBuffer | null;
}

/** Extracts one layer in one thread. */
export interface ExtractTask extends DecodeWork, ApplyWork {
  readonly kind: 'extract';
}

/** The first half of a layer whose other half is an {@link ApplyTask}; slabs lie between them, see `slabs.ts`. */
export interface DecodeTask extends DecodeWork, SharedMemory {
  readonly kind: 'decode';
}

export interface ApplyTask extends ApplyWork, SharedMemory {
  readonly kind: 'apply';
}

/** What the two halves of a layer share. */
interface SharedMemory {
  readonly slabs: SharedArrayBuffer;
  /** For the bytes of a blob that is a file, see `packed-chunks.ts`; null: the half that decodes hashes them alone. */
  readonly packed: SharedArrayBuffer | null;
}

/** Whether a layer is extracted by one thread or by two, and `auto` for what the schedule decides. */
export type Pipeline = 'auto' | 'one' | 'split';

/** How true owner and mode are kept on files (extraction M2, M5, M10). */
export type StatFormat = 'containers' | 'libkrun' | 'sidecar';

/** Removes directories that lie in `staging/` or `trash/`. */
export interface DiscardTask {
  readonly kind: 'discard';
  readonly paths: readonly string[];
}

export type Task = ExtractTask | DecodeTask | ApplyTask | DiscardTask | RootfsTask | CheckTask;

/** What each kind of task answers with when it is done. */
export interface TaskFacts {
  readonly extract: LayerFacts;
  readonly decode: null;
  readonly apply: LayerFacts;
  readonly discard: null;
  readonly 'find-implied': readonly string[];
  readonly complete: readonly CompletedLayer[];
  readonly compose: null;
  readonly check: CheckedLayer;
}

export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly count: number;
  readonly first: readonly WarningPlace[];
}

/** What is known of a layer once it is extracted; kept in the layer record. */
export interface LayerFacts {
  /** Length of the uncompressed tar stream in bytes. */
  readonly unpackedBytes: number;
  /** Entries of the archive, implied directories left out. */
  readonly entries: number;
  readonly composeRequired: boolean;
}

/** What a task has to say, however it ends. */
interface Report {
  readonly warnings: readonly Warning[];
  /** Of a traced layer. */
  readonly spans?: readonly Span[];
}

export type Outcome<Facts = LayerFacts> = Report &
  ({ readonly kind: 'done'; readonly facts: Facts } | { readonly kind: 'failed'; readonly error: ErrorData });
