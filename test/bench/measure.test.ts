import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPlace } from '../../bench/measure/place.js';
import { runMeasured } from '../../bench/measure/run-measured.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const MiB = 1024 * 1024;
const signal = new AbortController().signal;

test('a command’s status and output are handed on, with environment and numbers', async (t) => {
  const notes = join(temporaryDirectory(t), 'notes');
  const argv = ['sh', '-c', 'echo "$WORD"; echo trouble >&2; exit 3'];
  const ended = await runMeasured({ argv, env: { WORD: 'hello' } }, notes, signal);
  assert.deepEqual([ended.status, ended.stdout, ended.stderr], [3, 'hello\n', 'trouble\n']);
  assert.ok(ended.seconds > 0);
  assert.ok(Number.isFinite(ended.cpuSeconds));
  assert.equal(existsSync(notes), false);
});

test('the peak is the command’s own and not that of who started it', { skip: needs('time') }, async (t) => {
  const ballast = Buffer.alloc(256 * MiB, 1);
  const notes = join(temporaryDirectory(t), 'notes');
  const small = await runMeasured({ argv: ['sleep', '0'] }, notes, signal);
  assert.ok(small.peakBytes! < 32 * MiB, `${small.peakBytes} while ${ballast.length} are held here`);
  const script = `Buffer.alloc(${200 * MiB}, 1)`;
  const large = await runMeasured({ argv: [process.execPath, '-e', script] }, notes, signal);
  assert.ok(large.peakBytes! > 200 * MiB);
});

test('an abort ends the command and what it started', async (t) => {
  const notes = join(temporaryDirectory(t), 'notes');
  const stop = new AbortController();
  const running = runMeasured({ argv: ['sh', '-c', 'sleep 1000 & wait'] }, notes, stop.signal);
  stop.abort(new Error('enough'));
  await assert.rejects(running, /enough/);
});

test('a place gives an empty directory each time, and goes', (t) => {
  const folder = temporaryDirectory(t);
  const place = openPlace(folder);
  const out = place.emptyOut();
  writeFileSync(join(out, 'x'), '');
  assert.deepEqual([place.emptyOut(), readdirSync(out)], [out, []]);
  place[Symbol.dispose]();
  assert.equal(existsSync(place.path), false);
});
