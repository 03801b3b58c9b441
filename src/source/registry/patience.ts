import { SluiceError } from '../../errors.js';
import { waitBeforeRetry } from './retry.js';
import type { Timing } from './timing.js';

/** How much may still go wrong with one blob; all its requests share it (R54, R71, R82). */
export interface Patience {
  /** Bytes that were not there before. */
  gain(bytes: number): void;
  /** Grows with each failure that counts; taken when a request begins. */
  readonly round: number;
  /**
   * A request failed: waits until a new one makes sense. Requests that ran at once and fail at once are one failure: a blob
   * that is read in two ranges must not give up twice as early.
   * @param round when the request began
   * @throws SluiceError the failure when it won't pass or too many came in a row; ABORTED
   */
  fail(error: SluiceError, round: number, signal: AbortSignal): Promise<void>;
  /**
   * The place a redirect led to refused: the registry is asked again at once.
   * @throws SluiceError the refusal when too many came in a row
   */
  refuse(error: SluiceError): void;
  /**
   * A whole body came where a part was asked for, and its beginning is thrown away.
   * @throws SluiceError BLOB_INCOMPLETE when that is done too often: the cost is quadratic
   */
  skip(): void;
}

/** New bytes after which a blob has all its tries again. */
const GAIN_BYTES = 64 * 1024;
const MOST_REFUSALS = 3;
const MOST_SKIPS = 3;

export function createPatience(timing: Timing): Patience {
  let failures = 0;
  let refusals = 0;
  let skips = 0;
  let gainedBytes = 0;
  let round = 0;
  return {
    get round() {
      return round;
    },
    gain: (bytes) => {
      gainedBytes += bytes;
      if (gainedBytes < GAIN_BYTES) return;
      gainedBytes = 0;
      failures = 0;
      refusals = 0;
    },
    fail: (error, begun, signal) => {
      if (begun === round) {
        round++;
        failures++;
      }
      return waitBeforeRetry(error, Math.max(1, failures), timing, signal);
    },
    refuse: (error) => {
      if (++refusals > MOST_REFUSALS) throw error.with({ tries: refusals });
    },
    skip: () => {
      if (++skips <= MOST_SKIPS) return;
      throw new SluiceError('BLOB_INCOMPLETE', {
        message: `resuming a blob: the registry broke off and began from the first byte ${skips} times`,
        rule: 'registry R82',
        tries: skips,
      });
    },
  };
}
