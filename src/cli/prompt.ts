import type { ReadStream } from 'node:tty';
import { SluiceError } from '../index.js';

export interface PromptOptions {
  /** Whether what is typed stays unseen. */
  readonly isSecret: boolean;
  readonly signal: AbortSignal;
}

const INTERRUPT = '\u0003';
const END_OF_TEXT = '\u0004';
const ERASE = new Set(['\b', '\u007f']);
const ERASE_LINE = '\u0015';

/**
 * Asks on the terminal for one line. The question goes to standard error, as results alone go to standard output.
 * @throws SluiceError ABORTED on Ctrl-C, or when the signal fires
 */
export async function askOnTerminal(question: string, { isSecret, signal }: PromptOptions): Promise<string> {
  const terminal: ReadStream = process.stdin;
  const wasRaw = terminal.isRaw;
  terminal.setRawMode(true).setEncoding('utf8').resume(); // before the question, lest the terminal echo a quick answer
  process.stderr.write(question);
  try {
    return await readLine(terminal, { isSecret, signal });
  } finally {
    terminal.setRawMode(wasRaw).pause();
    process.stderr.write('\n');
  }
}

function readLine(terminal: ReadStream, { isSecret, signal }: PromptOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    const settle = (finish: () => void): void => {
      terminal.off('data', onData).off('end', onEnd);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const onAbort = (): void => settle(() => reject(new SluiceError('ABORTED', 'interrupted')));
    const onEnd = (): void => settle(() => resolve(line));
    const show = (text: string): void => void (isSecret || process.stderr.write(text));
    const onData = (text: string): void => {
      for (const char of text) {
        if (char === INTERRUPT) return onAbort();
        if (char === '\r' || char === '\n' || char === END_OF_TEXT) return onEnd();
        if (ERASE.has(char)) {
          if (line !== '') show('\b \b');
          line = [...line].slice(0, -1).join('');
        } else if (char === ERASE_LINE) {
          show('\b \b'.repeat([...line].length));
          line = '';
        } else {
          show(char);
          line += char;
        }
      }
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    terminal.on('data', onData).on('end', onEnd);
  });
}
