import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { SluiceError } from '../../src/index.js';
import { importLayers, textOf } from '../consumers/imported-image.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const ZEROS = `sha256:${'0'.repeat(64)}`;

test('a sidecar that is damaged, of another layer, of another version or none at all is a typed error', async (t) => {
  const { sluice, image, directories } = await importLayers(t, ['file a "1"']);
  const { digest } = image.layers[0]!;
  const sidecar = directories[0]!.replace(/\.extracted$/, '.mtree');
  const whole = readFileSync(sidecar, 'latin1');
  const failsWith = async (code: string): Promise<void> => {
    for (const host of [false, true]) {
      const failure = await textOf(sluice.sidecar(digest, { host })).catch((error: unknown) => error);
      assert.ok(failure instanceof SluiceError, String(failure));
      assert.deepEqual([failure.code, failure.detail.layer], [code, digest]);
    }
  };
  assert.equal(await textOf(sluice.sidecar(digest)), whole);

  writeFileSync(sidecar, whole.slice(0, whole.indexOf('\n.')));
  await failsWith('SIDECAR_CORRUPT');
  writeFileSync(sidecar, whole.replace(digest, ZEROS));
  await failsWith('SIDECAR_CORRUPT');
  writeFileSync(sidecar, whole.replace(' v=1 ', ' v=2 '));
  await failsWith('IMAGE_NOT_FOUND');
  rmSync(sidecar);
  await failsWith('IMAGE_NOT_FOUND');
  symlinkSync('/etc/passwd', sidecar);
  await failsWith('STORE_FAILED');
  rmSync(sidecar);
  writeFileSync(sidecar, whole);
  appendFileSync(sidecar, './b type=door\n');
  await assert.rejects(textOf(sluice.sidecar(digest, { host: true })), { code: 'SIDECAR_CORRUPT' });
});

test('extraction E22 a layer’s sidecar is looked for by a digest alone', async (t) => {
  const { sluice, image } = await importLayers(t, ['file a "1"']);
  const { digest } = image.layers[0]!;
  for (const text of ['', 'sha256:../../x', `${digest}.mtree`, digest.toUpperCase(), `../layers/${digest}`]) {
    await assert.rejects(textOf(sluice.sidecar(text)), { code: 'DIGEST_INVALID' }, text);
  }
  await assert.rejects(textOf(sluice.sidecar(ZEROS)), { code: 'IMAGE_NOT_FOUND' });
  const layerPath = temporaryDirectory(t);
  await assert.rejects(textOf(sluice.sidecar(digest, { layerPath })), { code: 'IMAGE_NOT_FOUND' });
});
