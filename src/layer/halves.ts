import { isImageFault, SluiceError } from '../errors.js';
import { parseDigest, type DigestHash } from '../oci/digest.js';
import { openControl } from '../transfer/control.js';
import type { ApplyTask, DecodeTask, LayerFacts, Outcome } from '../transfer/protocol.js';
import { openPackedChunks, type PackedChunks } from '../transfer/packed-chunks.js';
import { openSlabConsumer, openSlabProducer, type SlabConsumer, type SlabProducer } from '../transfer/slabs.js';
import { openUsage, type Usage } from '../transfer/usage.js';
import { readBlob } from './blob.js';
import { createDecode } from './decode.js';
import { createMeter } from './meter.js';
import { createSlab, type Stage } from './stage.js';
import { openSharedHash } from './shared-hash.js';
import { discardTree, layerError, openStagedLayer } from './staged-layer.js';
import { createTracer, type Tracer } from './tracer.js';
import { createDiffIdVerifier, verifyDiffId } from './verify.js';
import { createWarnings, type Warnings } from './warnings.js';

/**
 * The first half of a layer that two threads extract: its packed bytes become slabs of tar bytes. Like the other half it
 * does not throw, and with {@link applyLayer} it comes to the same as `extractLayer`.
 * @param read for tests that push other chunks than a blob gives
 */
export function decodeLayer(task: DecodeTask, read: typeof readBlob = readBlob): Outcome<null> {
  const warnings = createWarnings();
  const tracer = createTracer(task.isTraced);
  const usage = openUsage(task.usage);
  const slabs = openSlabProducer(task.slabs);
  try {
    decode(task, { slabs, usage, warnings, tracer, read });
    return { kind: 'done', facts: null, warnings: warnings.list(), ...tracer.report() };
  } catch (error) {
    slabs.fail();
    usage.release();
    return { kind: 'failed', error: layerError(error, task).toData(), warnings: warnings.list(), ...tracer.report() };
  }
}

interface Decoding {
  readonly slabs: SlabProducer;
  readonly usage: Usage;
  readonly warnings: Warnings;
  readonly tracer: Tracer;
  readonly read: typeof readBlob;
}

function decode(task: DecodeTask, { slabs, usage, warnings, tracer, read }: Decoding): void {
  const control = openControl(task.control);
  const digest = parseDigest(task.digest);
  const hash = openSharedHash(parseDigest(task.diffId), tracer);
  if (hash) slabs.hashWith(hash);
  const packed = openPacked(task, tracer);
  if (packed) slabs.whileIdle(packed.chunks.hashSome);
  const stage = createDecode({
    ...task,
    digest,
    ...(packed && { blobHash: packed.hash }),
    meter: createMeter(task.budget, usage),
    warnings,
    tracer,
    open: () => ({ ...slabs, slab: () => tracer.span('wait', slabs.slab) }),
  });
  try {
    const report = (packedBytes: number): void => control.reportBytes(packedBytes, stage.unpackedBytes);
    read(task.blob, control, stage, report, { tracer, ...(packed && { room: packed.chunks.next }) });
  } finally {
    stage.close();
  }
}

/** The second half: slabs of tar bytes become the staging tree. @see decodeLayer */
export function applyLayer(task: ApplyTask): Outcome {
  const warnings = createWarnings();
  const tracer = createTracer(task.isTraced);
  const usage = openUsage(task.usage);
  const slabs = openSlabConsumer(task.slabs);
  try {
    const facts = apply(task, { slabs, usage, warnings, tracer });
    return { kind: 'done', facts, warnings: warnings.list(), ...tracer.report() };
  } catch (error) {
    const failure = layerError(error, task);
    slabs.answer(isImageFault(failure.code) ? 'refused' : 'stopped');
    usage.release();
    discardTree(task.staging);
    return { kind: 'failed', error: failure.toData(), warnings: warnings.list(), ...tracer.report() };
  }
}

interface Applying {
  readonly slabs: SlabConsumer;
  readonly usage: Usage;
  readonly warnings: Warnings;
  readonly tracer: Tracer;
}

function apply(task: ApplyTask, { slabs, usage, warnings, tracer }: Applying): LayerFacts {
  const control = openControl(task.control);
  const diffId = parseDigest(task.diffId);
  const staged = openStagedLayer(task, { meter: createMeter(task.budget, usage), warnings, tracer });
  try {
    const hash = openSharedHash(diffId, tracer);
    if (hash) slabs.hashWith(hash);
    const packed = openPacked(task, tracer);
    if (packed) slabs.whileIdle(packed.chunks.hashSome);
    const stage: Stage = hash ? staged.apply : createDiffIdVerifier(diffId, createSlab(staged.apply), tracer);
    let unpackedBytes = 0;
    const next = (): Uint8Array | null => tracer.span('wait', slabs.read);
    for (let bytes = next(); bytes; bytes = next()) {
      if (control.isAborted()) throw new SluiceError('ABORTED', 'extracting the layer: cancelled');
      stage.push(bytes);
      unpackedBytes += bytes.length;
      slabs.release();
      control.reportEntries(staged.apply.entries);
    }
    if (hash) verifyDiffId(diffId, hash.digest(slabs.hashState()));
    stage.end();
    return staged.finish(unpackedBytes);
  } finally {
    staged.close();
  }
}

/** The blob's own digest, where both halves compute it. */
function openPacked(
  task: DecodeTask | ApplyTask,
  tracer: Tracer,
): { readonly chunks: PackedChunks; readonly hash: DigestHash } | null {
  const hash = task.packed && openSharedHash(parseDigest(task.digest), tracer);
  if (!task.packed || !hash) return null;
  const chunks = openPackedChunks(task.packed, hash);
  return {
    chunks,
    hash: { update: (bytes) => chunks.fill(bytes.length), digest: () => hash.digest(chunks.finish()) },
  };
}
