import type { CaseLine, LeftOutLine, RunLine, RunRecord, SampleLine } from '../record.js';

/** A run, as reports show it. */
export interface Summary {
  readonly run: RunLine;
  readonly cases: readonly CaseSummary[];
}

export interface CaseSummary extends CaseLine {
  /** Fastest first. */
  readonly rows: readonly Row[];
  readonly leftOut: readonly (LeftOutLine & { readonly title: string })[];
}

/** What one contender took in one case; warm-up rounds left out. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly isOurs: boolean;
  /** Whether others are compared with it. */
  readonly isBase: boolean;
  readonly seconds: readonly number[];
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Its median divided by the base's; null without a base. */
  readonly ratio: number | null;
  /** Median. */
  readonly cpuSeconds: number | null;
  /** The largest of all samples. */
  readonly peakBytes: number | null;
  readonly entries: number;
  readonly bytes: number;
  readonly digest: string | null;
  /** Whether every sample left the base's tree; null where there is nothing to compare. */
  readonly isSameTree: boolean | null;
}

/** @param text a run's raw output, one JSON value a line */
export function parseRecords(text: string): readonly RunRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as RunRecord);
}

/** @throws Error when the records do not begin with a run */
export function summarize(records: readonly RunRecord[]): Summary {
  const run = records.find((one) => one.kind === 'run');
  if (!run) throw new Error('the records hold no run');
  const cases = records.filter((one) => one.kind === 'case');
  return { run, cases: cases.map((one) => summarizeCase(one, records)) };
}

function summarizeCase(line: CaseLine, records: readonly RunRecord[]): CaseSummary {
  const samples = records.filter((one) => one.kind === 'sample').filter((one) => one.case === line.id && one.round > 0);
  const leftOut = records.filter((one) => one.kind === 'left-out').filter((one) => one.case === line.id);
  const isMeasured = (id: string): boolean => samples.some(({ contender }) => contender === id);
  const isLeftOut = (id: string): boolean => leftOut.some(({ contender }) => contender === id);
  const measured = line.contenders.filter(({ id }) => isMeasured(id) && !isLeftOut(id));
  const base = measured.find(({ isOurs }) => isOurs);
  const baseSamples = samples.filter(({ contender }) => contender === base?.id);
  const rows = measured.map((one) =>
    rowOf(
      one,
      one === base,
      samples.filter(({ contender }) => contender === one.id),
      baseSamples,
    ),
  );
  const titleOf = (id: string): string => line.contenders.find((one) => one.id === id)?.title ?? id;
  return {
    ...line,
    rows: rows.toSorted((a, b) => a.median - b.median),
    leftOut: leftOut.map((one) => ({ ...one, title: titleOf(one.contender) })),
  };
}

function rowOf(
  contender: CaseLine['contenders'][number],
  isBase: boolean,
  samples: readonly SampleLine[],
  base: readonly SampleLine[],
): Row {
  const seconds = samples.map((one) => one.seconds);
  const cpu = samples.map((one) => one.cpuSeconds).filter((one) => one !== null);
  const peaks = samples.map((one) => one.peakBytes).filter((one) => one !== null);
  const last = samples.at(-1)!;
  const expected = base[0]?.digest ?? null;
  return {
    ...contender,
    isBase,
    seconds,
    median: medianOf(seconds),
    least: Math.min(...seconds),
    most: Math.max(...seconds),
    ratio: base.length === 0 ? null : medianOf(seconds) / medianOf(base.map((one) => one.seconds)),
    cpuSeconds: cpu.length === 0 ? null : medianOf(cpu),
    peakBytes: peaks.length === 0 ? null : Math.max(...peaks),
    entries: last.entries,
    bytes: last.bytes,
    digest: last.digest,
    isSameTree: expected === null ? null : samples.every(({ digest }) => digest === expected),
  };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
