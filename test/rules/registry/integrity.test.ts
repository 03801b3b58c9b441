import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, type Digest } from '../../../src/oci/digest.js';
import { parseManifestDocument } from '../../../src/oci/manifest.js';
import { completeSource } from '../../../src/source/inline.js';
import { resolveImage } from '../../../src/source/resolve.js';
import { buildImage, buildIndex, type TestImage } from '../../../src/testing/image.js';
import { documentSource, failureOf, fakeSource, resolveOptions } from '../../source/fake-source.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

const one = buildImage({ layers: [{ tar: Buffer.alloc(1024) }] });
const index = buildIndex([one]);

function changed(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[copy.length - 2] = (copy[copy.length - 2] ?? 0) ^ 1;
  return copy;
}

// R93
for (const asked of ['manifest', 'config'] as const) {
  const ofKind = (mediaType: string | undefined): boolean => (asked === 'config') === (mediaType === OCI_CONFIG);

  test(`registry R93 one changed byte of a ${asked} read by digest`, async () => {
    const source = fakeSource(index, ({ bytes }, by) => (by && ofKind(by.mediaType) ? { bytes: changed(bytes) } : {}));
    const error = await failureOf(source);
    const { digest } = asked === 'config' ? one.config.descriptor : one.descriptor;
    assert.equal(error.code, 'DIGEST_MISMATCH');
    assert.equal(error.detail.expected, digest);
    assert.match(error.detail.got ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.equal(error.detail.host, 'fake.test');
    assert.equal(error.detail.asked, asked);
  });

  test(`registry R93 one byte more or less of a ${asked}`, async () => {
    for (const cut of [(b: Uint8Array) => b.subarray(1), (b: Uint8Array) => Buffer.concat([b, Buffer.from(' ')])]) {
      const source = fakeSource(index, ({ bytes }, by) => (by && ofKind(by.mediaType) ? { bytes: cut(bytes) } : {}));
      assert.equal((await failureOf(source)).code, 'SIZE_MISMATCH');
    }
  });
}

test('registry R93 bytes are verified before they are parsed', async () => {
  const source = fakeSource(index, ({ bytes }, by) => (by ? { bytes: Buffer.alloc(bytes.length, '[') } : {}));
  assert.equal((await failureOf(source)).code, 'DIGEST_MISMATCH');
});

test('registry R93 a descriptor that promises another size than the document has', async () => {
  const lying = buildIndex([{ image: one, descriptor: { size: one.descriptor.size + 1 } }]);
  const error = await failureOf(fakeSource(lying));
  assert.equal(error.code, 'SIZE_MISMATCH');
  assert.equal(error.detail.expected, String(one.descriptor.size + 1));
});

// R94
test('registry R94 by tag, the digest is what was computed', async () => {
  const { resolvedDigest } = await resolveImage(fakeSource(one), resolveOptions());
  assert.equal(resolvedDigest, digestOf(one.manifest.bytes));
});

test('registry R94 what the source promises of a tag is compared, in its own algorithm', async () => {
  const promise = (digest: Digest): ReturnType<typeof fakeSource> =>
    fakeSource(one, (_, by) => (by ? {} : { expected: { digest } }));
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    const right = digestOf(one.manifest.bytes, algorithm);
    assert.equal((await resolveImage(promise(right), resolveOptions())).resolvedDigest, right);
    const error = await failureOf(promise(digestOf(Buffer.from('other'), algorithm)));
    assert.equal(error.code, 'DIGEST_MISMATCH');
    assert.equal(error.detail.got, right);
  }
});

test('registry R94 a promise about a document read by digest is compared too', async () => {
  const source = fakeSource(index, (_, by) => (by ? { expected: { digest: digestOf(Buffer.from('other')) } } : {}));
  assert.equal((await failureOf(source)).code, 'DIGEST_MISMATCH');
});

// R95
test('registry R95 the tag is read once, everything after it by digest', async () => {
  const other = buildImage({ layers: [], config: { config: { User: 'other' } } });
  const source = { ...fakeSource(index), peekDigest: async (): Promise<Digest> => other.digest };
  const resolved = await resolveImage(source, resolveOptions());
  assert.equal(resolved.resolvedDigest, index.digest);
  assert.deepEqual(source.asked, ['top', `manifest ${one.digest}`, `config ${one.config.descriptor.digest}`]);
});

