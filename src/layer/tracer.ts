import { threadId } from 'node:worker_threads';
import { now, type Span, type SpanName } from '../spans.js';

/** Keeps what a thread did and when, for `--trace`; steps may lie within steps. */
export interface Tracer {
  /** Runs a step. @returns what it returns */
  span<T>(name: SpanName, step: () => T): T;
  /** What an outcome says of it: the steps in the order in which they ended. */
  report(): { readonly spans?: readonly Span[] };
}

/** What keeps nothing. */
export const UNTRACED: Tracer = { span: (_, step) => step(), report: () => ({}) };

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
    report: () => ({ spans }),
  };
}
