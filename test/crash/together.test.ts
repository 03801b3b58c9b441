import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Sluice } from '../../src/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { sql } from '../store/fixtures.js';
import { openCrashLab } from './crash-lab.js';

test('compat K7 two processes that pull one image extract each layer once', async (t) => {
  const lab = await openCrashLab(t);
  const home = join(temporaryDirectory(t), 'home');
  lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'drip', bytesPerSecond: 4000 } });
  lab.registry.clearRequests();
  const printed = await Promise.all([lab.run(home, 'pull'), lab.run(home, 'pull')]);
  assert.deepEqual(printed, ['done', 'done']);
  const blobs = lab.registry.requestsOf('blob').map(({ url }) => url);
  assert.deepEqual(blobs.toSorted(), [...new Set(blobs)].toSorted(), 'A LAYER WAS TRANSFERRED TWICE');
  await lab.assertWhole(home, 'pull');
});

test('compat I7 eight processes write the index at once, each with images of its own', async (t) => {
  const lab = await openCrashLab(t);
  const home = join(temporaryDirectory(t), 'home');
  const references = Array.from({ length: 8 }, (_, i) => lab.registry.push(`app-${i}`, '1', lab.image));
  const printed = await Promise.all(references.map((reference) => lab.run(home, 'pull', {}, reference)));
  assert.deepEqual(
    printed,
    references.map(() => 'done'),
  );
  await using sluice = await Sluice.open({ home });
  const listed = await sluice.list({ all: true });
  assert.deepEqual(
    listed.map(({ reference }) => reference.split('#')[0]),
    references.toSorted(),
  );
  assert.deepEqual((await sluice.verify()).problems, []);
  assert.deepEqual(await sql(home, 'SELECT count(*) AS count FROM layers'), [{ count: 3 }]);
  assert.deepEqual(await sql(home, 'PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
  rmSync(home, { recursive: true });
});
