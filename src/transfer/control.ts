/**
 * The shared words of one layer's extraction: the state that aborts it, and counters the main thread samples for
 * progress. Layout: Int32 state, then three Float64 counters from byte 8 on.
 */
const BYTES = 32;
const RUNNING = 0;
const ABORTED = 1;

export interface Progress {
  /** Packed bytes read. */
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  readonly entries: number;
}

export interface Control {
  readonly buffer: SharedArrayBuffer;
  readonly isAborted: () => boolean;
  readonly abort: () => void;
  readonly reportBytes: (packedBytes: number, unpackedBytes: number) => void;
  readonly reportEntries: (entries: number) => void;
  readonly progress: () => Progress;
}

/** Makes the words, or looks at those another thread made. */
export function openControl(buffer: SharedArrayBuffer = new SharedArrayBuffer(BYTES)): Control {
  const state = new Int32Array(buffer, 0, 1);
  const counters = new Float64Array(buffer, 8, 3);
  return {
    buffer,
    isAborted: () => Atomics.load(state, 0) !== RUNNING,
    abort: () => void Atomics.store(state, 0, ABORTED),
    reportBytes: (packedBytes, unpackedBytes) => {
      counters[0] = packedBytes;
      counters[1] = unpackedBytes;
    },
    reportEntries: (entries) => void (counters[2] = entries),
    progress: () => ({ packedBytes: counters[0]!, unpackedBytes: counters[1]!, entries: counters[2]! }),
  };
}
