import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveImage } from '../../src/source/resolve.js';
import { buildImage, buildIndex } from '../../src/testing/image.js';
import { failureOf, fakeSource, resolveOptions } from './fake-source.js';

const tar = Buffer.alloc(1024);

test('a lone manifest resolves without an index', async () => {
  for (const mediaTypes of ['oci', 'docker'] as const) {
    const image = buildImage({ layers: [{ tar }], mediaTypes });
    const resolved = await resolveImage(fakeSource(image), resolveOptions());
    assert.equal(resolved.index, null);
    assert.equal(resolved.resolvedDigest, image.digest);
    assert.equal(resolved.manifest.digest, image.digest);
    assert.equal(resolved.manifest.mediaType, image.descriptor.mediaType);
    assert.equal(resolved.config.digest, image.config.descriptor.digest);
    assert.equal(resolved.config.mediaType, image.config.descriptor.mediaType);
    assert.deepEqual(Buffer.from(resolved.config.bytes), image.config.bytes);
    assert.equal(resolved.platform, 'linux/amd64');
    assert.deepEqual(resolved.layers[0]?.descriptor, image.layers[0]?.descriptor);
  }
});

test('an image of an index keeps the index and the platform it was chosen by', async () => {
  const wanted = buildImage({ layers: [{ tar }], platform: 'linux/arm/v6' });
  const index = buildIndex([buildImage({ layers: [] }), wanted], { mediaTypes: 'docker', annotations: { a: 'b' } });
  const resolved = await resolveImage(fakeSource(index), resolveOptions('linux/arm/v7'));
  assert.equal(resolved.resolvedDigest, index.digest);
  assert.equal(resolved.index?.digest, index.digest);
  assert.deepEqual(resolved.index?.value.annotations, { a: 'b' });
  assert.equal(resolved.manifest.digest, wanted.digest);
  assert.equal(resolved.platform, 'linux/arm/v6');
});

test('any platform is the first image in document order', async () => {
  const first = buildImage({ layers: [], platform: 'windows/amd64' });
  const index = buildIndex([buildIndex([first]), buildImage({ layers: [] })]);
  const resolved = await resolveImage(fakeSource(index), resolveOptions('any'));
  assert.equal(resolved.manifest.digest, first.digest);
  assert.equal(resolved.platform, 'windows/amd64');
});

test('the platform that is recorded is fit to be part of a name', async () => {
  const image = buildImage({ layers: [], config: { os: 'a#b/c', architecture: '\u0007' } });
  assert.equal((await resolveImage(fakeSource(image), resolveOptions('any'))).platform, 'a-b-c/-');
});

test('a source that fails is passed on', async () => {
  const image = buildImage({ layers: [] });
  const index = buildIndex([image]);
  const without = { ...index, blobs: new Map([...index.blobs].filter(([digest]) => digest !== image.digest)) };
  assert.equal((await failureOf(fakeSource(without))).code, 'MANIFEST_UNKNOWN');
});

test('a cancelled call asks for nothing more', async () => {
  const controller = new AbortController();
  const source = fakeSource(buildIndex([buildImage({ layers: [] })]), () => {
    controller.abort();
    return {};
  });
  const error = await failureOf(source, resolveOptions('linux/amd64', { signal: controller.signal }));
  assert.equal(error.code, 'ABORTED');
  assert.deepEqual(source.asked, ['top']);
});
