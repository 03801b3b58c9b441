import { answerOf, cellsOf, COLUMNS, factsOf, formatRatio, formatSeconds, leftOutLines } from '../report/format.js';
import type { CaseSummary, Row, Summary } from '../report/summary.js';
import { barChart } from './bar-chart.js';
import { COLOURS } from './colours.js';

const STYLE = `${COLOURS}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { margin: 0; font-size: 1.9rem; } h2 { margin: 3.5rem 0 0; font-size: 1.35rem; }
p { margin: 0.4rem 0; } .question, .fairness, dt, caption { color: var(--soft); } .answer { font-size: 1.1rem; font-weight: 600; }
.fairness { font-size: 0.875rem; max-width: 50rem; } .scroll { overflow-x: auto; } .chart { margin: 0.75rem 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; margin: 0.75rem 0; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { padding: 0.25rem 0.6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--faint); }
thead th { font-weight: 600; color: var(--soft); vertical-align: bottom; } th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 400; } .overview thead th { white-space: normal; max-width: 6.5rem; } .base td, .base th { font-weight: 700; }
.win { color: var(--ours); font-weight: 600; } .loss { color: var(--bad); } .differs { color: var(--bad); font-weight: 700; }
summary { cursor: pointer; color: var(--soft); } ul { margin: 0.5rem 0; padding-left: 1.2rem; font-size: 0.875rem; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; font-size: 0.875rem; } dd { margin: 0; overflow-wrap: anywhere; }
a { color: var(--ours); }`;

/** A run as one HTML page that needs nothing else: no script, no network. */
export function renderPage({ run, cases }: Summary): string {
  const facts = factsOf(run).map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Sluice: how fast images become files</title>
<style>${STYLE}</style>
<main>
<h1>How fast images become files</h1>
<p class="question">Sluice beside its peers on ${escape(run.cpu)}, ${run.cores} cores, ${escape(run.fileSystem)}. Less time is better.</p>
${renderOverview(cases)}
${cases.map(renderCase).join('\n')}
<h2>Circumstances</h2>
<dl>${facts.join('')}</dl>
</main>
</html>
`;
}

/** One look at all: what each contender takes for each second that Sluice takes. */
function renderOverview(cases: readonly CaseSummary[]): string {
  const shown = cases.filter(({ id, rows }) => !id.startsWith('micro-') && rows.some(({ isBase }) => isBase));
  if (shown.length === 0) return '';
  const titles = new Set(shown.flatMap(({ rows }) => rows.filter(({ isOurs }) => !isOurs).map(({ title }) => title)));
  const head = shown.map(({ id, title }) => `<th scope="col"><a href="#${escape(id)}">${escape(title)}</a></th>`);
  const ours = shown.map(({ rows }) => `<td>${formatSeconds(rows.find(({ isBase }) => isBase)!.median)}</td>`);
  const body = [...titles].map((title) => {
    const cells = shown.map(({ rows }) => overviewCell(rows.find((row) => row.title === title)));
    return `<tr><th scope="row">${escape(title)}</th>${cells.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="overview">
<caption>What each contender takes, as a multiple of Sluice’s time: above 1 Sluice is faster.</caption>
<thead><tr><th></th>${head.join('')}</tr></thead>
<tbody><tr class="base"><th scope="row">Sluice</th>${ours.join('')}</tr>${body.join('')}</tbody>
</table></div>`;
}

function overviewCell(row: Row | undefined): string {
  if (row?.ratio == null) return '<td></td>';
  return `<td class="${row.ratio > 1 ? 'win' : 'loss'}">${formatRatio(row.ratio)}</td>`;
}

function renderCase(one: CaseSummary): string {
  const leftOut = leftOutLines(one).map((text) => `<li>${escape(text)}</li>`);
  return `<section id="${escape(one.id)}" class="case">
<h2>${escape(one.title)}</h2>
<p class="question">${escape(one.question)}</p>
<p class="answer">${escape(answerOf(one))}</p>
${one.rows.length > 0 ? `<div class="chart">${barChart(one)}</div>${renderTable(one)}` : ''}
${leftOut.length > 0 ? `<ul class="left-out">${leftOut.join('')}</ul>` : ''}
<p class="fairness">${escape(one.fairness)}</p>
</section>`;
}

function renderTable({ rows }: CaseSummary): string {
  const head = COLUMNS.map((name) => `<th scope="col">${escape(name)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = cellsOf(row).map((cell, at) => `<td${isBad(row, at) ? ' class="differs"' : ''}>${escape(cell)}</td>`);
    return `<tr${row.isBase ? ' class="base"' : ''}>${cells.join('')}</tr>`;
  });
  return `<details open><summary>Work beside time</summary><div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table></div></details>`;
}

/** A contender who left another tree must catch the eye. */
function isBad({ isSameTree }: Row, column: number): boolean {
  return isSameTree === false && column === COLUMNS.length - 1;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}
