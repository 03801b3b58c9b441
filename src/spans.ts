/** Steps of a pull that a trace shows. */
export type SpanName =
  'resolve' | 'download' | 'wait' | 'read' | 'inflate' | 'hash' | 'apply' | 'second pass' | 'sync' | 'commit';

/** When one step ran. */
export interface Span {
  readonly name: SpanName;
  /** 0: the main thread, where steps of several layers run side by side. */
  readonly thread: number;
  /** By the machine's monotonic clock, the same in all threads. */
  readonly startUs: number;
  readonly durationUs: number;
}

/** Microseconds of the monotonic clock. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1000;
}

/** Times a step of the main thread. @param record is told when the step ends, also of one that fails */
export async function timed<T>(
  name: SpanName,
  record: ((span: Span) => void) | null,
  step: () => Promise<T>,
): Promise<T> {
  const startUs = now();
  try {
    return await step();
  } finally {
    record?.({ name, thread: 0, startUs, durationUs: now() - startUs });
  }
}
