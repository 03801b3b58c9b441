import { isImageFault, SluiceError } from '../errors.js';
import type { Admit } from './members.js';
import type { SlabStage } from './stage.js';

/**
 * Holds back the next stage's fault of the image until the packed stream is decoded to its end, what still comes out being
 * dropped. So damage of the packed bytes is what is named, and not what it made of the tar stream: decoders notice it at
 * different places, and pushes show it to the next stage sooner or later (extraction C4, D5). A budget that is exceeded
 * meanwhile ends the decoding, and the fault stands.
 */
export function holdFault(next: SlabStage, admit: Admit): { readonly held: SlabStage; readonly admitted: Admit } {
  let fault: SluiceError | null = null;
  let dropped: Uint8Array | null = null;
  const attempt = (step: () => void): void => {
    if (fault) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof SluiceError) || !isImageFault(error.code)) throw error;
      fault = error;
    }
  };
  return {
    held: {
      slab() {
        let slab: Uint8Array | null = null;
        attempt(() => void (slab = next.slab()));
        return slab ?? (dropped ??= new Uint8Array(DROPPED_BYTES));
      },
      emit: (length) => attempt(() => next.emit(length)),
      isHungry: () => !fault && next.isHungry(),
      push: (bytes) => attempt(() => next.push(bytes)),
      end() {
        if (fault) throw fault;
        next.end();
      },
    },
    admitted(produced, consumed) {
      try {
        admit(produced, consumed);
      } catch (error) {
        throw fault ?? error;
      }
    },
  };
}

/** Room for what is decoded and used by nobody. */
const DROPPED_BYTES = 64 * 1024;
