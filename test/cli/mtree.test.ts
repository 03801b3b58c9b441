import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildImage, file, layer, writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { type CommandLine, createCommandLine, errorOf, smallImage } from './command.js';

interface Stored {
  readonly line: CommandLine;
  readonly digest: string;
  /** Path of the layer's sidecar. */
  readonly sidecar: string;
}

async function importImage(t: Parameters<typeof createCommandLine>[0], image = smallImage('a')): Promise<Stored> {
  const line = createCommandLine(t);
  const layout = join(temporaryDirectory(t), 'tools');
  writeOciLayout(layout, { v1: image });
  assert.equal((await line.run(['import', '--no-sync', '--platform', 'any', `oci:${layout}:v1`])).status, 0);
  const { digest } = image.layers[0]!.descriptor;
  return { line, digest, sidecar: join(line.home, 'layers', `${digest}.mtree`) };
}

test('mtree prints a sidecar as it is, and what of it holds on the host', async (t) => {
  const { line, digest, sidecar } = await importImage(t);
  const plain = await line.run(['mtree', digest]);
  assert.deepEqual(plain, { status: 0, stdout: readFileSync(sidecar, 'utf8'), stderr: '' });
  const host = await line.run(['mtree', '--host', digest]);
  const lines = '#mtree\n. type=dir time=0.000000000\n./a type=file size=1 time=0.000000000\n';
  assert.deepEqual(host, { status: 0, stdout: lines, stderr: '' });
  const elsewhere = join(line.home, 'layers');
  assert.equal((await line.run(['mtree', '--host', '-L', elsewhere, digest])).stdout, lines);
});

test('mtree prints a sidecar of many pieces whole, and ends with its reader', async (t) => {
  const names = Array.from({ length: 9000 }, (_, at) => `${'n'.repeat(60)}${at}`);
  const { line, digest } = await importImage(
    t,
    buildImage({ layers: [{ tar: layer(...names.map((name) => file(name))) }] }),
  );
  const { stdout } = await line.run(['mtree', '--host', digest]);
  assert.ok(stdout.length > 768 * 1024);
  const expected = names.toSorted().map((name) => `./${name} type=file size=0 time=0.000000000\n`);
  assert.equal(stdout, `#mtree\n. type=dir time=0.000000000\n${expected.join('')}`);
  const running = line.start(['mtree', '--host', digest]);
  running.child.stdout.once('data', () => running.child.stdout.destroy());
  const { status, stderr } = await running.ended;
  assert.deepEqual([status, stderr], [0, '']);
});

test('mtree says which layer is not there, and which sidecar is damaged', async (t) => {
  const { line, digest, sidecar } = await importImage(t);
  const failed = async (...words: readonly string[]): Promise<readonly unknown[]> => {
    const { status, stdout, stderr } = await line.run(['mtree', ...words]);
    return [status, stdout, /^error\[(\w+)\]: /.exec(stderr)?.[1]];
  };
  assert.deepEqual(await failed(`sha256:${'0'.repeat(64)}`), [1, '', 'IMAGE_NOT_FOUND']);
  assert.deepEqual(await failed('sha256:0'), [1, '', 'DIGEST_INVALID']);
  const json = await line.run(['mtree', '--json', digest]);
  assert.deepEqual([json.status, errorOf(json.stdout)['code']], [2, 'CONFIG_INVALID']);
  writeFileSync(sidecar, '#mtree\n');
  assert.deepEqual(await failed('--host', digest), [1, '', 'SIDECAR_CORRUPT']);
});
