import { setMaxListeners } from 'node:events';
import { SluiceError } from './errors.js';
import { Events } from './events.js';

/** One run of shared work. */
export interface Flight {
  /** Fires when the last waiter has left. */
  readonly signal: AbortSignal;
  /** Reaches every waiter. */
  readonly events: Events;
}

/** What a waiter brings. */
export interface Waiter {
  readonly signal: AbortSignal | undefined;
  readonly events: Events;
}

/** Concurrent calls with one key share one run; it is cancelled only when the last of them leaves. */
export interface Flights<T> {
  /** @throws SluiceError ABORTED for a waiter that leaves, and what the work throws */
  share(key: string, waiter: Waiter, work: (flight: Flight) => Promise<T>): Promise<T>;
}

interface Running<T> extends Flight {
  readonly result: Promise<T>;
  readonly leave: () => void;
  waiters: number;
}

export function createFlights<T>(): Flights<T> {
  const running = new Map<string, Running<T>>();

  const start = (key: string, work: (flight: Flight) => Promise<T>): Running<T> => {
    const controller = new AbortController();
    const flight: Flight = { signal: controller.signal, events: new Events() };
    const result = work(flight).finally(() => {
      if (running.get(key)?.result === result) running.delete(key);
    });
    const shared: Running<T> = {
      ...flight,
      result,
      waiters: 0,
      leave: () => {
        if (--shared.waiters > 0) return;
        if (running.get(key) === shared) running.delete(key);
        controller.abort();
      },
    };
    running.set(key, shared);
    return shared;
  };

  return {
    share: async (key, { signal, events }, work) => {
      if (signal?.aborted) throw new SluiceError('ABORTED', 'cancelled');
      const flight = running.get(key) ?? start(key, work);
      flight.waiters++;
      const unsubscribe = flight.events.subscribe((event) => events.forward(event));
      try {
        return await (signal ? untilAborted(flight, signal) : flight.result);
      } finally {
        unsubscribe();
      }
    },
  };
}

/** The last waiter to leave sees the work end, so that nothing runs on after its call. */
async function untilAborted<T>(flight: Running<T>, signal: AbortSignal): Promise<T> {
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
    flight.leave();
    if (flight.waiters === 0) return await flight.result;
    throw new SluiceError('ABORTED', 'cancelled');
  } finally {
    if (leave) signal.removeEventListener('abort', leave);
  }
}
