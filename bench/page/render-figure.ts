import type { CaseSummary } from '../report/summary.js';
import { barChart } from './bar-chart.js';
import { COLOURS } from './colours.js';

/** One case's chart as an SVG file of its own, e.g. for a README. */
export function renderFigure(one: CaseSummary): string {
  const style = `<style>${COLOURS}\n:root { font-family: system-ui, sans-serif; }</style>`;
  return barChart(one)
    .replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ')
    .replace(/(<svg [^>]*>)/, `$1${style}`);
}
