import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunRecord } from '../../bench/record.js';
import { startRegistry, writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { createCommandLine, smallImage } from './command.js';

function placeOf(t: Cleanup): { readonly layout: string; readonly work: string } {
  const folder = temporaryDirectory(t);
  const work = join(folder, 'work');
  mkdirSync(work);
  return { layout: join(folder, 'layout'), work };
}

test('bench prints a table of an image of the user’s own, and leaves nothing behind', async (t) => {
  const { layout, work } = placeOf(t);
  writeOciLayout(layout, { v1: smallImage('a', 'b') });
  const line = createCommandLine(t);
  const { status, stdout, stderr } = await line.run(['bench', `oci:${layout}:v1`, '--rounds', '1', '--work', work]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\| \*\*Sluice\*\* \| .* s \| .* = \|$/m);
  assert.match(stdout, /^\| Node: zlib → tar-fs \| .* = \|$/m);
  assert.match(stderr, /round 1 {2}sluice {2}/);
  assert.deepEqual(readdirSync(work), []);
});

test('bench of a reference asks its registry, and --json gives the samples as one value', async (t) => {
  const { work } = placeOf(t);
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('a'));
  const words = [
    'bench',
    `docker://${reference}`,
    '--plain-http',
    '--rounds',
    '1',
    '--work',
    work,
    '--json',
    '--quiet',
  ];
  const { status, stdout, stderr } = await createCommandLine(t).run(words);
  assert.deepEqual([status, stderr], [0, '']);
  const samples = (JSON.parse(stdout) as RunRecord[]).filter((record) => record.kind === 'sample');
  assert.ok(samples.some(({ contender }) => contender === 'sluice-pull'));
  assert.ok(samples.some(({ contender }) => contender === 'naive-pull'));
  assert.equal(new Set(samples.map(({ digest }) => digest)).size, 1);
});

test('bench fails for an image that is not there, with a reason', async (t) => {
  const { layout, work } = placeOf(t);
  const line = createCommandLine(t);
  const absent = await line.run(['bench', `oci:${layout}`, '--work', work]);
  assert.equal(absent.status, 1);
  assert.match(absent.stderr, /^error\[MANIFEST_UNKNOWN\]: /);
  const unreachable = await line.run(['bench', '127.0.0.1:1/x', '--plain-http', '--rounds', '0', '--work', work]);
  assert.equal(unreachable.status, 1);
  assert.match(unreachable.stdout, /Sluice(, [^:]*)? failed: .*REGISTRY/);
});
