import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { test } from 'node:test';
import type { SluiceError } from '../../src/errors.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { buildImage, parseLayer } from '../../src/testing/index.js';
import { listTree } from '../helpers/extract.js';
import { filesIn, openLab, type Lab } from '../helpers/sluice.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const platform = formatPlatform(hostPlatform());

async function bring(lab: Lab, ...texts: readonly string[]): Promise<string> {
  const image = buildImage({ platform, layers: texts.map((text) => ({ tar: parseLayer(text) })) });
  return (await lab.pull(lab.registry.push('org/app', '1', image))).reference;
}

test('extraction W8 an image becomes one directory with its sidecar beside it, and the layers stay', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, 'dir d 0700 1:1\nfile d/a "1"\nfile gone "x"', 'wh gone\nfile d/b "2"');
  const before = (await lab.sluice.layers(reference)).map(({ path }) => listTree(path));
  const folder = temporaryDirectory(t);
  const made = await lab.sluice.rootfs(reference, join(folder, 'root'));
  assert.deepEqual(made, { path: join(folder, 'root'), sidecar: join(folder, 'root.mtree') });
  assert.deepEqual(listTree(made.path), [
    '. dir 0755 0:0:040755',
    'd dir 0700 1:1:040700',
    'd/a file "1" 0644 0:0:0100644',
    'd/b file "2" 0644 0:0:0100644',
  ]);
  assert.match(readFileSync(made.sidecar, 'latin1'), /^#mtree\n#sluice\.rootfs v=1 stat=containers\n\. type=dir /);
  assert.deepEqual(filesIn(folder), ['root', 'root.mtree']);
  assert.deepEqual(
    (await lab.sluice.layers(reference)).map(({ path }) => listTree(path)),
    before,
  );
});

test('many composed roots are made of one image at once', async (t) => {
  const lab = await openLab(t, { open: { jobs: 2 } });
  const reference = await bring(lab, 'file a "1"', 'file i/b "2"');
  const folder = temporaryDirectory(t);
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, i) => lab.sluice.rootfs(reference, join(folder, `root${i}`), { sync: false })),
  );
  assert.equal(new Set(made.map(({ path }) => listTree(path).join('\n'))).size, 1);
});

test('an empty directory is taken, and nothing else is replaced', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, 'file a "1"');
  const folder = temporaryDirectory(t);
  mkdirSync(join(folder, 'empty'));
  await lab.sluice.rootfs(reference, join(folder, 'empty'));
  assert.ok(existsSync(join(folder, 'empty/a')));
  writeFileSync(join(folder, 'file'), 'x');
  writeFileSync(join(folder, 'other.mtree'), 'mine');
  for (const name of ['empty', 'file', 'other'])
    await assert.rejects(lab.sluice.rootfs(reference, join(folder, name)), { code: 'CONFIG_INVALID' }, name);
  await assert.rejects(lab.sluice.rootfs(reference, join(folder, 'no/such/way')), { code: 'STORE_FAILED' });
  assert.deepEqual(filesIn(folder), ['empty', 'empty.mtree', 'file', 'other.mtree']);
  assert.equal(readFileSync(join(folder, 'other.mtree'), 'utf8'), 'mine');
});

test('extraction H6 an image whose link leads nowhere is no root file system, and leaves nothing', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, 'file a "1"', 'link b -> nowhere');
  const folder = temporaryDirectory(t);
  await assert.rejects(
    lab.sluice.rootfs(reference, join(folder, 'root')),
    (error: { code: string; detail: { rule?: string; image?: string } }) => {
      assert.deepEqual([error.code, error.detail.rule, error.detail.image], ['ENTRY_REFUSED', 'H6', reference]);
      return true;
    },
  );
  assert.deepEqual(filesIn(folder), []);
});

test('extraction B3 the limits of a call hold for a root file system and an export, and leave nothing', async (t) => {
  const lab = await openLab(t);
  const path = join(temporaryDirectory(t), 'root');
  const reference = await bring(lab, 'file a "12"');
  const refused = { code: 'BUDGET_EXCEEDED', detail: { rule: 'B3', limit: { option: 'maxFileBytes', value: 1 } } };
  const isRefused = ({ code, detail: { rule, limit } }: SluiceError): boolean =>
    isDeepStrictEqual({ code, detail: { rule, limit } }, refused);
  await assert.rejects(lab.sluice.rootfs(reference, path, { budget: { maxFileBytes: 1 } }), isRefused);
  await assert.rejects(lab.sluice.export(reference, path, { budget: { maxFileBytes: 1 } }), isRefused);
  assert.ok(!existsSync(path));
  await lab.sluice.rootfs(reference, path, { budget: { maxFileBytes: 2 } });
});

test('an image that is not in the store, and a call that is aborted', async (t) => {
  const lab = await openLab(t);
  const path = join(temporaryDirectory(t), 'root');
  await assert.rejects(lab.sluice.rootfs(`${lab.registry.host}/org/none:1`, path), { code: 'IMAGE_NOT_FOUND' });
  const reference = await bring(lab, 'file a "1"');
  await assert.rejects(lab.sluice.rootfs(reference, path, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  assert.ok(!existsSync(path));
});
