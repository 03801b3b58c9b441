import { join } from 'node:path';
import type { Contender, SelfReport, Work } from '../contenders/contender.js';
import { digestTrees } from '../tree/digest-trees.js';
import type { SampleLine } from '../record.js';
import type { Place } from './place.js';
import { runMeasured, type Cost, type Ended } from './run-measured.js';

/** What was measured, and what was written meanwhile. */
export type Sample = Pick<SampleLine, 'seconds' | 'cpuSeconds' | 'peakBytes' | 'entries' | 'bytes' | 'digest'>;

/**
 * Takes one sample: empty folder, fresh process, then a look at what it wrote.
 * @throws Error when the contender fails
 */
export async function takeSample(
  contender: Contender,
  task: Omit<Work, 'out'>,
  { place, signal }: { readonly place: Place; readonly signal: AbortSignal },
): Promise<Sample> {
  const work = { ...task, out: place.emptyOut() };
  await using daemon = (await contender.start?.(work)) ?? null;
  const ended = await runMeasured(contender.command(work), join(place.path, 'time'), signal);
  if (ended.status !== 0) throw new Error(lastWords(ended));
  const cost = daemon ? together(ended, daemon.cost()) : pickCost(ended);
  if (contender.trees) return { ...cost, ...digestTrees(await contender.trees(work)) };
  const { seconds = cost.seconds, entries, bytes } = JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as SelfReport;
  return { ...cost, seconds, entries, bytes, digest: null };
}

function pickCost({ seconds, cpuSeconds, peakBytes }: Cost): Cost {
  return { seconds, cpuSeconds, peakBytes };
}

function together(client: Cost, daemon: Pick<Cost, 'cpuSeconds' | 'peakBytes'>): Cost {
  const { seconds, cpuSeconds, peakBytes } = client;
  return {
    seconds,
    cpuSeconds: cpuSeconds === null ? daemon.cpuSeconds : cpuSeconds + (daemon.cpuSeconds ?? 0),
    peakBytes: peakBytes === null ? daemon.peakBytes : Math.max(peakBytes, daemon.peakBytes ?? 0),
  };
}

/** The line that tells of the error, else the last one. */
function lastWords({ status, stderr }: Ended): string {
  const lines = stderr.trim().split('\n');
  const line = (lines.find((one) => /^error/i.test(one)) ?? lines.at(-1)!).slice(0, 300);
  return `${status === null ? 'it was killed' : `it ended with status ${status}`}${line === '' ? '' : `: ${line}`}`;
}
