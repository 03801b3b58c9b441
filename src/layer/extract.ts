import { parseDigest } from '../oci/digest.js';
import { openControl } from '../transfer/control.js';
import type { ExtractTask, LayerFacts, Outcome } from '../transfer/protocol.js';
import { openUsage, type Usage } from '../transfer/usage.js';
import { readBlob } from './blob.js';
import { createDecode } from './decode.js';
import { createMeter } from './meter.js';
import { createSlab } from './stage.js';
import { discardTree, layerError, openStagedLayer } from './staged-layer.js';
import { createTracer, type Tracer } from './tracer.js';
import { createDiffIdVerifier } from './verify.js';
import { createWarnings, type Warnings } from './warnings.js';

/**
 * Extracts one layer into `<staging>/tree` and writes `<staging>/mtree`, verified to the last byte and synced. On any
 * failure the staging directory is emptied, and the failure is the outcome: this function does not throw.
 * @param read pushes the blob's bytes; tests feed other chunks than a file gives
 */
export function extractLayer(task: ExtractTask, read: typeof readBlob = readBlob): Outcome {
  const warnings = createWarnings();
  const tracer = createTracer(task.isTraced);
  const usage = openUsage(task.usage);
  try {
    const facts = extract(task, { usage, warnings, tracer, read });
    return { kind: 'done', facts, warnings: warnings.list(), ...tracer.report() };
  } catch (error) {
    usage.release();
    discardTree(task.staging);
    return { kind: 'failed', error: layerError(error, task).toData(), warnings: warnings.list(), ...tracer.report() };
  }
}

interface Surroundings {
  readonly usage: Usage;
  readonly warnings: Warnings;
  readonly tracer: Tracer;
  readonly read: typeof readBlob;
}

function extract(task: ExtractTask, { usage, warnings, tracer, read }: Surroundings): LayerFacts {
  const control = openControl(task.control);
  const digest = parseDigest(task.digest);
  const diffId = parseDigest(task.diffId);
  const meter = createMeter(task.budget, usage);
  const staged = openStagedLayer(task, { meter, warnings, tracer });
  try {
    const { apply } = staged;
    const verified = createDiffIdVerifier(diffId, createSlab(apply), tracer);
    const decode = createDecode({ ...task, digest, meter, warnings, tracer, open: () => verified });
    try {
      const report = (packedBytes: number): void => {
        control.reportBytes(packedBytes, decode.unpackedBytes);
        control.reportEntries(apply.entries);
      };
      read(task.blob, control, decode, report, { tracer });
    } finally {
      decode.close();
    }
    return staged.finish(decode.unpackedBytes);
  } finally {
    staged.close();
  }
}
