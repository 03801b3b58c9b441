import type { RunLine } from '../record.js';
import type { CaseSummary, Row } from './summary.js';

/** Three digits that matter: `0.123 s`, `12.3 s`. */
export function formatSeconds(seconds: number): string {
  return `${threeDigits(seconds)} s`;
}

export function formatRatio(ratio: number | null): string {
  return ratio === null ? '' : `${ratio.toFixed(2)} ×`;
}

export function formatMiB(bytes: number | null): string {
  return bytes === null ? 'not measured' : `${threeDigits(bytes / 1024 ** 2)} MiB`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

function threeDigits(value: number): string {
  return value >= 100
    ? value.toFixed(0)
    : value >= 10
      ? value.toFixed(1)
      : value >= 1
        ? value.toFixed(2)
        : value.toFixed(3);
}

/** Heads of the columns that {@link cellsOf} fills. */
export const COLUMNS: readonly string[] = [
  'contender',
  'median',
  'least … most',
  '× Sluice',
  'CPU',
  'peak memory',
  'entries',
  'bytes',
  'tree',
];

/** A row as text. */
export function cellsOf(row: Row): readonly string[] {
  return [
    row.title,
    formatSeconds(row.median),
    `${threeDigits(row.least)} … ${threeDigits(row.most)}`,
    formatRatio(row.ratio),
    row.cpuSeconds === null ? 'not measured' : formatSeconds(row.cpuSeconds),
    formatMiB(row.peakBytes),
    formatCount(row.entries),
    formatMiB(row.bytes),
    treeOf(row),
  ];
}

function treeOf({ digest, isSameTree }: Row): string {
  if (digest === null) return '';
  return `${digest.slice(0, 8)}${isSameTree === null ? '' : isSameTree ? ' =' : ' ≠'}`;
}

/** What a case comes to, in one sentence. */
export function answerOf({ rows }: CaseSummary): string {
  const base = rows.find(({ isBase }) => isBase);
  const others = rows.filter(({ isOurs }) => !isOurs);
  if (!base) return 'Sluice could not take part.';
  const compared = [others.at(0), others.at(-1)].filter((one) => one !== undefined);
  const distinct = compared.filter((one, at) => compared.indexOf(one) === at);
  const parts = distinct.map(
    (one) => `${(base.median / one.median).toFixed(2)} × the time of ${one.title} (${formatSeconds(one.median)})`,
  );
  return `Sluice takes ${formatSeconds(base.median)}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}.`;
}

/** Machine and circumstances of a run. */
export function factsOf(run: RunLine): readonly (readonly [string, string])[] {
  return [
    [
      'Sluice',
      `${run.version}${run.commit === null ? '' : `, commit ${run.commit.slice(0, 12)}${run.commit.endsWith('+') ? '+' : ''}`}`,
    ],
    ['date', run.date],
    ['CPU', `${run.cpu}, ${run.cores} cores`],
    ['memory', formatMiB(run.memoryBytes)],
    ['kernel', run.kernel],
    ['Node', run.node],
    ['file system', run.fileSystem],
    ['rounds', `${run.rounds} counted, one before to warm up; generated corpora at scale ${run.scale}`],
    ['command', run.command],
  ];
}

/** Contenders that are left out for one reason, as a line. */
export function leftOutLines({ leftOut }: CaseSummary): readonly string[] {
  const titles = new Map<string, string[]>();
  for (const { title, why, reason } of leftOut) {
    const key = `${why}: ${reason}`;
    titles.set(key, [...(titles.get(key) ?? []), title]);
  }
  return [...titles].map(([key, names]) => `${names.join(', ')} ${key}`);
}
