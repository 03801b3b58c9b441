import { answerOf, cellsOf, COLUMNS, factsOf, leftOutLines } from './format.js';
import type { CaseSummary, Summary } from './summary.js';

/** A run as Markdown: a table for each case. */
export function renderMarkdown({ run, cases }: Summary): string {
  const facts = factsOf(run).map(([name, value]) => `- ${name}: ${escape(value)}`);
  return [...facts, '', ...cases.flatMap(renderCase)].join('\n');
}

function renderCase(one: CaseSummary): string[] {
  const lines = [`## ${escape(one.title)}`, '', `${escape(one.question)} ${escape(answerOf(one))}`, ''];
  if (one.rows.length > 0) {
    lines.push(line(COLUMNS), line(COLUMNS.map((_, at) => (at === 0 ? '---' : '---:'))));
    lines.push(
      ...one.rows.map((row) => line(cellsOf(row).map((cell, at) => emphasize(escape(cell), row.isBase && at === 0)))),
      '',
    );
  }
  lines.push(...leftOutLines(one).map((text) => `- ${escape(text)}`));
  return [...lines, ...(one.leftOut.length > 0 ? [''] : []), escape(one.fairness), ''];
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function emphasize(text: string, isStrong: boolean): string {
  return isStrong ? `**${text}**` : text;
}

/** Text from outside must not end a cell or a line. */
function escape(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[|\\`*_<>[\]]/g, '\\$&');
}
