import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../src/index.js';
import { buildImage, createRandom, file, layer, parseLayer } from '../../src/testing/index.js';
import { needsTmpfs } from '../helpers/needs.js';
import { filesIn, openLab, openSluice } from '../helpers/sluice.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { openCrashLab } from './crash-lab.js';

/** A step, what it fails with, and what the call says. */
const FAILURES = [
  ['rename staging/DIGEST.RANDOM/tree to layers/DIGEST.extracted', 'EIO', 'STORE_FAILED'],
  ['rename staging/DIGEST.RANDOM/mtree to layers/DIGEST.mtree', 'ENOSPC', 'DISK_FULL'],
  ['mkdir staging/DIGEST.RANDOM', 'ENOSPC', 'DISK_FULL'],
  ['open locks/DIGEST', 'EMFILE', 'STORE_FAILED'],
  ['writerOpen', 'EMFILE', 'STORE_FAILED'],
  ['writerFinish', 'ENOSPC', 'DISK_FULL'],
  ['syncfs', 'EIO', 'STORE_FAILED'],
  ['fsync', 'EIO', 'STORE_FAILED'],
  ['INSERT INTO images', 'EIO', 'STORE_FAILED'],
] as const;

test('compat F14 K2 a step that fails is a typed error, and leaves nothing half', async (t) => {
  const lab = await openCrashLab(t);
  for (const [step, errno, code] of FAILURES) {
    await t.test(`${errno} at ${step}`, async () => {
      const home = lab.begin('pull');
      assert.equal(await lab.run(home, 'pull', { FAULT_AT: step, FAULT_HOW: errno }), code);
      await lab.assertWhole(home, 'pull');
      rmSync(home, { recursive: true });
    });
  }
});

test(
  'compat K2 a disk that is full is DISK_FULL, and nothing of the layer stays',
  { skip: needsTmpfs() },
  async (t) => {
    const mount = temporaryDirectory(t, 'sluice-tmpfs');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
    try {
      const home = join(mount, 'home');
      const lab = await openLab(t, { open: { home } });
      const big = buildImage({ layers: [{ tar: layer(file('big', createRandom(1).bytes(8_000_000))) }] });
      const small = buildImage({ layers: [{ tar: layer(file('small', 'x')) }] });
      await assert.rejects(lab.pull(lab.registry.push('big', '1', big)), { code: 'DISK_FULL' });
      assert.deepEqual(
        [filesIn(home, 'layers'), filesIn(home, 'staging'), filesIn(home, 'trash')],
        [[], [], ['foreign']],
      );
      await lab.pull(lab.registry.push('small', '1', small));
      assert.deepEqual((await lab.sluice.verify()).problems, []);
      await lab.sluice.close();
    } finally {
      execFileSync('umount', ['-l', mount]);
    }
  },
);

test('compat F14 a home that cannot be written is STORE_FAILED', async (t) => {
  const lab = await openCrashLab(t);
  const home = lab.begin('pull');
  // Root may write everywhere, but not where a file is in the way.
  rmSync(join(home, 'staging'), { recursive: true });
  execFileSync('touch', [join(home, 'staging')]);
  assert.equal(await lab.run(home, 'pull'), 'STORE_FAILED');
  if (process.getuid?.() === 0) return;
  const closed = lab.begin('pull');
  chmodSync(closed, 0o500);
  t.after(() => chmodSync(closed, 0o700));
  assert.equal(await lab.run(closed, 'pull'), 'STORE_FAILED');
});

test('compat F14 a read-only home is a typed error', { skip: needsTmpfs() }, async (t) => {
  const lab = await openCrashLab(t);
  const home = lab.begin('prune');
  execFileSync('mount', ['--bind', home, home]);
  try {
    execFileSync('mount', ['-o', 'remount,ro,bind', home]);
    assert.equal(await lab.run(home, 'pull'), 'STORE_FAILED');
  } finally {
    execFileSync('umount', ['-l', home]);
  }
});

test('compat F14 a home that vanishes under a pull is a typed error, and the next opening makes it again', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({ layers: [{ tar: parseLayer('file a "1"') }, { tar: parseLayer('file b "2"') }] });
  const reference = lab.registry.push('app', '1', image);
  lab.sluice.subscribe((event) => {
    if (event.kind === 'layer-start') rmSync(lab.home, { recursive: true, force: true });
  });
  await assert.rejects(lab.pull(reference), (error: unknown) => error instanceof SluiceError);
  await lab.sluice.close();
  mkdirSync(lab.home, { recursive: true });
  const again = await openSluice(t, { home: lab.home });
  await again.pull(reference, { plainHttp: [lab.registry.host] });
  assert.deepEqual((await again.verify()).problems, []);
});
