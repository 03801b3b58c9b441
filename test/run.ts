import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { findRuleGaps } from './rules/ids.js';

const root = import.meta.dirname;
const wanted = process.argv.slice(2);
const titles: string[] = [];
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => path.includes(part))))
  .map((path) => join(root, path))
  .toSorted();

if (files.length === 0) {
  console.error(`no test file under ${relative('.', root)} matches ${wanted.join(' ') || '*.test.js'}`);
  process.exitCode = 1;
} else {
  run({ files, concurrency: 2 })
    .on('test:pass', ({ name }) => titles.push(name))
    .on('test:fail', () => (process.exitCode = 1))
    .compose(new spec())
    .on('end', reportRuleGaps)
    .pipe(process.stdout);
}

/** After the whole suite: every rule that is kept has a test, and no test names a rule that is none. */
function reportRuleGaps(): void {
  const gaps = wanted.length === 0 ? findRuleGaps(titles) : [];
  for (const gap of gaps) console.error(gap);
  if (gaps.length > 0) process.exitCode = 1;
}
