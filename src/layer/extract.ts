import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { fileSystemError, SluiceError } from '../errors.js';
import { native } from '../native.js';
import { parseDigest } from '../oci/digest.js';
import { formatSidecarHead } from '../oci/sidecar-head.js';
import { openControl } from '../transfer/control.js';
import type { ExtractTask, LayerFacts, Outcome } from '../transfer/protocol.js';
import { openUsage, type Usage } from '../transfer/usage.js';
import { createApply } from './apply.js';
import { readBlob } from './blob.js';
import { FLAG } from './commands.js';
import { createDecode } from './decode.js';
import { createMeter } from './meter.js';
import { Tree } from './tree.js';
import { readUmask } from './umask.js';
import { createDiffIdVerifier } from './verify.js';
import { createWarnings, type Warnings } from './warnings.js';

/** Names inside a staging directory. */
export const TREE = 'tree';
export const SIDECAR = 'mtree';

/**
 * Extracts one layer into `<staging>/tree` and writes `<staging>/mtree`, verified to the last byte and synced. On any
 * failure the staging directory is emptied, and the failure is the outcome: this function does not throw.
 * @param read pushes the blob's bytes; tests feed other chunks than a file gives
 */
export function extractLayer(task: ExtractTask, read: typeof readBlob = readBlob): Outcome {
  const warnings = createWarnings();
  const usage = openUsage(task.usage);
  try {
    return { kind: 'done', facts: extract(task, { usage, warnings, read }), warnings: warnings.list() };
  } catch (error) {
    usage.release();
    discardTree(task.staging);
    return { kind: 'failed', error: asError(error).with({ layer: task.digest }).toData(), warnings: warnings.list() };
  }
}

interface Surroundings {
  readonly usage: Usage;
  readonly warnings: Warnings;
  readonly read: typeof readBlob;
}

function extract(task: ExtractTask, { usage, warnings, read }: Surroundings): LayerFacts {
  const addon = native();
  const control = openControl(task.control);
  const diffId = parseDigest(task.diffId);
  const digest = parseDigest(task.digest);
  const bytesOf = (name: string): Uint8Array => Buffer.from(path.join(task.staging, name));
  mkdirSync(path.join(task.staging, TREE), { recursive: true });
  const writer = addon.writerOpen(bytesOf(TREE), Buffer.from(task.staging), task.walk, readUmask(), task.folds, 0);
  try {
    const meter = createMeter(task.budget, usage);
    const apply = createApply({
      tree: new Tree(addon, writer, warnings, flagsOf(task)),
      meter,
      maxMetaBytes: task.budget.maxMetaBytes,
      isPrivileged: task.privilegedXattrs,
      warnings,
    });
    const next = createDiffIdVerifier(diffId, apply);
    const decode = createDecode({ ...task, digest, meter, warnings, next });
    read(task.blob, control, decode, (packedBytes) => control.report(packedBytes, decode.unpackedBytes, apply.entries));
    const facts = {
      unpackedBytes: decode.unpackedBytes,
      entries: apply.entries,
      composeRequired: apply.composeRequired,
    };
    const head = formatSidecarHead({ digest, diffId, stat: task.stat, packedBytes: task.sizeBytes, ...facts });
    addon.writerFinish(writer, bytesOf(SIDECAR), head);
    if (task.sync) syncFileSystem(task.staging);
    return facts;
  } finally {
    addon.writerClose(writer);
  }
}

/** What every command of a layer carries. */
export function flagsOf({ stat, privilegedXattrs }: Pick<ExtractTask, 'stat' | 'privilegedXattrs'>): number {
  const form = stat === 'libkrun' ? FLAG.LIBKRUN : stat === 'sidecar' ? FLAG.NO_XATTR : 0;
  return form | (privilegedXattrs ? FLAG.PRIVILEGED : 0);
}

/** Everything of the layer is on disk before anyone may rename it into place. */
export function syncFileSystem(directory: string): void {
  const file = openSync(directory, 'r');
  try {
    native().syncfs(file);
  } finally {
    closeSync(file);
  }
}

/** Best effort: what stays is swept when a store is opened, and must not hide the first error. */
function discardTree(staging: string): void {
  try {
    native().removeTree(Buffer.from(path.join(staging, TREE)));
  } catch {
    return;
  }
}

function asError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const isSystem = error instanceof Error && 'syscall' in error;
  if (isSystem) return fileSystemError('extracting the layer', error);
  return new SluiceError('LAYER_FAILED', `extracting the layer: ${String(error)}`, { cause: error });
}
