/**
 * One step of a layer's way through a worker. Bytes are pushed as they come and must be used before `push` returns;
 * `end` is called once, after the last byte, unless a push has thrown.
 */
export interface Stage {
  push(bytes: Uint8Array): void;
  end(): void;
}

/** A stage that owns a decoder. */
export interface Decompress extends Stage {
  /** Frees the decoder, whether or not the bytes ended; calling it twice is harmless. */
  close(): void;
}

/** A stage whose bytes may also be made in place: fill {@link slab}, then {@link emit}. */
export interface SlabStage extends Stage {
  /** The buffer to fill next, the same until {@link emit}. */
  slab(): Uint8Array;
  /** Hands on the first `length` bytes of the slab. */
  emit(length: number): void;
  /** Whether a slab that is not full would be of use now. */
  isHungry(): boolean;
}

/** It fits a core's second-level cache, and is so large that what is done once for each hardly counts. */
export const SLAB_BYTES: number = 512 * 1024;

/** One slab, used up by the next stage whenever it is handed on. */
export function createSlab(next: Stage): SlabStage {
  let slab: Uint8Array | null = null;
  const own = (): Uint8Array => (slab ??= new Uint8Array(SLAB_BYTES));
  return {
    slab: own,
    emit: (length) => next.push(own().subarray(0, length)),
    isHungry: () => true,
    push: (bytes) => next.push(bytes),
    end: () => next.end(),
  };
}
