import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import { native } from '../native.js';
import { parseDigest } from '../oci/digest.js';
import { formatSidecarHead } from '../oci/sidecar-head.js';
import { openControl } from '../transfer/control.js';
import type { ApplyWork, LayerFacts } from '../transfer/protocol.js';
import { syncTogether } from '../transfer/sync-group.js';
import { createApply, type Apply } from './apply.js';
import { FLAG } from './commands.js';
import type { Meter } from './meter.js';
import type { Tracer } from './tracer.js';
import { Tree } from './tree.js';
import { readUmask } from './umask.js';
import type { Warnings } from './warnings.js';

/** Names inside a staging directory. */
export const TREE = 'tree';
export const SIDECAR = 'mtree';

/** A layer's staging tree while it is written. */
export interface StagedLayer {
  readonly apply: Apply;
  /** Writes the sidecar and syncs. @param unpackedBytes length of the tar stream */
  finish(unpackedBytes: number): LayerFacts;
  close(): void;
}

export function openStagedLayer(
  task: ApplyWork,
  { meter, warnings, tracer }: { readonly meter: Meter; readonly warnings: Warnings; readonly tracer: Tracer },
): StagedLayer {
  const addon = native();
  const bytesOf = (name: string): Uint8Array => Buffer.from(path.join(task.staging, name));
  mkdirSync(path.join(task.staging, TREE), { recursive: true });
  const writer = addon.writerOpen(bytesOf(TREE), Buffer.from(task.staging), task.walk, readUmask(), task.folds, 0);
  const tree = new Tree(addon, writer, warnings, flagsOf(task));
  const { isAborted } = openControl(task.control);
  tree.throwIfAborted = () => {
    if (isAborted()) throw new SluiceError('ABORTED', 'extracting the layer: cancelled');
  };
  const apply = createApply({
    tree,
    meter,
    maxMetaBytes: task.budget.maxMetaBytes,
    isPrivileged: task.privilegedXattrs,
    warnings,
  });
  return {
    apply: {
      push: (bytes) => tracer.span('apply', () => apply.push(bytes)),
      end: () => tracer.span('apply', () => apply.end()),
      get entries() {
        return apply.entries;
      },
      get composeRequired() {
        return apply.composeRequired;
      },
    },
    finish: (unpackedBytes) => {
      const facts = { unpackedBytes, entries: apply.entries, composeRequired: apply.composeRequired };
      const digests = { digest: parseDigest(task.digest), diffId: parseDigest(task.diffId) };
      const head = formatSidecarHead({ ...digests, stat: task.stat, packedBytes: task.sizeBytes, ...facts });
      const most = task.budget.maxUnpackedBytes;
      tracer.span('second pass', () =>
        withinBudget(most, 'extracting the layer', () => addon.writerFinish(writer, bytesOf(SIDECAR), head, most)),
      );
      const { sync } = task;
      if (sync) tracer.span('sync', () => syncFileSystem(task.staging, sync));
      return facts;
    },
    close: () => addon.writerClose(writer),
  };
}

/** The sidecar repeats attributes for each name of a file, so it is bounded by itself, as files and tar stream are (B2). */
export function withinBudget(value: number, doing: string, writeSidecar: () => void): void {
  try {
    writeSidecar();
  } catch (cause) {
    if (errnoOf(cause) !== 'EFBIG') throw cause;
    const message = `${doing}: its sidecar has more than ${value} bytes`;
    const limit = { option: 'maxUnpackedBytes', value };
    throw new SluiceError('BUDGET_EXCEEDED', { message, rule: 'B2', limit }, { cause });
  }
}

/** What every command of a layer carries. */
export function flagsOf({ stat, privilegedXattrs }: Pick<ApplyWork, 'stat' | 'privilegedXattrs'>): number {
  const form = stat === 'libkrun' ? FLAG.LIBKRUN : stat === 'sidecar' ? FLAG.NO_XATTR : 0;
  return form | (privilegedXattrs ? FLAG.PRIVILEGED : 0);
}

/** Everything of the layer is on disk before anyone may rename it into place. */
export function syncFileSystem(directory: string, group: SharedArrayBuffer): void {
  const file = openSync(directory, 'r');
  try {
    syncTogether(group, () => native().syncfs(file));
  } finally {
    closeSync(file);
  }
}

/** Best effort: what stays is swept when a store is opened, and must not hide the first error. */
export function discardTree(staging: string): void {
  try {
    native().removeTree(Buffer.from(path.join(staging, TREE)));
  } catch {
    return;
  }
}

/** Whatever ended a layer, as a typed error that names it. */
export function layerError(error: unknown, { digest }: { readonly digest: string }): SluiceError {
  return asError(error).with({ layer: digest });
}

function asError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const isSystem = error instanceof Error && 'syscall' in error;
  if (isSystem) return fileSystemError('extracting the layer', error);
  return new SluiceError('LAYER_FAILED', `extracting the layer: ${String(error)}`, { cause: error });
}