// R97
const hex = 'ab'.repeat(32);
const badDigests = [
  `sha256:${hex.toUpperCase()}`,
  `SHA256:${hex}`,
  `sha256:${hex.slice(1)}`,
  `sha256:${hex}0`,
  `sha512:${hex}`,
  `sha1:${hex.slice(0, 40)}`,
  `md5:${hex.slice(0, 32)}`,
  'sha256:../../../../etc/passwd',
  `sha256:${'../'.repeat(21)}x`,
  hex,
  '',
];
for (const bad of badDigests)
  test(`registry R97 the digest ${JSON.stringify(bad)} is refused before it is used`, async () => {
    const config = { mediaType: OCI_CONFIG, digest: digestOf(Buffer.from('x')), size: 1 };
    for (const [document, type] of [
      [{ schemaVersion: 2, manifests: [{ ...one.descriptor, digest: bad }] }, OCI_INDEX],
      [{ schemaVersion: 2, config: { ...config, digest: bad }, layers: [] }, OCI_MANIFEST],
      [{ schemaVersion: 2, config, layers: [{ mediaType: OCI_LAYER, digest: bad, size: 1 }] }, OCI_MANIFEST],
    ] as const) {
      const source = documentSource(document, type);
      assert.equal((await failureOf(source)).code, 'DIGEST_INVALID');
      assert.deepEqual(source.asked, ['top']);
    }
  });

test('registry R97 a bad diffID', async () => {
  const bad = buildImage({
    layers: [],
    config: { rootfs: { type: 'layers', diff_ids: [`sha256:${hex.toUpperCase()}`] } },
  });
  assert.equal((await failureOf(fakeSource(bad))).code, 'DIGEST_INVALID');
});

test('registry R97 sha384 and sha512, mixed, each checked by its own', async () => {
  const mixed = buildImage({ layers: [{ tar: Buffer.alloc(1024) }], algorithm: 'sha512', diffIdAlgorithm: 'sha384' });
  const outer = buildIndex([mixed], { algorithm: 'sha384' });
  const resolved = await resolveImage(fakeSource(outer), resolveOptions());
  assert.match(resolved.manifest.digest, /^sha512:/);
  assert.match(resolved.config.digest, /^sha512:/);
  assert.match(resolved.layers[0]?.diffId ?? '', /^sha384:/);
  const source = fakeSource(outer, ({ bytes }, by) => (by ? { bytes: changed(bytes) } : {}));
  assert.equal((await failureOf(source)).code, 'DIGEST_MISMATCH');
});

// R98
test('registry R98 documents above their cap, named with its option', async () => {
  const { size } = one.manifest.descriptor;
  await resolveImage(fakeSource(one), resolveOptions('linux/amd64', { maxManifestBytes: size }));
  const error = await failureOf(fakeSource(one), resolveOptions('linux/amd64', { maxManifestBytes: size - 1 }));
  assert.equal(error.code, 'TOO_LARGE');
  assert.deepEqual(error.detail.limit, { option: 'maxManifestBytes', value: size - 1 });
});

test('registry R98 a descriptor above the cap is refused without a request', async () => {
  const source = fakeSource(one);
  const error = await failureOf(source, resolveOptions('linux/amd64', { maxConfigBytes: one.config.bytes.length - 1 }));
  assert.equal(error.code, 'TOO_LARGE');
  assert.equal(error.detail.limit?.option, 'maxConfigBytes');
  assert.deepEqual(source.asked, ['top']);
  const wide = fakeSource(buildIndex([{ image: one, descriptor: { size: 5 * 1024 * 1024 } }]));
  assert.equal((await failureOf(wide)).code, 'TOO_LARGE');
  assert.deepEqual(wide.asked, ['top']);
});

test('registry R98 at most 1024 layers', async () => {
  const [layer] = one.layers;
  const layersOf = (count: number): TestImage =>
    buildImage({
      layers: [],
      manifest: { layers: Array.from({ length: count }, () => layer?.descriptor) },
      config: { rootfs: { type: 'layers', diff_ids: Array.from({ length: count }, () => layer?.diffId) } },
    });
  assert.equal((await resolveImage(fakeSource(layersOf(1024)), resolveOptions())).layers.length, 1024);
  const source = fakeSource(layersOf(1025));
  const error = await failureOf(source);
  assert.equal(error.code, 'TOO_LARGE');
  assert.deepEqual(error.detail.limit, { option: 'maxLayers', value: 1024 });
  assert.deepEqual(source.asked, ['top']);
  const few = resolveOptions('linux/amd64', { maxLayers: 0 });
  assert.equal((await failureOf(fakeSource(layersOf(1)), few)).code, 'TOO_LARGE');
});

