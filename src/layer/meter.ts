import { SluiceError } from '../errors.js';
import type { Budget } from '../transfer/protocol.js';
import type { Resource, Usage } from '../transfer/usage.js';
import type { PlainCost } from './plain.js';

/**
 * Counts what a layer costs. Every method throws SluiceError BUDGET_EXCEEDED before the write that would exceed a limit
 * of the layer, or of all layers of the call together.
 */
export interface Meter {
  /** A header of any kind, or an implied directory (B4). */
  header(): void;
  /** The logical size of one file (B2, B3). */
  file(sizeBytes: number): void;
  /**
   * Many headers and files at once. It never throws.
   * @returns false, and nothing is counted, when one of them would exceed a limit
   */
  admits(cost: PlainCost): boolean;
  /** The length of the tar stream so far, and of what it came out of (B2, B6). */
  stream(producedBytes: number, consumedBytes: number): void;
}

/**
 * @param usage what the call's other layers add to as well
 * @param doing what costs it, for the error
 */
export function createMeter(budget: Budget, usage: Usage, doing = 'extracting the layer'): Meter {
  const { maxFileBytes, maxRatio, ratioGraceBytes } = budget;
  let entries = 0;
  let fileBytes = 0;
  let streamBytes = 0;
  const exceeded = (rule: string, option: keyof Budget, value: number, what: string): SluiceError =>
    new SluiceError('BUDGET_EXCEEDED', { message: `${doing}: ${what}`, rule, limit: { option, value } });
  const admit = (resource: Resource, amount: number, own: number, option: 'maxEntries' | 'maxUnpackedBytes'): void => {
    const { rule, what } = SUMS[resource];
    const value = budget[option];
    if (own > value) throw exceeded(rule, option, value, `the layer has more than ${value} ${what}`);
    const sum = usage.add(resource, amount);
    if (sum > value) throw exceeded(rule, option, value, `the image's layers have more than ${value} ${what}`);
  };
  return {
    header: () => admit('entries', 1, ++entries, 'maxEntries'),
    file: (sizeBytes) => {
      if (sizeBytes > maxFileBytes) throw exceeded('B3', 'maxFileBytes', maxFileBytes, `a file of ${sizeBytes} bytes`);
      admit('fileBytes', sizeBytes, (fileBytes += sizeBytes), 'maxUnpackedBytes');
    },
    admits: (cost) => {
      if (cost.largestFileBytes > maxFileBytes) return false;
      if (!usage.addWithin('entries', cost.entries, budget.maxEntries)) return false;
      if (!usage.addWithin('fileBytes', cost.fileBytes, budget.maxUnpackedBytes)) {
        usage.add('entries', -cost.entries);
        return false;
      }
      entries += cost.entries;
      fileBytes += cost.fileBytes;
      return true;
    },
    stream: (producedBytes, consumedBytes) => {
      const more = producedBytes - streamBytes;
      streamBytes = producedBytes;
      admit('streamBytes', more, producedBytes, 'maxUnpackedBytes');
      if (producedBytes > ratioGraceBytes && producedBytes > consumedBytes * maxRatio) {
        throw exceeded('B6', 'maxRatio', maxRatio, `${producedBytes} bytes came out of ${consumedBytes}`);
      }
    },
  };
}

const SUMS: Readonly<Record<Resource, { readonly rule: string; readonly what: string }>> = {
  entries: { rule: 'B4', what: 'entries' },
  fileBytes: { rule: 'B2', what: 'bytes of files' },
  streamBytes: { rule: 'B2', what: 'unpacked bytes' },
};
