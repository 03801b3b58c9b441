import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { formatRatio, formatSeconds } from '../report/format.js';
import type { CaseSummary, Row } from '../report/summary.js';

const ROW_PIXELS = 30;
const WIDTH_PIXELS = 1000;
const LABELS_PIXELS = 210;

/**
 * Draws a case as bars, the fastest on top: the median, every sample as a dot, and how many times Sluice's time that is.
 * Colours are the variables `--ours`, `--others`, `--ink` and `--faint` of the page around it.
 */
export function barChart({ title, rows }: CaseSummary): string {
  const { document } = parseHTML('<html><body></body></html>');
  const samples = rows.flatMap((row) => row.seconds.map((seconds) => ({ title: row.title, seconds })));
  const most = Math.max(...rows.map((row) => row.most));
  const svg = Plot.plot({
    document,
    ariaLabel: `${title}: seconds, less is better`,
    width: WIDTH_PIXELS,
    height: rows.length * ROW_PIXELS + 46,
    marginLeft: LABELS_PIXELS,
    marginRight: 130,
    marginTop: 6,
    marginBottom: 40,
    style: { background: 'transparent', color: 'var(--ink)', fontSize: '13px', fontFamily: 'inherit' },
    x: {
      domain: [0, most],
      label: 'seconds, less is better',
      labelAnchor: 'right',
      labelArrow: 'none',
      ticks: 6,
      nice: true,
    },
    y: { domain: rows.map((row) => row.title), label: null, tickSize: 0, padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: 'var(--faint)', strokeOpacity: 1, ticks: 6 }),
      Plot.barX(
        rows.filter(({ isOurs }) => isOurs),
        { x: 'median', y: 'title', fill: 'var(--ours)', fillOpacity: opacityOf, rx: 3 },
      ),
      Plot.barX(
        rows.filter(({ isOurs }) => !isOurs),
        { x: 'median', y: 'title', fill: 'var(--others)', rx: 3 },
      ),
      Plot.dot(samples, { x: 'seconds', y: 'title', r: 2.2, fill: 'var(--ink)', fillOpacity: 0.55 }),
      Plot.text(rows, {
        x: 'most',
        y: 'title',
        dx: 10,
        textAnchor: 'start',
        fill: 'var(--ink)',
        text: labelOf,
        fontWeight: 600,
      }),
    ],
  });
  return (svg as unknown as { readonly outerHTML: string }).outerHTML;
}

/** What Sluice does unasked stands out from its other ways. */
function opacityOf({ isBase }: Row): number {
  return isBase ? 1 : 0.55;
}

function labelOf({ median, ratio, isBase }: Row): string {
  return `${formatSeconds(median)}${isBase || ratio === null ? '' : ` · ${formatRatio(ratio)}`}`;
}
