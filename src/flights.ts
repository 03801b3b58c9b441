import { setMaxListeners } from 'node:events';
import { SluiceError } from './errors.js';
import { Events } from './events.js';
import type { Budget } from './transfer/protocol.js';

/** One run of shared work. */
export interface Flight {
  /** Fires when the last waiter has left. */
  readonly signal: AbortSignal;
  /** Reaches every waiter. */
  readonly events: Events;
  /** Whether all who wait at this moment let others overtake them (registry R75). */
  isBulk(): boolean;
}

/** What a waiter brings. */
export interface Waiter {
  readonly signal: AbortSignal | undefined;
  readonly events: Events;
  isBulk(): boolean;
  /** The limits that the work runs under when this call starts it. */
  readonly budget: Budget;
  /** Whether a failure of work that another call started says nothing of what this call would meet. */
  isAnothers(error: SluiceError): boolean;
}

/**
 * Concurrent calls with one key share one run; it is cancelled only when the last of them leaves. A call joins a run only
 * when that has no limit above its own, and starts one of its own when the failure of another's is no matter of it
 * (registry R119).
 */
export interface Flights<T> {
  /** @throws SluiceError ABORTED for a waiter that leaves, and what the work throws */
  share(key: string, waiter: Waiter, work: (flight: Flight) => Promise<T>): Promise<T>;
}

interface Running<T> extends Flight {
  readonly budget: Budget;
  readonly result: Promise<T>;
  readonly waiters: Set<Waiter>;
  readonly leave: (waiter: Waiter) => void;
}

export function createFlights<T>(): Flights<T> {
  const running = new Map<string, Set<Running<T>>>();
  const forget = (key: string, flight: Running<T>): void => {
    const flights = running.get(key);
    if (flights?.delete(flight) && flights.size === 0) running.delete(key);
  };

  const start = (key: string, waiter: Waiter, work: (flight: Flight) => Promise<T>): Running<T> => {
    const controller = new AbortController();
    const waiters = new Set([waiter]);
    const flight: Flight = {
      signal: controller.signal,
      events: new Events(),
      isBulk: () => [...waiters].every((one) => one.isBulk()),
    };
    const shared: Running<T> = {
      ...flight,
      budget: waiter.budget,
      waiters,
      result: work(flight).finally(() => forget(key, shared)),
      leave: (one) => {
        waiters.delete(one);
        if (waiters.size > 0) return;
        forget(key, shared);
        controller.abort();
      },
    };
    running.set(key, (running.get(key) ?? new Set()).add(shared));
    return shared;
  };

  return {
    share: async (key, waiter, work) => {
      const { signal, events, budget } = waiter;
      for (;;) {
        if (signal?.aborted) throw new SluiceError('ABORTED', 'cancelled');
        const found = [...(running.get(key) ?? [])].find((flight) => isWithin(flight.budget, budget));
        const flight = found ?? start(key, waiter, work);
        flight.waiters.add(waiter);
        const unsubscribe = flight.events.subscribe((event) => events.forward(event));
        try {
          return await (signal ? untilAborted(flight, waiter, signal) : flight.result);
        } catch (error) {
          const isOver = found === undefined || signal?.aborted || !(error instanceof SluiceError);
          if (isOver || !waiter.isAnothers(error)) throw error;
        } finally {
          unsubscribe();
          flight.waiters.delete(waiter);
        }
      }
    },
  };
}

/** Whether no limit is above that of the other budget. */
function isWithin(budget: Budget, other: Budget): boolean {
  return (Object.keys(other) as (keyof Budget)[]).every((option) => budget[option] <= other[option]);
}

/** The last waiter to leave sees the work end, so that nothing runs on after its call. */
async function untilAborted<T>(flight: Running<T>, waiter: Waiter, signal: AbortSignal): Promise<T> {
  let leave: (() => void) | undefined;
  // One signal may cancel any number of calls; Node would print a warning from the eleventh on.
  setMaxListeners(0, signal);
  const left = new Promise<'left'>((resolve) => {
    leave = () => resolve('left');
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    const first = await Promise.race([flight.result, left]);
    if (first !== 'left') return first;
    flight.leave(waiter);
    if (flight.waiters.size === 0) return await flight.result;
    throw new SluiceError('ABORTED', 'cancelled');
  } finally {
    if (leave) signal.removeEventListener('abort', leave);
  }
}
