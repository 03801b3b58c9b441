import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { isProgram } from './programs.js';

/** A program with its arguments. */
export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What a process cost. */
export interface Cost {
  /** From before it is started until it has ended. */
  readonly seconds: number;
  /** User and system time of it and of all it waited for. */
  readonly cpuSeconds: number | null;
  /** Largest resident memory of any one process among them; null where GNU time is not installed. */
  readonly peakBytes: number | null;
}

export interface Ended extends Cost {
  /** 0 when it ended well; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const GNU_TIME = '/usr/bin/time';
const LIMIT_MS = 30 * 60 * 1000;

/**
 * Runs a command in a process of its own. A tiny parent (GNU time, else a shell) starts and reaps it: Linux counts the memory
 * of whoever calls exec towards the peak of what it starts, and Node's is larger than that of most contenders.
 * @param notes path of a file that the parent may write its numbers into
 */
export async function runMeasured(command: Command, notes: string, signal: AbortSignal): Promise<Ended> {
  signal.throwIfAborted();
  const hasTime = isProgram(GNU_TIME);
  const parent = hasTime
    ? [GNU_TIME, '-o', notes, '-f', '%U %S %M']
    : ['/bin/sh', '-c', '"$@"; status=$?; times > "$0"; exit $status', notes];
  const [program, ...words] = [...parent, ...command.argv];
  const start = performance.now();
  const child = spawn(program!, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...command.env },
  });
  const kill = (): void => killGroup(child.pid);
  const timer = setTimeout(kill, LIMIT_MS);
  signal.addEventListener('abort', kill, { once: true });
  try {
    const outputs = Promise.all([text(child.stdout), text(child.stderr)]);
    const [status] = (await once(child, 'exit')) as [number | null];
    const seconds = (performance.now() - start) / 1000;
    const [stdout, stderr] = await outputs;
    signal.throwIfAborted();
    return { seconds, ...(hasTime ? readTime(notes) : readTimes(notes)), status, stdout, stderr };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    rmSync(notes, { force: true });
  }
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The last line that GNU time wrote: user and system seconds, KiB. */
function readTime(path: string): Pick<Cost, 'cpuSeconds' | 'peakBytes'> {
  const [user, system, kib] = (readFileSync(path, 'utf8').trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { cpuSeconds: user! + system!, peakBytes: kib! * 1024 };
}

/** What the shell's `times` wrote: its own line, then that of its children, as `0m1.25s 0m0.50s`. */
function readTimes(path: string): Pick<Cost, 'cpuSeconds' | 'peakBytes'> {
  const children = readFileSync(path, 'utf8').trim().split('\n')[1] ?? '';
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds),
  );
  return { cpuSeconds: parts.reduce((sum, part) => sum + part, 0), peakBytes: null };
}
