import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { filesIn } from '../helpers/sluice.js';
import { createCommandLine, errorOf, jsonLines, linesOf, smallImage, type CommandLine } from './command.js';

const NAMES = ['a.test/one:1', 'a.test/two:1'] as const;

/** Two images of two layers each, which share the lower one. */
async function openTwo(t: Cleanup): Promise<CommandLine> {
  const cli = createCommandLine(t);
  for (const [i, name] of NAMES.entries()) {
    const layout = join(temporaryDirectory(t), 'layout');
    writeOciLayout(layout, { latest: smallImage('base', `top-${i}`) });
    const { status, stderr } = await cli.run(['import', `oci:${layout}`, '--name', name]);
    assert.equal(status, 0, stderr);
  }
  return cli;
}

test('sluice rm removes each image that is there, and exits 1 for one that is not', async (t) => {
  const cli = await openTwo(t);
  const { status, stdout, stderr } = await cli.run(['rm', 'a.test/none:1', NAMES[0]]);
  assert.equal(status, 1);
  assert.match(stderr, /^error\[IMAGE_NOT_FOUND\]: removing "a\.test\/none:1"/);
  const lines = linesOf(stdout);
  assert.equal(lines[0], `image ${NAMES[0]}`);
  assert.match(lines[1]!, /^layer sha256:[0-9a-f]{64} \d/);
  assert.equal(lines.length, 2);
  const listed = await cli.run(['ls', '--json']);
  assert.deepEqual(
    (JSON.parse(listed.stdout) as { reference: string }[]).map(({ reference }) => reference),
    [NAMES[1]],
  );
  assert.equal((await cli.run(['rm'])).status, 2);
});

test('sluice rm --json prints what went, and the result last', async (t) => {
  const cli = await openTwo(t);
  const { status, stdout } = await cli.run(['rm', '--json', NAMES[0], 'a.test/none:1']);
  assert.equal(status, 1);
  const lines = jsonLines(stdout);
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ['image', 'layer', 'remove-failed', undefined],
  );
  const { images, failed } = lines.at(-1)!['result'] as { images: unknown[]; failed: unknown[] };
  assert.deepEqual([images.length, failed.length], [1, 1]);
});

test('sluice prune prints what went, or would go, and keeps what is pinned', async (t) => {
  const cli = await openTwo(t);
  assert.equal((await cli.run(['pin', NAMES[0]])).status, 0);
  const dry = await cli.run(['prune', '--max-images', '0', '--dry-run']);
  assert.equal(linesOf(dry.stdout)[0], `image ${NAMES[1]} (count)`);
  assert.match(dry.stderr, /^kept a\.test\/one:1: pinned\nwould remove 1 images and 1 layers/);
  const pruned = await cli.run(['prune', '--max-images', '0', '--json']);
  assert.equal(pruned.status, 0);
  const lines = jsonLines(pruned.stdout);
  assert.deepEqual(
    lines.map(({ kind }) => kind),
    ['image', 'layer', 'kept', undefined],
  );
  assert.deepEqual(lines[2], { kind: 'kept', name: NAMES[0], reason: 'pinned' });
  const result = lines.at(-1)!['result'] as Record<string, unknown>;
  assert.deepEqual([result['dryRun'], result['images'], result['layers']], [false, 1, 1]);
  await cli.run(['pin', '--remove', NAMES[0]]);
  assert.equal(linesOf((await cli.run(['prune', '--max-bytes', '0', '-q'])).stdout).length, 3);
  const nothing = await cli.run(['prune', '-q']);
  assert.deepEqual([nothing.status, nothing.stdout, nothing.stderr], [0, '', '']);
});

for (const [words, step] of [
  [['prune', '--max-images', '0'], 'DELETE FROM images'],
  [['rm', ...NAMES], 'DELETE FROM layers'],
] as const) {
  test(`compat U3 Ctrl-C ends sluice ${words[0]} with 130 after what it is at, and the rest stays whole`, async (t) => {
    const cli = await openTwo(t);
    const { status, stdout, stderr } = await cli.run(words, {
      nodeWords: ['--import', new URL('../crash/faults.js', import.meta.url).href],
      environment: { FAULT_HOME: cli.home, FAULT_AT: step, FAULT_HOW: 'interrupt' },
    });
    assert.equal(status, 130, stdout);
    assert.match(stderr, /^error\[ABORTED\]: /);
    const listed = await cli.run(['ls', '--json']);
    assert.equal((JSON.parse(listed.stdout) as unknown[]).length, 1, 'one image went, the other is there');
    assert.equal((await cli.run(['verify'])).status, 0);
    assert.equal((await cli.run(['prune', '--max-images', '0'])).status, 0);
    assert.deepEqual(filesIn(cli.home, 'layers'), []);
    assert.deepEqual(filesIn(cli.home, 'trash'), ['foreign']);
  });
}

test('sluice prune takes times with a unit', async (t) => {
  const cli = await openTwo(t);
  const { status, stdout } = await cli.run(['prune', '--older-than', '30d', '--json']);
  assert.deepEqual([status, jsonLines(stdout).length], [0, 1]);
  const wrong = await cli.run(['prune', '--older-than', '30', '--json']);
  assert.deepEqual([wrong.status, errorOf(wrong.stdout)['code']], [2, 'CONFIG_INVALID']);
});

test('sluice verify exits 1 for damage, 0 for what it repaired', async (t) => {
  const cli = await openTwo(t);
  const sound = await cli.run(['verify']);
  assert.deepEqual([sound.status, sound.stdout], [0, '']);
  assert.match(sound.stderr, /^verified 2 images, 3 layers, \d+ entries, \d+ B: 0 problems, 0 left\n$/);
  const layers = linesOf((await cli.run(['layers', NAMES[0]])).stdout);
  writeFileSync(join(layers[1]!, 'top-0'), 'TOP-0');
  const found = await cli.run(['verify']);
  assert.equal(found.status, 1);
  assert.match(found.stdout, /^damaged: layer sha256:[0-9a-f]{64}: 2 things are not as its sidecar says\n {2}top-0: /);
  assert.ok(found.stdout.includes(`\n  used by ${NAMES[0]}\n`), found.stdout);
  const json = jsonLines((await cli.run(['verify', '--json'])).stdout);
  assert.deepEqual(
    json.map(({ kind }) => kind),
    ['problem', undefined],
  );
  assert.equal((json[1]!['result'] as Record<string, unknown>)['left'], 1);
  const repaired = await cli.run(['verify', '--repair']);
  assert.equal(repaired.status, 0, repaired.stdout);
  assert.match(repaired.stdout, /^repaired: layer /);
  assert.equal((await cli.run(['verify', '--quick', '-q'])).status, 0);
});

test('sluice verify --repair says loudly that it began a new index', async (t) => {
  const cli = await openTwo(t);
  writeFileSync(join(cli.home, 'oci.db'), 'no database '.repeat(1000));
  const refused = await cli.run(['verify']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^error\[INDEX_CORRUPT\]/);
  const { status, stderr } = await cli.run(['verify', '--repair', '-q']);
  assert.equal(status, 0);
  assert.match(stderr, /^warning: the store index is damaged .* set aside/);
});
