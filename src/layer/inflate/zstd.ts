import { createRequire } from 'node:module';
import type * as Zstd from 'zstd-napi/binding.js';
import { SluiceError } from '../../errors.js';
import type { Inflater, InflateStatus } from './inflater.js';

/**
 * zstd's own streaming decoder, one frame a member, skippable frames too (RFC 8878). It refuses windows beyond 2^27
 * bytes, frames that need a dictionary, and wrong checksums (extraction C5).
 * @throws SluiceError COMPRESSION_UNSUPPORTED where the optional package is not installed
 */
export function openZstdInflater(): Inflater {
  const zstd = load();
  const context = spare.pop() ?? createContext(zstd);
  let isOpen = true;
  let consumed = 0;
  let produced = 0;
  return {
    run(input, inputStart, output, outputStart): InflateStatus {
      consumed = produced = 0;
      try {
        const [missing, written, taken] = context.decompressStream(
          output.subarray(outputStart),
          input.subarray(inputStart),
        );
        consumed = taken;
        produced = written;
        return missing === 0 ? 'ended' : 'more';
      } catch {
        return 'malformed';
      }
    },
    get consumed() {
      return consumed;
    },
    get produced() {
      return produced;
    },
    reset: () => context.reset(zstd.ResetDirective.sessionOnly),
    close: () => {
      if (!isOpen) return;
      isOpen = false;
      context.reset(zstd.ResetDirective.sessionOnly);
      spare.push(context);
    },
  };
}

/**
 * Contexts of this thread that nobody uses. Nothing but a turn of the event loop frees one, with its window of up to 128
 * MiB, and a busy worker has none: so they are used again.
 */
const spare: Zstd.DCtx[] = [];

function createContext(zstd: typeof Zstd): Zstd.DCtx {
  const context = new zstd.DCtx();
  context.setParameter(zstd.DParameter.windowLogMax, 27);
  return context;
}

/** Whether {@link openZstdInflater} would succeed. */
export function isZstdAvailable(): boolean {
  try {
    load();
    return true;
  } catch {
    return false;
  }
}

let loaded: typeof Zstd | undefined;

function load(): typeof Zstd {
  try {
    loaded ??= createRequire(import.meta.url)('zstd-napi/binding.js') as typeof Zstd;
    return loaded;
  } catch (cause) {
    throw new SluiceError(
      'COMPRESSION_UNSUPPORTED',
      {
        message: 'decompressing the layer: it is zstd, and the package "zstd-napi" is not installed',
        hint: 'Install zstd-napi beside Sluice (npm install zstd-napi), or convert the image, e.g. with skopeo copy.',
        rule: 'C5',
      },
      { cause },
    );
  }
}
