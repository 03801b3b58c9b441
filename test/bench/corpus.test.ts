import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildCorpus, type CorpusName } from '../../bench/corpus/corpus.js';
import { readImage, readImages } from '../../bench/corpus/layout.js';
import { createContent } from '../../bench/corpus/content.js';
import { buildLayer, type LayerShape } from '../../bench/corpus/shape.js';
import { buildImage, buildIndex, file, layer, writeOciLayout } from '../../src/testing/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const SCALE = 0.002;
const SHAPE: LayerShape = { seed: 1, folder: 'app', files: 200, totalBytes: 400_000, content: 'text' };

test('the same name and scale give the same images', (t) => {
  const folder = temporaryDirectory(t);
  const names: readonly CorpusName[] = [
    'one-layer',
    'three-layers',
    'small-files',
    'large-files',
    'incompressible',
    'bulk',
  ];
  for (const name of names) {
    const [first, second] = ['a', 'b'].map((copy) => buildCorpus(name, SCALE, join(folder, copy, name)));
    const digestsOf = (images: typeof first): string[] => images!.images.map(({ digest }) => digest);
    assert.deepEqual(digestsOf(first), digestsOf(second), name);
    assert.equal(new Set(digestsOf(first)).size, name === 'bulk' ? 3 : 1, name);
  }
});

test('another seed gives another layer, another scale more of it', () => {
  const bytes = buildLayer(SHAPE);
  assert.ok(buildLayer({ ...SHAPE }).equals(bytes));
  assert.equal(buildLayer({ ...SHAPE, seed: 2 }).equals(bytes), false);
  assert.ok(buildLayer({ ...SHAPE, files: 400, totalBytes: 800_000 }).length > bytes.length * 1.5);
});

test('noise does not pack, text packs to between a fifth and a half', () => {
  const ratioOf = (content: LayerShape['content']): number => {
    const tar = buildLayer({ ...SHAPE, content });
    const image = buildImage({ layers: [{ tar }] });
    return image.layers[0]!.descriptor.size / tar.length;
  };
  assert.ok(ratioOf('noise') > 0.6, String(ratioOf('noise')));
  assert.ok(ratioOf('text') > 0.2 && ratioOf('text') < 0.5, String(ratioOf('text')));
});

test('contents of any size are cut from the pool', () => {
  const content = createContent('text', 3);
  assert.equal(content.next(0).length, 0);
  assert.equal(content.next(9 * 1024 * 1024).length, 9 * 1024 * 1024);
});

test('images of a layout are found by tag, the first one without, and through an image index', (t) => {
  const folder = temporaryDirectory(t);
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const imageOf = (name: string, platform = `linux/${architecture}`) =>
    buildImage({ layers: [{ tar: layer(file(name)) }], platform });
  const [a, b, other] = [imageOf('a'), imageOf('b'), imageOf('other', 'linux/s390x')];
  writeOciLayout(folder, { first: a, second: buildIndex([other, b]) });
  assert.deepEqual(
    readImages(folder).map(({ tag, digest }) => [tag, digest]),
    [
      ['first', a.digest],
      ['second', b.digest],
    ],
  );
  assert.equal(readImage(folder, null).digest, a.digest);
  assert.throws(() => readImage(folder, 'third'), /has no tag "third"/);
  assert.deepEqual(
    readImage(folder, 'first').layers.map(({ digest, packing }) => [digest, packing]),
    [[a.layers[0]!.descriptor.digest, 'gzip']],
  );
});
