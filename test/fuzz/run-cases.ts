import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TargetName } from './targets.js';
import { watch } from './watch.js';

const LOOP = fileURLToPath(new URL('./case-loop.js', import.meta.url));
/** No case takes more than a second on an idle machine, nor ten under a sanitizer. */
const HANG_MS = 120_000;
/** What the cases of one process may keep or need at once (§16). The heap has a hard limit besides. */
const MOST_GROWN_KIB = 64 * 1024;
/** Then another one begins: what a heap keeps for a while is not taken for growth. */
const CASES_PER_PROCESS = 5000;
const HEAP = ['--max-old-space-size=128', '--max-semi-space-size=4'];

export interface Run {
  readonly target: TargetName;
  /** Number of the first case; the others follow it. */
  readonly seed: number;
  readonly count: number;
  /** No case begins after that. */
  readonly seconds?: number;
  readonly perProcess?: number;
}

export interface Ran {
  readonly cases: number;
  readonly processes: number;
  /** How far the peak of memory rose in one process, at most. */
  readonly grownKib: number;
}

/**
 * Runs cases in processes of their own, one after the other.
 * @throws Error that names the case and how to see it again
 */
export async function runCases({
  target,
  seed,
  count,
  seconds = 3600,
  perProcess = CASES_PER_PROCESS,
}: Run): Promise<Ran> {
  const deadline = performance.now() + seconds * 1000;
  let [cases, processes, grownKib] = [0, 0, 0];
  while (cases < count && performance.now() < deadline) {
    const left = (deadline - performance.now()) / 1000;
    const ran = await runProcess(target, seed + cases, Math.min(perProcess, count - cases), left);
    cases += ran.cases;
    grownKib = Math.max(grownKib, ran.grownKib);
    processes++;
  }
  return { cases, processes, grownKib };
}

async function runProcess(
  target: TargetName,
  seed: number,
  count: number,
  seconds: number,
): Promise<{ readonly cases: number; readonly grownKib: number }> {
  const args = [...HEAP, LOOP, target, String(seed), String(count), String(seconds)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { cases, lastSeed, grownKib, ending, output } = await watch(child, HANG_MS);
  if (ending !== 'ended')
    throw new Error(`${target} ${lastSeed} ${ending}; again: npm run fuzz -- ${target} ${lastSeed}\n${output}`);
  if (grownKib > MOST_GROWN_KIB) throw new Error(`${target} from ${seed} on: ${cases} cases took ${grownKib} KiB more`);
  return { cases, grownKib };
}

/** Another one each time. */
export function freshSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}
