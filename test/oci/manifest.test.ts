import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SluiceError } from '../../src/errors.js';
import { digestOf } from '../../src/oci/digest.js';
import { decodeInlineData, parseDescriptor, parseImageConfig, parseManifestDocument } from '../../src/oci/manifest.js';

const digest = digestOf(Buffer.from('x'));
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('a descriptor keeps what Sluice reads and drops the rest', () => {
  const full = {
    mediaType: 'a/b',
    digest,
    size: 1,
    annotations: { a: 'b' },
    platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' },
    artifactType: 'x/y',
    data: 'eA==',
    urls: ['https://a.io/'],
  };
  assert.deepEqual(parseDescriptor({ ...full, more: 1 }), full);
});

test('null and empty stand for absent', () => {
  const { mediaType, size } = { mediaType: 'a/b', size: 0 };
  const absent = { annotations: null, platform: null, artifactType: null, data: null, urls: null };
  assert.deepEqual(parseDescriptor({ mediaType, digest, size, ...absent }), { mediaType, digest, size });
  const platform = { os: '', architecture: '' };
  assert.deepEqual(parseDescriptor({ mediaType, digest, size, platform }), { mediaType, digest, size });
});

test('a config gives keys, words and plain values', () => {
  const config = parseImageConfig(
    bytesOf({
      os: 'linux',
      architecture: 'arm64',
      variant: 'v8',
      'os.version': '10',
      created: '2020-01-01T00:00:00Z',
      rootfs: { type: 'layers', diff_ids: [digest] },
      history: [{ created_by: 'x' }],
      config: {
        User: 'u',
        Env: ['A=b'],
        Cmd: ['c'],
        Entrypoint: ['e'],
        WorkingDir: '/w',
        Volumes: { '/v': {} },
        ExposedPorts: { '80/tcp': {} },
      },
    }),
  );
  assert.deepEqual(config, {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
    osVersion: '10',
    created: '2020-01-01T00:00:00Z',
    rootfsType: 'layers',
    diffIds: [digest],
    history: [{ created_by: 'x' }],
    config: {
      user: 'u',
      env: ['A=b'],
      cmd: ['c'],
      entrypoint: ['e'],
      workingDir: '/w',
      volumes: ['/v'],
      exposedPorts: ['80/tcp'],
    },
  });
});

test('a config may say almost nothing', () => {
  const empty = { os: '', architecture: '', rootfsType: 'layers', diffIds: [], config: {} };
  assert.deepEqual(parseImageConfig(bytesOf({})), empty);
  const nulls = {
    created: 7,
    rootfs: { type: '', diff_ids: null },
    history: null,
    config: { Env: null, Volumes: null },
  };
  assert.deepEqual(parseImageConfig(bytesOf(nulls)), empty);
});

test('a config with another kind of root file system or a wrong type of field is refused', () => {
  for (const value of [{ rootfs: { type: 'layers+base' } }, { config: { Cmd: 'sh' } }, { os: 1 }, [], null])
    assert.throws(() => parseImageConfig(bytesOf(value)), { code: 'MANIFEST_INVALID' }, JSON.stringify(value));
  assert.throws(() => parseImageConfig(bytesOf({ rootfs: { diff_ids: ['sha256:x'] } })), { code: 'DIGEST_INVALID' });
});

test('whatever JSON arrives, a parser answers or throws a typed error', () => {
  const json = fc.json().map((text) => Buffer.from(text));
  const shaped = fc
    .record(
      {
        schemaVersion: fc.constantFrom<unknown>(2, 1, '2', null),
        mediaType: fc.constantFrom<unknown>('application/vnd.oci.image.index.v1+json', '', null, 1),
        manifests: fc.jsonValue(),
        config: fc.jsonValue(),
        layers: fc.jsonValue(),
        rootfs: fc.jsonValue(),
        annotations: fc.jsonValue(),
      },
      { requiredKeys: ['schemaVersion'] },
    )
    .map(bytesOf);
  fc.assert(
    fc.property(fc.oneof(json, shaped, fc.uint8Array()), (bytes) => {
      for (const parse of [(): unknown => parseManifestDocument(bytes, null), (): unknown => parseImageConfig(bytes)])
        try {
          parse();
        } catch (error) {
          assert.ok(error instanceof SluiceError, String(error));
        }
    }),
    { numRuns: 500 },
  );
});

test('inline data is null when there is none', () => {
  assert.equal(decodeInlineData(parseDescriptor({ mediaType: 'a/b', digest, size: 1 })), null);
});
