import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { watch, type Watched } from './watch.js';

function run(script: string, limitMs = 60_000): Promise<Watched> {
  const child = spawn(process.execPath, ['-e', `const { writeSync } = require('fs'); ${script}`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return watch(child, limitMs);
}

test('a case that never ends is killed, and known by its number', async () => {
  const { ending, lastSeed, cases } = await run(`writeSync(1, 'case 6\\ncase 7\\n'); for (;;);`, 500);
  assert.deepEqual([ending, lastSeed, cases], ['hung', 7, 2]);
});

test('a case that fails or crashes is known by its number, with what it said', async () => {
  const thrown = await run(`writeSync(1, 'case 8\\n'); throw new Error('the reason');`);
  assert.deepEqual([thrown.ending, thrown.lastSeed], ['failed', 8]);
  assert.match(thrown.output, /the reason/);
  const crashed = await run(`writeSync(1, 'case 9\\n'); process.abort();`);
  assert.deepEqual([crashed.ending, crashed.lastSeed], ['failed', 9]);
});

test('a run that goes well tells its cases and its memory', async () => {
  const { ending, cases, grownKib } = await run(`writeSync(1, 'case 1\\ncase 2\\ngrown 12\\n');`);
  assert.deepEqual([ending, cases, grownKib], ['ended', 2, 12]);
});
