import { threadId } from 'node:worker_threads';
import { now, type Span, type SpanName } from '../spans.js';

/** Keeps what a thread did and when, for `--trace`; steps may lie within steps. */
export interface Tracer {
  /** Runs a step. @returns what it returns */
  span<T>(name: SpanName, step: () => T): T;
  /** In the order in which the steps ended. */
  list(): readonly Span[];
}

/** What keeps nothing. */
export const UNTRACED: Tracer = { span: (_, step) => step(), list: () => [] };

export function createTracer(isTraced = false): Tracer {
  if (!isTraced) return UNTRACED;
  const spans: Span[] = [];
  return {
    span: (name, step) => {
      const startUs = now();
      try {
        return step();
      } finally {
        spans.push({ name, thread: threadId, startUs, durationUs: now() - startUs });
      }
    },
    list: () => spans,
  };
}
