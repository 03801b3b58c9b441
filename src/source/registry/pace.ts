import { SluiceError } from '../../errors.js';
import type { Asked } from './status.js';
import type { Timing } from './timing.js';

/** How fast the bytes of one blob come, over all its requests (R73). */
export interface Pace {
  /** Grows by one when the blob's requests are cut: whoever sees another value than at its begin belongs to them. */
  readonly cuts: number;
  /** Whether connections that stand proved too slow. */
  readonly isSlow: boolean;
  /** A body begins; time counts only while one is awaited. */
  begin(): void;
  end(): void;
  /** @throws SluiceError TOO_SLOW when less came than the floor: may pass twice in a row, is final the third time */
  arrive(bytes: number): void;
}

export interface PaceOptions {
  readonly sizeBytes: number;
  /** Bytes a second; 0 for none. */
  readonly floor: number;
  readonly blobsInFlight: { count: number };
  readonly asked: Asked;
  readonly timing: Timing;
}

const WINDOW_MS = 30_000;
/** Smaller blobs have the idle timer alone. */
const LEAST_BYTES = 1024 * 1024;
const MOST_SLOW = 3;

/** No timer runs: where no byte arrives at all, the idle timer ends the request (R72). */
export function createPace({ sizeBytes, floor, blobsInFlight, asked, timing }: PaceOptions): Pace {
  let bodies = 0;
  /** Milliseconds with a body awaited, up to `since`. */
  let activeMs = 0;
  let since = 0;
  let windowStart = 0;
  let windowBytes = 0;
  let sharers = 1;
  let slow = 0;
  let cuts = 0;

  const active = (): number => activeMs + (bodies > 0 ? timing.monotonic() - since : 0);
  const judge = (elapsedMs: number): void => {
    const rate = (windowBytes / elapsedMs) * 1000;
    const isFastEnough = rate >= floor / sharers;
    windowStart = active();
    windowBytes = 0;
    sharers = 1;
    slow = isFastEnough ? 0 : slow + 1;
    if (isFastEnough) return;
    cuts++;
    throw tooSlow(rate);
  };
  const tooSlow = (rate: number): SluiceError =>
    new SluiceError('TOO_SLOW', {
      message: `reading a blob of "${asked.repository}" from ${asked.host}: ${Math.round(rate)} bytes a second`,
      rule: 'registry R73',
      limit: { option: 'rateFloor', value: floor },
      ...(slow >= MOST_SLOW && { tries: slow }),
    });

  return {
    get cuts() {
      return cuts;
    },
    get isSlow() {
      return slow > 0;
    },
    begin: () => {
      if (bodies++ > 0) return;
      since = timing.monotonic();
      blobsInFlight.count++;
    },
    end: () => {
      if (--bodies > 0) return;
      activeMs += timing.monotonic() - since;
      blobsInFlight.count--;
    },
    arrive: (bytes) => {
      windowBytes += bytes;
      sharers = Math.max(sharers, blobsInFlight.count);
      const elapsedMs = active() - windowStart;
      if (floor > 0 && sizeBytes > LEAST_BYTES && elapsedMs >= WINDOW_MS) judge(elapsedMs);
    },
  };
}
