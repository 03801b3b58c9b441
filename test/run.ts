import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const root = import.meta.dirname;
const wanted = process.argv.slice(2);
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => path.includes(part))))
  .map((path) => join(root, path))
  .toSorted();

if (files.length === 0) {
  console.error(`no test file under ${relative('.', root)} matches ${wanted.join(' ') || '*.test.js'}`);
  process.exitCode = 1;
} else {
  run({ files, concurrency: 2 })
    .on('test:fail', () => (process.exitCode = 1))
    .compose(new spec())
    .pipe(process.stdout);
}
