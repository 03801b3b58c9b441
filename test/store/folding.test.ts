import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../src/index.js';
import { buildImage, parseLayer } from '../../src/testing/index.js';
import { listTree } from '../helpers/extract.js';
import { makeMountPoint, PATIENCE_SECONDS } from '../helpers/mount-point.js';
import { needs, needsMounts } from '../helpers/needs.js';
import { openLab } from '../helpers/sluice.js';
import type { Cleanup } from '../helpers/temporary.js';

const skip = needsMounts() || needs('lowntfs-3g');
const IMAGE_BYTES = 64 * 1024 * 1024;

/** A real file system that takes `a` and `A` for one name, and has xattrs, symlinks and hard links. It lists all in lower case. */
function mountFolding(t: Cleanup): string {
  const { point, folder } = makeMountPoint(t);
  const image = join(folder, 'image');
  writeFileSync(image, '');
  truncateSync(image, IMAGE_BYTES);
  const options = { timeout: PATIENCE_SECONDS * 1000, stdio: 'ignore' } as const;
  execFileSync('mkntfs', ['--fast', '--force', '--quiet', image], options);
  execFileSync('lowntfs-3g', [image, point, '-o', 'ignore_case,permissions,streams_interface=xattr'], options);
  return point;
}

const COLLIDING: readonly (readonly [title: string, layer: string, second: string])[] = [
  ['files', 'file a "1"\nfile A "2"', 'A'],
  ['directories', 'dir d\ndir D', 'D'],
  ['a symlink and a file', 'sym s -> x\nfile S "2"', 'S'],
  ['a directory on the way', 'file d/f "1"\nfile D/g "2"', 'D/g'],
  ['a file and what would be a directory', 'file d "1"\nfile D/g "2"', 'D/g'],
  ['a hard link’s name', 'file a "1"\nfile b "2"\nlink A -> b', 'A'],
  ['a hard link’s target', 'file a "1"\nlink b -> A', 'A'],
  ['a device', 'char c 1,3\nchar C 1,5', 'C'],
  ['letters beyond ASCII', 'file é "1"\nfile É "2"', 'É'],
];

test(
  'extraction E15 compat K19 on a file system that folds case the second of two names fails the layer',
  { skip },
  async (t) => {
    const lab = await openLab(t);
    const layerPath = join(mountFolding(t), 'layers');
    const pull = (name: string, text: string): Promise<unknown> =>
      lab.pull(lab.registry.push(name, '1', buildImage({ layers: [{ tar: parseLayer(text) }] })), { layerPath });
    for (const [index, [title, text, second]] of COLLIDING.entries()) {
      await t.test(title, async () => {
        await assert.rejects(pull(`c${index}`, text), (error: unknown) => {
          assert.ok(error instanceof SluiceError);
          assert.deepEqual([error.code, error.detail.rule, error.detail.entry], ['NAME_COLLISION', 'E15', second]);
          return true;
        });
        assert.deepEqual(readdirSync(layerPath), ['.sluice']);
        assert.deepEqual(readdirSync(join(layerPath, '.sluice/staging')), []);
      });
    }
  },
);

test('extraction E15 M2 a layer without such names comes out of it as anywhere', { skip }, async (t) => {
  const lab = await openLab(t);
  const layerPath = join(mountFolding(t), 'layers');
  const text =
    'dir d 0711 1:2 mtime=5\nfile d/f 04755 "1"\nfile d/f "2"\nlink g -> d/f\nsym s -> d\nfile s/h "3"\nwh w\nchar c 1,3';
  const reference = lab.registry.push('plain', '1', buildImage({ layers: [{ tar: parseLayer(text) }] }));
  const [folding, plain] = [await lab.pull(reference, { layerPath }), await lab.pull(reference)];
  assert.ok(folding.layers[0]!.path.startsWith(layerPath));
  assert.deepEqual(listTree(folding.layers[0]!.path), listTree(plain.layers[0]!.path));
});

test(
  'extraction E15 W8 names of two layers that fold together fail the composing there, and nowhere else',
  { skip },
  async (t) => {
    const lab = await openLab(t);
    const point = mountFolding(t);
    const layers = ['file a "1"', 'file A "2"'].map((text) => ({ tar: parseLayer(text) }));
    const { reference } = await lab.pull(lab.registry.push('stacked', '1', buildImage({ layers })));
    await assert.rejects(lab.sluice.rootfs(reference, join(point, 'root')), { code: 'NAME_COLLISION' });
    assert.deepEqual(readdirSync(point), []);
    const elsewhere = join(lab.home, '../root');
    await lab.sluice.rootfs(reference, elsewhere);
    assert.deepEqual(readdirSync(elsewhere).toSorted(), ['A', 'a']);
  },
);
