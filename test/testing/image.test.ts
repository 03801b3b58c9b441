import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  buildImage,
  buildIndex,
  compress,
  createRandom,
  dir,
  file,
  gzipMembers,
  layer,
  randomImage,
  writeOciLayout,
} from '../../src/testing/index.js';
import { needs } from '../helpers/needs.js';
import { createSkopeo } from '../helpers/skopeo.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const sha = (bytes: Uint8Array, algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;

const tar = layer(dir('etc'), file('etc/passwd', 'root:x:0:0\n'.repeat(1000)));

test('an image’s digests, sizes and diffIDs are those of its bytes', () => {
  const image = buildImage({
    layers: [{ tar }, { tar, compression: 'none', annotations: { a: 'b' } }],
    annotations: { c: 'd' },
    config: { author: 'somebody' },
    platform: 'linux/arm64/v8',
  });
  for (const [digest, bytes] of image.blobs) assert.equal(digest, sha(bytes));
  const manifest = JSON.parse(image.manifest.bytes.toString()) as Record<string, unknown>;
  const config = JSON.parse(image.config.bytes.toString()) as Record<string, unknown>;
  assert.equal(image.digest, sha(image.manifest.bytes));
  assert.deepEqual(manifest['annotations'], { c: 'd' });
  assert.deepEqual(manifest['layers'], [
    {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: sha(image.layers[0]!.bytes),
      size: image.layers[0]!.bytes.length,
    },
    {
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: sha(tar),
      size: tar.length,
      annotations: { a: 'b' },
    },
  ]);
  assert.equal(config['author'], 'somebody');
  assert.equal(config['variant'], 'v8');
  assert.deepEqual(config['rootfs'], { type: 'layers', diff_ids: [sha(tar), sha(tar)] });
  assert.deepEqual(image.descriptor.platform, { os: 'linux', architecture: 'arm64', variant: 'v8' });
});

test('algorithms of blob and diffID are chosen apart, descriptors may lie', () => {
  const image = buildImage({
    layers: [{ tar }, { tar, algorithm: 'sha384' }, { tar, descriptor: { size: 1 }, mediaType: 'x/y' }],
    algorithm: 'sha512',
    diffIdAlgorithm: 'sha256',
    mediaTypes: 'docker',
  });
  assert.match(image.digest, /^sha512:/);
  assert.equal(image.layers[0]!.descriptor.mediaType, 'application/vnd.docker.image.rootfs.diff.tar.gzip');
  assert.equal(image.layers[1]!.descriptor.digest, sha(image.layers[1]!.bytes, 'sha384'));
  assert.equal(image.layers[0]!.diffId, sha(tar));
  assert.equal(image.layers[2]!.descriptor.size, 1);
  assert.equal(image.layers[2]!.descriptor.mediaType, 'x/y');
});

test('every compression gives the tar back', () => {
  for (const compression of ['gzip', 'gzip-members', 'gzip-header'] as const) {
    assert.deepEqual(gunzipSync(compress(tar, compression)), tar, compression);
  }
  assert.deepEqual(compress(tar, 'none'), tar);
  assert.deepEqual(gunzipSync(gzipMembers(tar.subarray(0, 50), 1)), tar.subarray(0, 50));
  assert.deepEqual(gunzipSync(compress(Buffer.alloc(0), 'gzip-members')), Buffer.alloc(0));
});

for (const [program, compression] of [
  ['zstd', 'zstd-stored'],
  ['gzip', 'gzip-header'],
] as const) {
  test(`${program} accepts ${compression}`, { skip: needs(program) }, () => {
    for (const content of [Buffer.alloc(0), tar, createRandom(1).bytes(300_001)]) {
      const input = compress(content, compression);
      assert.deepEqual(execFileSync(program, ['-dc'], { input, maxBuffer: 2 ** 24 }), content);
    }
  });
}

test('an index holds its images in order, and overrides', () => {
  const one = buildImage({ layers: [{ tar }] });
  const two = buildImage({ layers: [], platform: 'linux/arm64' });
  const nested = buildIndex([two], { mediaTypes: 'docker', algorithm: 'sha512' });
  const index = buildIndex([one, { image: nested, descriptor: { artifactType: 'x' } }], { annotations: { a: 'b' } });
  const document = JSON.parse(index.index.bytes.toString()) as { manifests: unknown[]; annotations: unknown };
  assert.deepEqual(document.manifests, [one.descriptor, { ...nested.descriptor, artifactType: 'x' }]);
  assert.deepEqual(document.annotations, { a: 'b' });
  assert.ok(
    [...one.blobs.keys(), ...two.blobs.keys(), nested.digest, index.digest].every((key) => index.blobs.has(key)),
  );
});

test('a seed decides a random image', () => {
  assert.equal(randomImage({ seed: 7 }).digest, randomImage({ seed: 7 }).digest);
  assert.notEqual(randomImage({ seed: 7 }).digest, randomImage({ seed: 8 }).digest);
  assert.equal(randomImage({ seed: 7, layers: 5, files: 0 }).layers.length, 5);
});

test('skopeo reads the layout', { skip: needs('skopeo') }, async (t) => {
  const directory = temporaryDirectory(t);
  const image = randomImage({ seed: 1 });
  const index = buildIndex([image, randomImage({ seed: 2, platform: 'linux/arm64' })]);
  writeOciLayout(join(directory, 'layout'), { one: image, many: index });
  const skopeo = createSkopeo(directory);
  assert.deepEqual(await skopeo.inspectRaw(`oci:${directory}/layout:one`), image.manifest.bytes);
  assert.deepEqual(await skopeo.inspectRaw(`oci:${directory}/layout:many`), index.index.bytes);
  await skopeo.copy(`oci:${directory}/layout:one`, `oci:${directory}/copy:one`);
});

test('umoci unpacks the layout', { skip: needs('umoci') }, (t) => {
  const directory = temporaryDirectory(t);
  const image = buildImage({
    layers: [{ tar, compression: 'gzip-members' }, { tar: layer(file('etc/passwd', 'new')) }],
  });
  writeOciLayout(join(directory, 'layout'), { one: image });
  const words = ['raw', 'unpack', '--rootless', '--image', `${directory}/layout:one`, `${directory}/root`];
  execFileSync('umoci', words, { stdio: 'pipe' });
  assert.equal(readFileSync(join(directory, 'root/etc/passwd'), 'utf8'), 'new');
});
