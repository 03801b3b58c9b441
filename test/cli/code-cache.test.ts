import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { cachePath, loadBundle } from '../../src/cli/code-cache.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

/** A bundle of a fixed length, so that V8 itself can't tell one from another. */
function writeBundle(t: Cleanup, id: string, answer: string): string {
  const file = join(temporaryDirectory(t), 'bundle.cjs');
  writeFileSync(
    file,
    `/* ${id} */\nexports.answer = () => '${answer}'; exports.place = [__filename, require('node:path').sep];`,
  );
  return file;
}

interface Loading {
  readonly isCached: boolean;
  readonly answer: string;
  readonly place: readonly string[];
}

const MODULE = import.meta.resolve('../../src/cli/code-cache.js');

/** In a process of its own: in one process V8 remembers what it has compiled. @param save leave a cache afterwards */
function load(file: string, save = false): Loading {
  const script = `
    import { writeFileSync } from 'node:fs';
    import { cachePath, loadBundle } from ${JSON.stringify(MODULE)};
    const { exports, isCached, makeCache } = loadBundle(${JSON.stringify(file)});
    console.log(JSON.stringify({ isCached, answer: exports.answer(), place: exports.place }));
    if (${save}) writeFileSync(cachePath(${JSON.stringify(file)}), makeCache());`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }));
}

test('a bundle runs as a module does, with a cache and without', (t) => {
  const file = writeBundle(t, 'a', 'one');
  const loaded = { answer: 'one', place: [file, '/'] };
  assert.deepEqual(load(file, true), { ...loaded, isCached: false });
  assert.deepEqual(load(file), { ...loaded, isCached: true });
});

test('a cache of another bundle is not used, however alike they are', (t) => {
  const other = writeBundle(t, 'a', 'one');
  load(other, true);
  const file = writeBundle(t, 'b', 'two');
  writeFileSync(cachePath(file), readFileSync(cachePath(other)));
  const { isCached, answer } = load(file);
  assert.deepEqual([isCached, answer], [false, 'two']);
});

test('a cache that is damaged, or of another V8, costs nothing but its time', (t) => {
  const file = writeBundle(t, 'a', 'one');
  load(file, true);
  const cache = readFileSync(cachePath(file));
  const id = cache.indexOf('\n') + 1;
  const ofAnotherV8 = Buffer.from(cache);
  ofAnotherV8[id + 4]! ^= 1; // the hash of V8's version
  for (const damaged of [Buffer.alloc(0), cache.subarray(0, id), cache.subarray(0, id + 40), ofAnotherV8]) {
    writeFileSync(cachePath(file), damaged);
    const { isCached, answer } = load(file);
    assert.deepEqual([isCached, answer], [false, 'one'], `${damaged.length} bytes`);
  }
});

test('the command line that was built here starts from its cache', () => {
  assert.ok(loadBundle(createRequire(import.meta.url).resolve('#program')).isCached);
});
