import { type ErrorCode, SluiceError } from '../../errors.js';
import { isPassing } from './classify.js';
import type { Timing } from './timing.js';

/** Tries of a metadata request, and of a blob between two gains. */
const TRIES = 5;

const BASE_MS = 250;
const BASE_RATE_LIMITED_MS = 1000;
const LONGEST_MS = 30_000;
/** A registry that asks for more patience than this gets none (R69). */
export const LONGEST_RETRY_AFTER_MS = 300_000;

/**
 * Runs the attempt again while its failures may pass (R66), at most {@link TRIES} times in all, with full jitter
 * between them (R68).
 * @throws SluiceError the last failure, with the number of tries
 */
export async function retry<T>(attempt: () => Promise<T>, timing: Timing, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = thrown instanceof SluiceError ? thrown : null;
      if (error === null) throw thrown;
      await waitBeforeRetry(error, tries, timing, signal);
    }
  }
}

/**
 * Waits until a new try makes sense.
 * @param tries that failed in a row, this one included
 * @throws SluiceError the failure itself when no new try makes sense, ABORTED when the signal fires
 */
export async function waitBeforeRetry(
  error: SluiceError,
  tries: number,
  timing: Timing,
  signal: AbortSignal,
): Promise<void> {
  if (!isPassing(error) || tries >= TRIES) throw error.with({ tries });
  const { retryAt } = error.detail;
  if (retryAt === undefined) return timing.sleep(backoffMs(error.code, tries, timing), signal);
  const waitMs = Math.max(0, Date.parse(retryAt) - timing.now());
  if (waitMs > LONGEST_RETRY_AFTER_MS) throw new SluiceError('RATE_LIMITED', { ...error.detail, tries });
  return timing.sleep(waitMs + timing.random() * 1000, signal);
}

/**
 * A wait anywhere between none and the full back-off: anything narrower lets clients come back together.
 * @param tries from 1 on
 */
export function backoffMs(code: ErrorCode, tries: number, timing: Timing): number {
  const baseMs = code === 'RATE_LIMITED' ? BASE_RATE_LIMITED_MS : BASE_MS;
  return timing.random() * Math.min(LONGEST_MS, baseMs * 2 ** (tries - 1));
}
