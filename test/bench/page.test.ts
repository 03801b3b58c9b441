import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { renderFigure } from '../../bench/page/render-figure.js';
import { renderPage } from '../../bench/page/render-page.js';
import { summarize } from '../../bench/report/summary.js';
import { openBrowserPage } from '../helpers/browser.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { RECORDS } from './records.js';

const summary = summarize(RECORDS);
const skip = needs('chromium');

/** Of each case: title, and of its chart the bars from top to bottom as width, colour and label. */
const READ_CHARTS = `[...document.querySelectorAll('section.case')].map((section) => ({
  title: section.querySelector('h2').textContent,
  answer: section.querySelector('.answer').textContent,
  labels: [...section.querySelectorAll('svg [aria-label="y-axis tick label"] text')].map((text) => text.textContent),
  bars: [...section.querySelectorAll('svg [aria-label="bar"] rect')]
    .map((rect) => ({ box: rect.getBoundingClientRect(), fill: getComputedStyle(rect).fill }))
    .toSorted((a, b) => a.box.y - b.box.y)
    .map(({ box, fill }) => ({ width: box.width, fill })),
}))`;

interface Chart {
  readonly title: string;
  readonly answer: string;
  readonly labels: readonly string[];
  readonly bars: readonly { readonly width: number; readonly fill: string }[];
}

test(
  'in a browser every case has its bars, the fastest on top, without network, script or complaint',
  { skip },
  async (t) => {
    const file = join(temporaryDirectory(t), 'report.html');
    writeFileSync(file, renderPage(summary));
    const url = pathToFileURL(file).href;
    const page = await openBrowserPage(t, url);
    assert.equal(await page.evaluate('document.title'), 'Sluice: how fast images become files');
    const charts = (await page.evaluate(READ_CHARTS)) as readonly Chart[];
    assert.deepEqual(
      charts.map(({ title, labels }) => [title, labels]),
      summary.cases.map(({ title, rows }) => [title, rows.map((row) => row.title)]),
    );
    for (const [at, { bars, answer }] of charts.entries()) {
      const { rows } = summary.cases[at]!;
      const most = Math.max(...bars.map(({ width }) => width));
      const slowest = Math.max(...rows.map(({ median }) => median));
      assert.equal(bars.length, rows.length);
      for (const [row, { width }] of bars.entries()) {
        assert.ok(
          Math.abs(width / most - rows[row]!.median / slowest) < 0.02,
          `bar ${row} is ${width} of ${most} wide`,
        );
      }
      assert.equal(new Set(bars.map(({ fill }) => fill)).size, 2, 'Sluice and the others differ in colour');
      assert.match(answer, /^Sluice takes /);
    }
    assert.equal(await page.evaluate("document.querySelectorAll('td.differs').length"), 1);
    assert.deepEqual(
      page.requests.filter((one) => !one.startsWith('data:')),
      [url],
    );
    assert.deepEqual(page.problems, []);
  },
);

test('the page suits light and dark surroundings, and a narrow window does not cut it off', { skip }, async (t) => {
  const file = join(temporaryDirectory(t), 'report.html');
  writeFileSync(file, renderPage(summary));
  const page = await openBrowserPage(t, pathToFileURL(file).href);
  const colours = async (): Promise<unknown> =>
    page.evaluate('(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.body))');
  await page.setColourScheme('light');
  const light = await colours();
  await page.setColourScheme('dark');
  assert.notDeepEqual(await colours(), light);
  assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
});

test('a figure of its own is an image that needs nothing around it', { skip }, async (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'figure.svg'), renderFigure(summary.cases[0]!));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><link rel="icon" href="data:,"><img src="figure.svg">');
  const page = await openBrowserPage(t, pathToFileURL(join(folder, 'index.html')).href);
  assert.deepEqual(
    await page.evaluate("[document.querySelector('img').naturalWidth, document.querySelector('img').complete]"),
    [1000, true],
  );
  assert.deepEqual(page.problems, []);
});

test('text from outside stays text', () => {
  const html = renderPage(summary);
  assert.ok(html.includes('A &lt;CPU&gt; &amp; more'));
  assert.equal(/<script|https?:(?!\/\/www\.w3\.org)/.test(html), false);
});
