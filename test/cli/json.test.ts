import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startRegistry } from '../../src/testing/index.js';
import { createCommandLine, errorOf, jsonLines, smallImage } from './command.js';

test('pull --json prints events and, last, the result', async (t) => {
  await using registry = await startRegistry();
  const image = smallImage('one');
  const reference = registry.push('org/app', '1', image);
  const line = createCommandLine(t);
  const first = await line.run(['pull', '--json', reference]);
  assert.deepEqual([first.status, first.stderr], [0, '']);
  const lines = jsonLines(first.stdout);
  const kinds = lines.map((one) => one['kind']).filter((kind) => kind !== 'layer-progress');
  assert.deepEqual(kinds, ['miss', 'resolve', 'resolved', 'layer-start', 'layer-done', 'committed', undefined]);
  assert.equal(lines[0]?.['reason'], 'absent');
  const result = lines.at(-1)?.['result'] as { reference: string; digest: string; layers: { path: string }[] };
  assert.deepEqual([result.reference, result.digest, result.layers.length], [reference, image.digest, 1]);
  const second = jsonLines((await line.run(['pull', '--json', reference])).stdout);
  assert.deepEqual(
    second.map((one) => Object.keys(one)[0]),
    ['kind', 'result'],
  );
  assert.equal(second[0]?.['kind'], 'hit');
});

test('--json prints an error as the last line, with all its fields', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one'));
  const line = createCommandLine(t);
  const { status, stdout, stderr } = await line.run(['pull', '--json', '--max-file-bytes', '1', reference]);
  assert.deepEqual([status, stderr], [1, '']);
  const { code, message, hint, rule, image, layer, entry, limit } = errorOf(stdout);
  assert.deepEqual([code, image, entry], ['BUDGET_EXCEEDED', reference, 'one']);
  assert.deepEqual(limit, { option: 'maxFileBytes', value: 1 });
  for (const text of [message, hint, rule, layer]) assert.equal(typeof text, 'string');
  assert.equal(errorOf((await line.run(['inspect', '--json', reference])).stdout)['code'], 'IMAGE_NOT_FOUND');
});

test('ls, inspect, layers and doctor print one JSON value', async (t) => {
  await using registry = await startRegistry();
  const image = smallImage('one', 'two');
  const reference = registry.push('org/app', '1', image);
  const line = createCommandLine(t);
  await line.run(['pull', reference]);
  const valueOf = async (...words: string[]): Promise<unknown> => {
    const { status, stdout } = await line.run([...words, '--json']);
    assert.equal(status, 0);
    assert.equal(stdout.indexOf('\n'), stdout.length - 1);
    return JSON.parse(stdout);
  };
  const [row] = (await valueOf('ls')) as { reference: string; layers: number }[];
  assert.deepEqual([row?.reference, row?.layers], [reference, 2]);
  const inspected = (await valueOf('inspect', reference)) as Record<string, unknown>;
  assert.deepEqual(
    [inspected['digest'], inspected['resolvedDigest'], inspected['config'], inspected['manifest']],
    [
      image.digest,
      image.digest,
      JSON.parse(image.config.bytes.toString()),
      JSON.parse(image.manifest.bytes.toString()),
    ],
  );
  const layers = (await valueOf('layers', reference)) as { digest: string; path: string }[];
  assert.deepEqual(
    layers.map(({ digest }) => digest),
    image.layers.map(({ descriptor }) => descriptor.digest),
  );
  assert.match(String(await valueOf('layers', '--overlay', reference)), /^lowerdir=/);
  assert.equal(((await valueOf('doctor')) as { node: string }).node, process.version);
});

test('a bulk import prints what became of each source, and a summary last', async (t) => {
  await using registry = await startRegistry();
  const good = registry.push('org/app', '1', smallImage('one'));
  const { status, stdout, stderr } = await createCommandLine(t).run(['import', '--json', good, ':bad']);
  assert.deepEqual([status, stderr], [1, '']);
  const lines = jsonLines(stdout);
  assert.equal(lines.find((one) => one['kind'] === 'imported')?.['source'], good);
  assert.equal(lines.find((one) => one['kind'] === 'import-failed')?.['source'], ':bad');
  const summary = lines.at(-1)?.['result'] as
    Record<string, { source: string; error?: { code: string } }[]> | undefined;
  assert.deepEqual(
    summary?.['images']?.map(({ source }) => source),
    [good],
  );
  assert.deepEqual(
    summary?.['failed']?.map(({ source, error }) => [source, error?.code]),
    [[':bad', 'REFERENCE_INVALID']],
  );
});
