/** How many ranges of one blob are asked for at once (registry R86). */
export interface RangeWindow {
  readonly size: number;
  /** Looks anew; called as bytes arrive. */
  update(state: RangeState): void;
}

export interface RangeState {
  /** How long the reader has waited for bytes since it began. */
  readonly waitedMs: number;
  /** Whether as many ranges as the window allows are under way, and bytes of each have come: none waits for its turn. */
  readonly areAllArriving: boolean;
  /** How often the registry asked for patience or a connection broke, since the blob was begun. */
  readonly setbacks: number;
}

const LEAST = 2;
/** As many as one host gets connections for blobs (registry R74). */
const MOST = 6;
const STARVING_MS = 200;
const PERIOD_MS = 1000;

/**
 * Two at first; one more each time the reader waited for 200 ms within a second though all were arriving, and two again
 * after a setback.
 * @param most no more than these, whatever the reader lacks
 * @param clock in milliseconds; never goes back
 */
export function createRangeWindow(most: number = MOST, clock: () => number = () => performance.now()): RangeWindow {
  let size = LEAST;
  let since = clock();
  let starvedMs = 0;
  let seen: RangeState = { waitedMs: 0, areAllArriving: false, setbacks: 0 };
  const begin = (): void => {
    since = clock();
    starvedMs = 0;
  };
  return {
    get size() {
      return size;
    },
    update: (state) => {
      const { waitedMs, setbacks } = seen;
      const wasArriving = seen.areAllArriving;
      seen = state;
      if (state.setbacks !== setbacks) {
        size = LEAST;
        return begin();
      }
      if (clock() - since >= PERIOD_MS) begin();
      if (wasArriving && state.areAllArriving) starvedMs += state.waitedMs - waitedMs;
      if (starvedMs < STARVING_MS) return;
      size = Math.min(size + 1, Math.max(LEAST, Math.floor(Math.min(most, MOST))));
      begin();
    },
  };
}
