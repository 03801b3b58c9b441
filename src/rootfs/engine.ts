import { SluiceError } from '../errors.js';
import type { Store, StoredLayer } from '../store/types.js';
import type { Pool } from '../transfer/pool.js';
import type { Outcome, Warning } from '../transfer/protocol.js';
import type { LayerPlace } from '../transfer/rootfs-tasks.js';
import type { Schedule } from '../transfer/schedule.js';

/** What tasks on whole images are run with. */
export interface RootfsEngine {
  readonly store: Store;
  readonly pool: Pool;
  readonly schedule: Schedule;
  readonly walk: boolean;
}

/**
 * Runs one task when a thread is free for it, before any layer that waits.
 * @throws SluiceError of the task that failed | ABORTED
 */
export async function runAlone<Facts>(
  { engine, signal }: { readonly engine: RootfsEngine; readonly signal: AbortSignal },
  run: () => Promise<Outcome<Facts>>,
): Promise<{ readonly facts: Facts; readonly warnings: readonly Warning[] }> {
  const announced = engine.schedule.announce(0, { goesFirst: true });
  try {
    await announced.waitForTurn('one', signal);
    const outcome = await run();
    if (outcome.kind === 'failed') throw SluiceError.fromData(outcome.error);
    return outcome;
  } finally {
    announced.leave();
  }
}

/** @param layer as the store answers it; its sidecar stands beside its directory (compat F6) */
export function placeOf({ digest, path, stat }: StoredLayer): LayerPlace {
  return { digest, directory: path, sidecar: path.replace(/\.extracted$/, '.mtree'), stat };
}
