import { SluiceError } from '../errors.js';
import type { Pipeline } from './protocol.js';

/** Decides which layer runs next, and in how many threads. */
export interface Schedule {
  /**
   * Tells of a layer that is to be extracted, before its turn is asked for: what is still to do decides (auto).
   * @param options `goesFirst` for work that is no layer, and that waits for none; `isBulk` for what waits for all others, asked
   * whenever a thread is free
   */
  announce(sizeBytes: number, options?: { readonly goesFirst?: boolean; readonly isBulk?: () => boolean }): Announced;
}

export interface Announced {
  /**
   * Waits until the layer may run; largest first among those that wait.
   * @throws SluiceError ABORTED
   */
  waitForTurn(pipeline: Pipeline, signal: AbortSignal): Promise<Turn>;
  /** The layer is done, failed, or was there already. */
  leave(): void;
}

export interface Turn {
  readonly pipeline: Exclude<Pipeline, 'auto'>;
  /** From now on, tells how many of the layer's packed bytes are done. */
  follow(packedBytesDone: () => number): void;
}

/** Starting a thread and handing slabs over costs more than splitting so small a layer could win. */
const LEAST_SPLIT_BYTES = 2 * 1024 * 1024;

/** A split layer takes a tenth more of the cores' time: its bytes go from one core's cache to another's. */
const SPLIT_COST = 1.1;

interface Layer {
  readonly sizeBytes: number;
  readonly goesFirst: boolean;
  readonly isBulk: () => boolean;
  state: 'announced' | 'waiting' | 'running' | 'gone';
  threads: number;
  done: () => number;
}

interface Waiter {
  readonly layer: Layer;
  readonly start: () => void;
}

/**
 * @param jobs layers that run at once; each takes two threads at most, so that a pool of twice as many has always one free
 * @param cores threads that can run at once
 */
export function createSchedule(jobs: number, cores: number): Schedule {
  const layers = new Set<Layer>();
  const waiters: Waiter[] = [];
  const inState = (state: Layer['state']): Layer[] => [...layers].filter((layer) => layer.state === state);

  /** Split when it would outlast the rest by more than that costs, or a core would stay idle. */
  const choosePipeline = (layer: Layer): Turn['pipeline'] => {
    if (layer.sizeBytes < LEAST_SPLIT_BYTES) return 'one';
    const bytesToDo = [...layers].reduce((sum, { sizeBytes, done }) => sum + Math.max(0, sizeBytes - done()), 0);
    const threads = inState('running').reduce((sum, running) => sum + running.threads, 0);
    const others = inState('announced').length + inState('waiting').length;
    return layer.sizeBytes * cores > bytesToDo * SPLIT_COST || threads + 1 + others < cores ? 'split' : 'one';
  };
  const take = (layer: Layer, wanted: Pipeline): Turn => {
    layer.state = 'gone'; // not one of the others
    const pipeline = wanted === 'auto' ? choosePipeline(layer) : wanted;
    layer.state = 'running';
    layer.threads = pipeline === 'split' ? 2 : 1;
    return { pipeline, follow: (done) => void (layer.done = done) };
  };
  const startNext = (): void => {
    const [first] = waiters;
    if (inState('running').length >= jobs || first === undefined) return;
    const next = waiters.reduce((best, waiter) => (isBefore(waiter.layer, best.layer) ? waiter : best), first);
    waiters.splice(waiters.indexOf(next), 1);
    next.start();
  };

  return {
    announce(sizeBytes, { goesFirst = false, isBulk = () => false } = {}) {
      const layer: Layer = { sizeBytes, goesFirst, isBulk, state: 'announced', threads: 0, done: () => 0 };
      layers.add(layer);
      return {
        waitForTurn(pipeline, signal) {
          if (signal.aborted) return Promise.reject(aborted());
          if (inState('running').length < jobs) return Promise.resolve(take(layer, pipeline));
          layer.state = 'waiting';
          return new Promise((resolve, reject) => {
            const waiter: Waiter = {
              layer,
              start: () => {
                signal.removeEventListener('abort', abandon);
                resolve(take(layer, pipeline));
              },
            };
            const abandon = (): void => {
              waiters.splice(waiters.indexOf(waiter), 1);
              reject(aborted());
            };
            signal.addEventListener('abort', abandon, { once: true });
            waiters.push(waiter);
          });
        },
        leave() {
          const wasRunning = layer.state === 'running';
          layer.state = 'gone';
          layers.delete(layer);
          if (wasRunning) startNext();
        },
      };
    },
  };
}

function isBefore(a: Layer, b: Layer): boolean {
  if (a.goesFirst !== b.goesFirst) return a.goesFirst;
  const isBulk = a.isBulk();
  return isBulk === b.isBulk() ? a.sizeBytes > b.sizeBytes : !isBulk;
}

function aborted(): SluiceError {
  return new SluiceError('ABORTED', 'waiting for a free thread: cancelled');
}
