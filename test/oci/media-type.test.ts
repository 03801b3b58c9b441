import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cutParameters,
  DOCUMENT_MEDIA_TYPES,
  isConfigMediaType,
  isGenericMediaType,
  isSchema1MediaType,
  kindOfDocument,
  kindOfLayer,
} from '../../src/oci/media-type.js';

test('documents: what is asked for is what has a kind, indexes first', () => {
  assert.deepEqual(DOCUMENT_MEDIA_TYPES.map(kindOfDocument), ['index', 'index', 'manifest', 'manifest']);
  assert.equal(kindOfDocument('application/vnd.oci.artifact.manifest.v1+json'), null);
  assert.equal(kindOfDocument('constructor'), null);
});

test('a Content-Type loses its parameters and its case', () => {
  assert.equal(cutParameters('Application/JSON ; charset=utf-8'), 'application/json');
  assert.equal(cutParameters(''), '');
});

test('types that say nothing', () => {
  assert.deepEqual(['', 'application/json', 'text/plain', 'application/octet-stream'].map(isGenericMediaType), [
    true,
    true,
    true,
    true,
  ]);
  assert.equal(isGenericMediaType('text/html'), false);
});

test('schema 1 and configs', () => {
  assert.ok(isSchema1MediaType('application/vnd.docker.distribution.manifest.v1+prettyjws'));
  assert.ok(!isSchema1MediaType('application/vnd.docker.distribution.manifest.v2+json'));
  assert.ok(isConfigMediaType('application/vnd.oci.image.config.v1+json'));
  assert.ok(isConfigMediaType('application/vnd.docker.container.image.v1+json'));
  assert.ok(!isConfigMediaType('application/vnd.oci.empty.v1+json'));
});

for (const [mediaType, expected] of [
  ['application/vnd.oci.image.layer.v1.tar', { compression: 'none', isForeign: false }],
  ['application/vnd.oci.image.layer.v1.tar+gzip', { compression: 'gzip', isForeign: false }],
  ['application/vnd.oci.image.layer.v1.tar+zstd', { compression: 'zstd', isForeign: false }],
  ['application/vnd.docker.image.rootfs.diff.tar', { compression: 'none', isForeign: false }],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', { compression: 'gzip', isForeign: false }],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', { compression: 'zstd', isForeign: false }],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', { compression: 'none', isForeign: true }],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', { compression: 'gzip', isForeign: true }],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', { compression: 'zstd', isForeign: true }],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', { compression: 'gzip', isForeign: true }],
  ['application/vnd.oci.image.layer.v1.tar+gzip+encrypted', null],
  ['application/vnd.oci.image.layer.v1.tar.gzip', null],
  ['application/vnd.in-toto+json', null],
  ['', null],
] as const)
  test(`layer type ${mediaType}`, () => assert.deepEqual(kindOfLayer(mediaType), expected));