// R99
for (const size of ['-1', '1.5', '9007199254740992', '1e400', '"1"', 'null', 'true'])
  test(`registry R99 the size ${size}`, () => {
    const descriptor = `{"mediaType":"${OCI_LAYER}","digest":"sha256:${hex}","size":${size}}`;
    const bytes = Buffer.from(`{"schemaVersion":2,"manifests":[${descriptor}]}`);
    assert.throws(
      () => parseManifestDocument(bytes, null),
      (error: { code: string; detail: { rule?: string } }) => {
        assert.equal(error.code, 'MANIFEST_INVALID');
        assert.equal(error.detail.rule, 'registry R99');
        return true;
      },
    );
  });

test('registry R99 the largest safe integer and 0 are sizes', () => {
  for (const size of [0, Number.MAX_SAFE_INTEGER]) {
    const manifests = [{ mediaType: OCI_LAYER, digest: `sha256:${hex}`, size }];
    const document = parseManifestDocument(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })), null);
    assert.ok(document.kind === 'index');
    assert.equal(document.manifests[0]?.size, size);
  }
});

// R100
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const withData = (data: string): TestImage =>
  buildImage({ layers: [], manifest: { config: { ...one.config.descriptor, data } } });

test('registry R100 documents in their descriptors are not asked for', async () => {
  const inner = buildImage({
    layers: [{ tar: Buffer.alloc(1024) }],
    manifest: { config: { ...one.config.descriptor, data: base64(one.config.bytes) } },
  });
  const source = fakeSource(buildIndex([{ image: inner, descriptor: { data: base64(inner.manifest.bytes) } }]));
  const resolved = await resolveImage(source, resolveOptions());
  assert.deepEqual(source.asked, ['top']);
  assert.equal(resolved.manifest.digest, inner.digest);
  assert.deepEqual(Buffer.from(resolved.config.bytes), one.config.bytes);
});

const right = base64(one.config.bytes);
for (const [what, data] of [
  ['a changed byte', base64(changed(one.config.bytes))],
  ['a byte less', base64(one.config.bytes.subarray(1))],
  ['a byte more', base64(Buffer.concat([one.config.bytes, Buffer.from(' ')]))],
  ['nothing', ''],
  ['no base64', `${right.slice(0, -4)}!!!!`],
  ['base64 with line breaks', `${right.slice(0, 40)}\n${right.slice(40)}`],
  ['base64url', right.replaceAll('+', '-').replaceAll('/', '_').replace(/=*$/, '-')],
] as const)
  test(`registry R100 data that does not fit: ${what}`, async () => {
    const source = fakeSource(withData(data));
    const error = await failureOf(source);
    assert.equal(error.code, 'MANIFEST_INVALID');
    assert.equal(error.detail.rule, 'registry R100');
    assert.deepEqual(source.asked, ['top']);
  });

test('registry R100 a layer in its descriptor is read from there, when it is small and fits', async () => {
  const tar = Buffer.alloc(1024, 1);
  const { descriptor } = buildImage({ layers: [{ tar, compression: 'none' }] }).layers[0] ?? {};
  assert.ok(descriptor);
  const { signal } = new AbortController();
  const source = completeSource(fakeSource(one));
  const access = await source.locateBlob({ ...descriptor, data: base64(tar) }, signal);
  assert.ok(access.kind === 'remote');
  const reader = access.openReader(() => false);
  const chunks: Uint8Array[] = [];
  await reader.read(0, 1000, (chunk) => chunks.push(Buffer.from(chunk)), signal);
  await reader.read(1000, 24, (chunk) => chunks.push(Buffer.from(chunk)), signal);
  await reader.close();
  assert.deepEqual(Buffer.concat(chunks), tar);
  await assert.rejects(source.locateBlob({ ...descriptor, data: 'AAAA' }, signal), { code: 'MANIFEST_INVALID' });
  await assert.rejects(source.locateBlob(descriptor, signal), /asks for no layer/);
});

test('registry R100 resolving refuses a small layer whose data does not fit, and ignores data of a large one', async () => {
  const build = (size: number): TestImage =>
    buildImage({ layers: [{ tar: Buffer.alloc(1024), descriptor: { data: 'AAAA', size } }] });
  const error = await failureOf(fakeSource(build(1024 * 1024)));
  assert.equal(error.code, 'MANIFEST_INVALID');
  await resolveImage(fakeSource(build(1024 * 1024 + 1)), resolveOptions());
});
