import { isImageFault, type ErrorCode } from '../errors.js';
import { openControl, type Progress } from './control.js';
import { abortPackedChunks, createPackedChunks } from './packed-chunks.js';
import type { Pool } from './pool.js';
import type { ApplyWork, DecodeWork, Outcome, Pipeline } from './protocol.js';
import { abortSlabs, createSlabs } from './slabs.js';

/** One layer's extraction in the pool. */
export interface Extraction {
  readonly outcome: Promise<Outcome>;
  readonly progress: () => Progress;
  /** The threads end soon; a ring of packed bytes is its owner's to abort. */
  readonly abort: () => void;
}

/** Starts a layer in one thread, or both its halves in the same turn, so that none waits for a thread that the other has. */
export function startExtraction(
  pool: Pool,
  work: Omit<DecodeWork & ApplyWork, 'control'>,
  pipeline: Exclude<Pipeline, 'auto'>,
): Extraction {
  const control = openControl();
  const task = { ...work, control: control.buffer };
  if (pipeline === 'one') {
    const outcome = pool.run({ kind: 'extract', ...task });
    return { outcome, progress: control.progress, abort: control.abort };
  }
  const slabs = createSlabs();
  const packed = work.blob.kind === 'file' ? createPackedChunks() : null;
  const abort = (): void => {
    control.abort();
    abortSlabs(slabs);
    if (packed) abortPackedChunks(packed);
  };
  /** A half that died has told the other nothing. */
  const watch = async <Facts>(half: Promise<Outcome<Facts>>): Promise<Outcome<Facts>> => {
    const outcome = await half;
    if (outcome.kind === 'failed' && outcome.error.code === 'LAYER_FAILED') abort();
    return outcome;
  };
  const decoded = watch(pool.run({ kind: 'decode', ...task, slabs, packed }));
  const applied = watch(pool.run({ kind: 'apply', ...task, slabs, packed }));
  return {
    outcome: Promise.all([decoded, applied]).then(([a, b]) => joinHalves(a, b)),
    progress: control.progress,
    abort,
  };
}

/** As in one thread, a fault of the blob counts before one of what is in it, and a budget's or the machine's that came first. */
export function joinHalves(decoded: Outcome<null>, applied: Outcome): Outcome {
  const spans = [...(decoded.spans ?? []), ...(applied.spans ?? [])];
  const said = { warnings: [...decoded.warnings, ...applied.warnings], ...(spans.length > 0 && { spans }) };
  if (applied.kind === 'done' && decoded.kind === 'done') return { ...applied, ...said };
  if (applied.kind === 'done') return { ...(decoded as Outcome & { kind: 'failed' }), ...said };
  if (decoded.kind === 'done') return { ...applied, ...said };
  const { code } = applied.error;
  const isDecodeFirst = code === 'ABORTED' || (isImageFault(code) && OUTWEIGHS_REFUSAL.has(decoded.error.code));
  return { ...(isDecodeFirst ? decoded : applied), ...said };
}

/** The blob itself is at fault, and so it says nothing what stands in it (extraction D5). */
const OUTWEIGHS_REFUSAL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DIGEST_MISMATCH',
  'SIZE_MISMATCH',
  'COMPRESSION_MALFORMED',
  'STORE_FAILED',
]);
