import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startRegistry, writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine, linesOf, smallImage } from './command.js';

test('import prints the reference each image is recorded under, from arguments, a file and standard input', async (t) => {
  await using registry = await startRegistry();
  const [one, two] = ['one', 'two'].map((name) => registry.push(`org/${name}`, '1', smallImage(name)));
  const list = join(temporaryDirectory(t), 'list');
  writeFileSync(list, `# images\n\n  ${two}  \n`);
  const line = createCommandLine(t);
  assert.equal((await line.run(['import', `docker://${one}`])).stdout, `${one}\n`);
  assert.deepEqual(linesOf((await line.run(['import', one!, '--from', list])).stdout).toSorted(), [one, two]);
  const piped = await line.run(['import', '--from', '-', '-q'], { input: `${one}\n${two}\n` });
  assert.deepEqual(piped, { status: 0, stdout: '', stderr: '' });
  assert.equal((await line.run(['import', '--from', '-'])).status, 0);
  assert.equal((await line.run(['import', '--from', join(list, 'absent')])).status, 2);
});

test('import of an OCI layout, under its own name and under a given one', async (t) => {
  const layout = join(temporaryDirectory(t), 'layout');
  writeOciLayout(layout, { v1: smallImage('one') });
  const line = createCommandLine(t);
  const own = await line.run(['import', `oci:${layout}:v1`]);
  assert.equal(own.stdout, 'localhost/layout:v1\n', own.stderr);
  const named = await line.run(['import', `oci:${layout}:v1`, '--name', 'org/app:2']);
  assert.equal(named.stdout, 'docker.io/org/app:2\n', named.stderr);
  assert.equal((await line.run(['import', `oci:${layout}:v1`, 'alpine', '--name', 'x'])).status, 2);
  assert.equal((await line.run(['import', 'alpine', '--name', 'x'])).status, 2);
});

test('many images that share layers arrive together', async (t) => {
  await using registry = await startRegistry();
  const references = Array.from({ length: 12 }, (_, index) =>
    registry.push(`org/app${index}`, '1', smallImage('shared', `own${index % 5}`)),
  );
  const line = createCommandLine(t);
  const { status, stdout, stderr } = await line.run(['import', ...references]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(linesOf(stdout).toSorted(), references.toSorted());
  assert.equal(new Set(registry.requestsOf('blob').map(({ url }) => url.split('/').at(-1))).size, 6);
  assert.equal(stderr.match(/done ✓/g)?.length, 6);
  const listed = await line.run(['ls']);
  assert.deepEqual([listed.status, listed.stderr, linesOf(listed.stdout).length], [0, '', 13]);
});
