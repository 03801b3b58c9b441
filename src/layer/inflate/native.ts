import { native } from '../../native.js';
import type { Inflater, InflateStatus } from './inflater.js';

/** A decoder of the addon. @param decoder one of the addon's `inflaters()` */
export function openNativeInflater(decoder: string): Inflater {
  const addon = native();
  const handle = addon.inflaterOpen(decoder);
  const result = new Int32Array(2);
  return {
    run(input, inputStart, output, outputStart): InflateStatus {
      const status = addon.inflaterRun(
        handle,
        input,
        inputStart,
        input.length,
        output,
        outputStart,
        output.length,
        result,
      );
      return status === 0 ? 'more' : status === 1 ? 'ended' : 'malformed';
    },
    get consumed() {
      return result[0]!;
    },
    get produced() {
      return result[1]!;
    },
    reset: () => addon.inflaterReset(handle),
    close: () => addon.inflaterClose(handle),
  };
}
