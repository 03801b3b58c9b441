import { readFileSync, writeFileSync } from 'node:fs';
import { renderMarkdown } from '../report/markdown.js';
import { parseRecords, summarize } from '../report/summary.js';
import { renderFigure } from './render-figure.js';
import { renderPage } from './render-page.js';

/** Cases that tell most in one figure, the most telling first. */
const FIGURES: readonly string[] = ['image-app', 'three-layers'];

/**
 * Writes a run's report beside its raw output: `.html`, `.md`, and `.svg` with one case's chart.
 * @param records path of the raw output, which ends in `.ndjson`
 * @returns the Markdown
 */
export function writeReport(records: string): string {
  const summary = summarize(parseRecords(readFileSync(records, 'utf8')));
  const markdown = renderMarkdown(summary);
  const stem = records.replace(/\.ndjson$/, '');
  writeFileSync(`${stem}.md`, markdown);
  writeFileSync(`${stem}.html`, renderPage(summary));
  const measured = summary.cases.filter(({ rows }) => rows.length > 0);
  const figure = FIGURES.flatMap((id) => measured.filter((one) => one.id === id))[0] ?? measured[0];
  if (figure) writeFileSync(`${stem}.svg`, renderFigure(figure));
  return markdown;
}
