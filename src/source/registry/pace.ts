import { SluiceError } from '../../errors.js';
import type { Asked } from './status.js';
import type { Timing } from './timing.js';

/** How fast the bytes of one blob come, over all its requests (R73). */
export interface Pace {
  /** Whether connections that stand proved too slow. */
  readonly isSlow: boolean;
  /**
   * A body begins; time counts only while one is awaited.
   * @param cut ends it, with TOO_SLOW, when less came than the floor: may pass twice in a row, is final the third time
   * @returns to be called when it has ended
   */
  begin(cut: (error: SluiceError) => void): () => void;
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

export function createPace({ sizeBytes, floor, blobsInFlight, asked, timing }: PaceOptions): Pace {
  const isWatched = floor > 0 && sizeBytes > LEAST_BYTES;
  const bodies = new Set<(error: SluiceError) => void>();
  /** Milliseconds of the window with a body awaited, up to `since`. */
  let activeMs = 0;
  let since = 0;
  let windowBytes = 0;
  let sharers = 1;
  let slow = 0;
  let disarm = (): void => undefined;

  const watch = (): void => {
    since = timing.monotonic();
    sharers = Math.max(sharers, blobsInFlight.count);
    if (isWatched) disarm = timing.alarm(WINDOW_MS - activeMs, judge);
  };
  const judge = (): void => {
    const rate = (windowBytes / (activeMs + timing.monotonic() - since)) * 1000;
    const isFastEnough = rate >= floor / sharers;
    slow = isFastEnough ? 0 : slow + 1;
    [activeMs, windowBytes, sharers] = [0, 0, 1];
    watch();
    if (isFastEnough) return;
    for (const cut of bodies) cut(tooSlow(rate));
  };
  const tooSlow = (rate: number): SluiceError =>
    new SluiceError('TOO_SLOW', {
      message: `reading a blob of "${asked.repository}" from ${asked.host}: ${Math.round(rate)} bytes a second`,
      rule: 'registry R73',
      limit: { option: 'rateFloor', value: floor },
      ...(slow >= MOST_SLOW && { tries: slow }),
    });

  return {
    get isSlow() {
      return slow > 0;
    },
    begin: (cut) => {
      bodies.add(cut);
      if (bodies.size === 1) {
        blobsInFlight.count++;
        watch();
      }
      return () => {
        if (!bodies.delete(cut) || bodies.size > 0) return;
        blobsInFlight.count--;
        disarm();
        activeMs += timing.monotonic() - since;
      };
    },
    arrive: (bytes) => {
      windowBytes += bytes;
      sharers = Math.max(sharers, blobsInFlight.count);
    },
  };
}
