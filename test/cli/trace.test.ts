import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage, createRandom, file, layer, startRegistry } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine, jsonLines } from './command.js';

interface TraceEvent {
  readonly ph: 'M' | 'X' | 'b' | 'e';
  readonly name: string;
  readonly pid: number;
  readonly tid?: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly id?: string;
  readonly args?: { readonly name?: string; readonly image?: string; readonly layer?: string };
}

const readTrace = (path: string): readonly TraceEvent[] =>
  (JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: TraceEvent[] }).traceEvents;

const random = createRandom(3);
const image = buildImage({
  layers: ['a', 'b'].map((name) => ({ tar: layer(file(name, random.bytes(700_000))) })),
});

for (const pipeline of ['one', 'split']) {
  test(`--trace shows every step on the track of its thread, ${pipeline} thread or two a layer`, async (t) => {
    await using registry = await startRegistry();
    const reference = registry.push('org/app', '1', image);
    const path = join(temporaryDirectory(t), 'trace.json');
    const line = createCommandLine(t);
    const words = ['pull', reference, '--json', '--trace', path, '--pipeline', pipeline, '--jobs', '2'];
    const { status, stdout, stderr } = await line.run(words);
    assert.deepEqual([status, stderr], [0, '']);
    assert.ok(jsonLines(stdout).every(({ kind }) => kind !== 'span'));

    const events = readTrace(path);
    const names = (ph: TraceEvent['ph']): string[] =>
      [...new Set(events.filter((one) => one.ph === ph).map(({ name }) => name))].toSorted();
    assert.deepEqual(names('b'), ['commit', 'download', 'resolve', 'wait']);
    assert.deepEqual(names('e'), names('b'));
    assert.deepEqual(names('X'), ['apply', 'hash', 'inflate', 'second pass', 'sync', 'wait']);
    const steps = events.filter(({ ph }) => ph === 'X');
    const layers = new Set(steps.map(({ args }) => args?.layer));
    assert.deepEqual(layers, new Set(image.layers.map(({ descriptor }) => descriptor.digest)));
    assert.ok(events.every(({ ph, args }) => ph === 'M' || ph === 'e' || args?.image === reference));

    const threads = new Set(steps.map(({ tid }) => tid));
    assert.ok(threads.size >= 2 && !threads.has(0));
    const named = events.filter(({ ph, name }) => ph === 'M' && name === 'thread_name').map(({ tid }) => tid);
    assert.deepEqual(new Set(named), threads);
    for (const thread of threads) assertNested(steps.filter(({ tid }) => tid === thread));
  });
}

/** Steps of one thread lie within each other, or one after the other. */
function assertNested(steps: readonly TraceEvent[]): void {
  const open: number[] = [];
  for (const { ts, dur, name } of steps.toSorted((a, b) => a.ts! - b.ts! || b.dur! - a.dur!)) {
    while (open.length > 0 && open.at(-1)! <= ts!) open.pop();
    const end = ts! + dur!;
    assert.ok(dur! >= 0 && end <= (open.at(-1) ?? Number.POSITIVE_INFINITY), name);
    open.push(end);
  }
}

test('the trace of a pull that failed is complete, and one that can’t be written fails before anything is asked', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', image);
  const path = join(temporaryDirectory(t), 'trace.json');
  writeFileSync(path, 'what was there before, and longer than a trace of nothing at all');
  const line = createCommandLine(t);
  const failed = await line.run(['pull', reference, '--trace', path, '--max-file-bytes', '1']);
  assert.equal(failed.status, 1);
  assert.match(failed.stderr, /BUDGET_EXCEEDED/);
  assert.ok(readTrace(path).some(({ name }) => name === 'resolve'));

  const asked = registry.requests.length;
  const refused = await line.run(['pull', reference, '--trace', join(path, 'below-a-file')]);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^error\[CONFIG_INVALID\]: writing the trace .*ENOTDIR\nhint: .*--trace/);
  assert.equal(registry.requests.length, asked);
});
