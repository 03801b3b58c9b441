import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** What became of a process that names each case before it begins. */
export interface Watched {
  readonly cases: number;
  readonly lastSeed: number | null;
  /** How far the peak of its memory rose after the first cases, in KiB. */
  readonly grownKib: number;
  readonly ending: 'ended' | 'failed' | 'hung';
  readonly output: string;
}

/** Until the first case. */
const START_MS = 120_000;

/**
 * Waits for a process, and kills it when it begins no new case in a long time.
 * @param child with stdout and stderr piped
 */
export async function watch(child: ChildProcess, limitMs: number): Promise<Watched> {
  let cases = 0;
  let lastSeed: number | null = null;
  let grownKib = 0;
  let isHung = false;
  let output = '';
  const kill = (): void => {
    isHung = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(kill, START_MS);
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output += text));
  createInterface(child.stdout!).on('line', (line) => {
    clearTimeout(timer);
    timer = setTimeout(kill, limitMs);
    const [word, value] = line.split(' ');
    if (word === 'grown') grownKib = Number(value);
    if (word !== 'case') return;
    cases++;
    lastSeed = Number(value);
  });
  const [code] = await new Promise<readonly [number | null]>((resolve) => {
    child.once('close', (status) => resolve([status]));
  });
  clearTimeout(timer);
  return { cases, lastSeed, grownKib, ending: isHung ? 'hung' : code === 0 ? 'ended' : 'failed', output };
}
