import { closeSync, openSync, writeSync } from 'node:fs';
import { SluiceError, type SluiceEvent } from '../index.js';

/** A file that is being filled with Chrome trace events. */
export interface Trace extends Disposable {
  add(event: Extract<SluiceEvent, { readonly kind: 'span' }>): void;
}

/**
 * Creates or empties the file, and completes it when it is disposed of. A worker thread is a track; on the main thread the
 * steps of several layers run side by side, so that each layer has one there.
 * @throws SluiceError CONFIG_INVALID when the file can't be written
 * @see the Trace Event Format, JSON object form, times in microseconds
 */
export function openTrace(path: string): Trace {
  const file = attempt(path, () => openSync(path, 'w'));
  const tracks = new Set<number>();
  let separator = '{"displayTimeUnit":"ms","traceEvents":[\n';
  const write = (text: string): void => void attempt(path, () => writeSync(file, text));
  const put = (event: object): void => {
    write(separator + JSON.stringify({ pid: 1, ...event }));
    separator = ',\n';
  };
  put({ ph: 'M', name: 'process_name', args: { name: 'sluice' } });
  return {
    add: ({ image, layer, span: { name, thread, startUs: ts, durationUs: dur } }) => {
      const args = { image, ...(layer !== undefined && { layer }) };
      if (thread === 0) {
        const step = { cat: 'main', id: layer ?? image, name, tid: 0 };
        put({ ph: 'b', ...step, ts, args });
        put({ ph: 'e', ...step, ts: ts + dur });
        return;
      }
      if (!tracks.has(thread)) put({ ph: 'M', name: 'thread_name', tid: thread, args: { name: `worker ${thread}` } });
      tracks.add(thread);
      put({ ph: 'X', cat: 'worker', name, tid: thread, ts, dur, args });
    },
    [Symbol.dispose]: () => {
      write('\n]}\n');
      closeSync(file);
    },
  };
}

function attempt<T>(path: string, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const message = `writing the trace ${JSON.stringify(path)}: ${errno}`;
    throw new SluiceError(
      'CONFIG_INVALID',
      { message, hint: 'Name a file that can be written with --trace.' },
      { cause },
    );
  }
}
