import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../../src/errors.js';
import { digestOf } from '../../../src/oci/digest.js';
import { parseManifestDocument, type DescriptorPlatform } from '../../../src/oci/manifest.js';
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  rankPlatform,
} from '../../../src/oci/platform.js';
import { completeSource } from '../../../src/source/inline.js';
import { resolveImage } from '../../../src/source/resolve.js';
import type { BlobAccess, Source } from '../../../src/source/source.js';
import { buildImage, buildIndex, type IndexEntry, type TestImage, type TestIndex } from '../../../src/testing/image.js';
import { documentSource, failureOf, fakeSource, resolveOptions } from '../../source/fake-source.js';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

const digest = digestOf(Buffer.from('x'));
const config = { mediaType: OCI_CONFIG, digest, size: 1 };
const manifestFields = { schemaVersion: 2, config, layers: [] };
const indexFields = { schemaVersion: 2, manifests: [] };

/** The kind and type that a document is read as, or the code of its refusal. */
function readAs(document: unknown, contentType: string | null): string {
  const bytes = document instanceof Uint8Array ? document : Buffer.from(JSON.stringify(document));
  try {
    const { kind, mediaType } = parseManifestDocument(bytes, contentType);
    return `${kind} ${mediaType}`;
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error));
    return `${error.code} ${error.detail.rule}`;
  }
}

/** An image that tells itself from others by its label. */
function image(platform: string, label: string = platform): TestImage {
  return buildImage({ layers: [], platform, config: { config: { User: label } } });
}

/** An entry whose descriptor has the platform, or none at all. */
function entry(of: TestImage | TestIndex, platform: DescriptorPlatform | null, more: object = {}): IndexEntry {
  const descriptor = { platform, ...more } as unknown as { platform: DescriptorPlatform };
  return { image: of, descriptor };
}

async function userOf(index: TestImage | TestIndex, platform: string): Promise<string | undefined> {
  const resolved = await resolveImage(fakeSource(index), resolveOptions(platform));
  return resolved.config.value.config.user;
}

// R101
for (const [what, document, contentType, expected] of [
  ['both say OCI index', { ...indexFields, mediaType: OCI_INDEX }, OCI_INDEX, `index ${OCI_INDEX}`],
  ['both say docker list', { ...indexFields, mediaType: DOCKER_LIST }, DOCKER_LIST, `index ${DOCKER_LIST}`],
  [
    'both say docker manifest',
    { ...manifestFields, mediaType: DOCKER_MANIFEST },
    DOCKER_MANIFEST,
    `manifest ${DOCKER_MANIFEST}`,
  ],
  ['the body alone', { ...manifestFields, mediaType: OCI_MANIFEST }, null, `manifest ${OCI_MANIFEST}`],
  [
    'a generic Content-Type',
    { ...manifestFields, mediaType: DOCKER_MANIFEST },
    'application/json',
    `manifest ${DOCKER_MANIFEST}`,
  ],
  ['the Content-Type alone', manifestFields, DOCKER_MANIFEST, `manifest ${DOCKER_MANIFEST}`],
  ['neither, shape of an index', indexFields, 'text/plain', `index ${OCI_INDEX}`],
  ['neither, shape of a manifest', manifestFields, 'application/octet-stream', `manifest ${OCI_MANIFEST}`],
  ['neither, no shape', { schemaVersion: 2 }, null, 'MANIFEST_INVALID registry R101'],
  [
    'they differ in kind',
    { ...manifestFields, mediaType: OCI_MANIFEST },
    OCI_INDEX,
    'MEDIA_TYPE_MISMATCH registry R101',
  ],
  [
    'they differ in family',
    { ...manifestFields, mediaType: OCI_MANIFEST },
    DOCKER_MANIFEST,
    'MEDIA_TYPE_MISMATCH registry R101',
  ],
  [
    'an index type on a manifest',
    { ...manifestFields, mediaType: OCI_INDEX },
    OCI_INDEX,
    'MEDIA_TYPE_MISMATCH registry R101',
  ],
  ['a manifest Content-Type on an index', indexFields, OCI_MANIFEST, 'MEDIA_TYPE_MISMATCH registry R101'],
  [
    'a body type that is no document',
    { ...manifestFields, mediaType: OCI_CONFIG },
    null,
    'MEDIA_TYPE_UNSUPPORTED registry R101',
  ],
  ['a Content-Type that is no document', manifestFields, 'text/html', 'MEDIA_TYPE_UNSUPPORTED registry R101'],
] as const)
  test(`registry R101 type of a document: ${what}`, () => assert.equal(readAs(document, contentType), expected));

test('registry R101 an index that calls a manifest an index, and the reverse', async () => {
  const one = image('linux/amd64');
  const asIndex = buildIndex([entry(one, null, { mediaType: OCI_INDEX })]);
  const asManifest = buildIndex([entry(buildIndex([one]), null, { mediaType: OCI_MANIFEST })]);
  const untyped = (): { contentType: null } => ({ contentType: null });
  for (const index of [asIndex, asManifest])
    assert.equal((await failureOf(fakeSource(index, untyped))).code, 'MEDIA_TYPE_MISMATCH');
});

// R102
for (const [what, document, contentType, expected] of [
  ['manifests with layers', { ...indexFields, layers: [] }, OCI_INDEX, 'MANIFEST_INVALID registry R102'],
  ['manifests with config', { ...indexFields, config }, OCI_INDEX, 'MANIFEST_INVALID registry R102'],
  ['all three', { ...indexFields, ...manifestFields }, null, 'MANIFEST_INVALID registry R102'],
  ['schemaVersion 3', { ...indexFields, schemaVersion: 3 }, null, 'MANIFEST_INVALID registry R102'],
  ['schemaVersion "2"', { ...indexFields, schemaVersion: '2' }, null, 'MANIFEST_INVALID registry R102'],
  ['no schemaVersion', { manifests: [] }, null, 'MANIFEST_INVALID registry R102'],
  ['schema 1 by version', { schemaVersion: 1, fsLayers: [] }, 'application/json', 'MANIFEST_UNSUPPORTED registry R102'],
  [
    'schema 1 by Content-Type',
    { fsLayers: [] },
    'application/vnd.docker.distribution.manifest.v1+prettyjws',
    'MANIFEST_UNSUPPORTED registry R102',
  ],
] as const)
  test(`registry R102 ${what}`, () => assert.equal(readAs(document, contentType), expected));

test('registry R102 schema 1 is told what to do', () => {
  assert.throws(() => parseManifestDocument(Buffer.from('{"schemaVersion":1}'), null), {
    message: /schema 1, rebuild or re-push the image/,
  });
});

// R103
const json = Buffer.from(JSON.stringify(manifestFields));
const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['an array', Buffer.from('[]')],
  ['null', Buffer.from('null')],
  ['a string', Buffer.from('"x"')],
  ['two values', Buffer.concat([json, json])],
  ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), json])],
  ['Latin-1', Buffer.from('{"schemaVersion":2,"manifests":[],"annotations":{"a":"\xe4"}}', 'latin1')],
  ['UTF-16', Buffer.from(JSON.stringify(manifestFields), 'utf16le')],
  ['a megabyte of [', Buffer.from('['.repeat(1 << 20))],
  ['nesting that is closed', Buffer.from(`{"schemaVersion":2,"manifests":[],"x":${nested(1 << 19)}}`)],
  ['nesting by 65', Buffer.from(`{"schemaVersion":2,"manifests":[],"x":${nested(64)}}`)],
] as const)
  test(`registry R103 JSON: ${what}`, () => assert.equal(readAs(bytes, null), 'MANIFEST_INVALID registry R103'));

test('registry R103 nesting by 64, brackets in strings, duplicate keys and unknown fields are read', () => {
  for (const text of [
    `{"schemaVersion":2,"manifests":[],"x":${nested(63)}}`,
    `{"schemaVersion":2,"manifests":[],"x":"\\"${'['.repeat(100)}\\\\"}`,
    '{"schemaVersion":1,"schemaVersion":2,"manifests":[],"more":{"a":1}}',
  ])
    assert.equal(readAs(Buffer.from(text), null), `index ${OCI_INDEX}`, text.slice(0, 80));
});

test('registry R103 unknown fields stay in the stored bytes', async () => {
  const one = buildImage({ layers: [], manifest: { 'x-more': [1, 2] } });
  const { manifest } = await resolveImage(fakeSource(one), resolveOptions());
  assert.deepEqual(Buffer.from(manifest.bytes), one.manifest.bytes);
  assert.ok(Buffer.from(manifest.bytes).includes('x-more'));
});

for (const [what, descriptor] of [
  ['no type', { digest, size: 1 }],
  ['an empty type', { mediaType: '', digest, size: 1 }],
  ['no size', { mediaType: OCI_LAYER, digest }],
  ['a text as size', { mediaType: OCI_LAYER, digest, size: '1' }],
  ['no digest', { mediaType: OCI_LAYER, size: 1 }],
  ['null', null],
  ['a text', 'x'],
  ['annotations that are no texts', { mediaType: OCI_LAYER, digest, size: 1, annotations: { a: 1 } }],
] as const)
  test(`registry R103 a descriptor with ${what}`, () => {
    assert.match(readAs({ ...manifestFields, layers: [descriptor] }, null), /^MANIFEST_INVALID registry R/);
    assert.match(readAs({ ...manifestFields, config: descriptor }, null), /^MANIFEST_INVALID registry R/);
    assert.match(readAs({ ...indexFields, manifests: [descriptor] }, null), /^MANIFEST_INVALID registry R/);
  });

// R104
function nestedIndex(levels: number): TestIndex {
  let index = buildIndex([image('linux/amd64')]);
  for (let level = 1; level < levels; level++) index = buildIndex([index]);
  return index;
}

test('registry R104 an index within indexes is followed to depth 8, no further', async () => {
  const deepest = nestedIndex(8);
  const resolved = await resolveImage(fakeSource(deepest), resolveOptions());
  assert.equal(resolved.resolvedDigest, deepest.digest);
  assert.deepEqual(resolved.index?.value.manifests.length, 1);
  assert.notEqual(resolved.index?.digest, deepest.digest);
  const source = fakeSource(nestedIndex(9));
  assert.equal((await failureOf(source)).code, 'INDEX_TOO_DEEP');
  assert.equal(source.asked.length, 8);
});

test('registry R104 at most 64 index documents are read', async () => {
  const inner = (count: number): TestIndex[] =>
    Array.from({ length: count }, (_, at) => buildIndex([image('linux/arm64', String(at))]));
  const target = image('linux/amd64');
  const fits = await resolveImage(fakeSource(buildIndex([...inner(63), target])), resolveOptions());
  assert.equal(fits.manifest.digest, target.digest);
  const source = fakeSource(buildIndex([...inner(64), target]));
  assert.equal((await failureOf(source)).code, 'INDEX_TOO_DEEP');
  assert.equal(source.asked.length, 64);
});

test('registry R104 an index that is listed a hundred times is read once', async () => {
  const inner = buildIndex([image('linux/arm64'), image('linux/amd64')]);
  const source = fakeSource(buildIndex(Array.from({ length: 100 }, () => inner)));
  await resolveImage(source, resolveOptions());
  assert.equal(source.asked.filter((asked) => asked === `manifest ${inner.digest}`).length, 1);
});

test('registry R104 a nested index whose platform does not fit is not asked for', async () => {
  const arm = buildIndex([image('linux/arm64')]);
  const amd = buildIndex([image('linux/amd64', 'amd')]);
  const index = buildIndex([
    entry(arm, { os: 'linux', architecture: 'arm64' }),
    entry(amd, { os: 'linux', architecture: 'amd64' }),
  ]);
  const source = fakeSource(index);
  const resolved = await resolveImage(source, resolveOptions());
  assert.equal(resolved.config.value.config.user, 'amd');
  assert.ok(!source.asked.includes(`manifest ${arm.digest}`));
});

test('registry R104 candidates of all levels are ranked, of equals the first in document order wins', async () => {
  const deepV3 = buildIndex([buildIndex([image('linux/amd64/v3', 'deep v3')])]);
  const ranked = buildIndex([image('linux/amd64/v2', 'top v2'), deepV3, image('linux/amd64/v4', 'top v4')]);
  assert.equal(await userOf(ranked, 'linux/amd64/v3'), 'deep v3');
  const nestedFirst = buildIndex([buildIndex([image('linux/amd64', 'nested')]), image('linux/amd64', 'top')]);
  assert.equal(await userOf(nestedFirst, 'linux/amd64'), 'nested');
  const topFirst = buildIndex([image('linux/amd64', 'top'), buildIndex([image('linux/amd64', 'nested')])]);
  assert.equal(await userOf(topFirst, 'linux/amd64'), 'top');
});

test('registry R104 an entry without platform has that of the nested index it lies in', async () => {
  const inner = buildIndex([entry(image('linux/amd64', 'v3'), null)]);
  const index = buildIndex([
    image('linux/amd64', 'v1'),
    entry(inner, { os: 'linux', architecture: 'amd64', variant: 'v3' }),
  ]);
  assert.equal(await userOf(index, 'linux/amd64/v3'), 'v3');
  assert.equal(await userOf(index, 'linux/amd64'), 'v1');
});

// R105
test('registry R105 entries that are no images are passed over', async () => {
  const target = image('linux/amd64', 'target');
  const other = image('linux/amd64', 'other');
  const fits = { os: 'linux', architecture: 'amd64' };
  for (const passed of [
    entry(other, fits, { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }),
    entry(other, { os: 'unknown', architecture: 'unknown' }),
    entry(other, fits, { artifactType: 'application/spdx+json' }),
    entry(other, fits, { mediaType: 'application/vnd.oci.artifact.manifest.v1+json' }),
  ]) {
    const index = buildIndex([passed, target]);
    assert.equal(await userOf(index, 'linux/amd64'), 'target');
    assert.equal(await userOf(index, 'any'), 'target');
    assert.equal((await failureOf(fakeSource(buildIndex([passed])))).code, 'PLATFORM_NOT_FOUND');
  }
});

// R106
test('registry R106 an entry without platform counts only when it is the single one left', async () => {
  const bare = entry(image('linux/amd64', 'bare'), null);
  const attestation = entry(image('linux/amd64', 'attestation'), { os: 'unknown', architecture: 'unknown' });
  assert.equal(await userOf(buildIndex([bare, attestation]), 'linux/amd64'), 'bare');
  assert.equal(await userOf(buildIndex([bare, image('linux/amd64', 'named')]), 'linux/amd64'), 'named');
  const two = buildIndex([bare, entry(image('linux/amd64', 'second'), null)]);
  assert.equal((await failureOf(fakeSource(two))).code, 'PLATFORM_NOT_FOUND');
});

test('registry R106 the config of a single entry without platform is checked', async () => {
  const index = buildIndex([entry(image('linux/arm64'), null)]);
  assert.equal((await failureOf(fakeSource(index))).code, 'PLATFORM_MISMATCH');
});

// R107
for (const [arch, armVersion, expected] of [
  ['x64', undefined, 'linux/amd64'],
  ['arm64', undefined, 'linux/arm64/v8'],
  ['arm', '7', 'linux/arm/v7'],
  ['arm', '6', 'linux/arm/v6'],
  ['arm', undefined, 'linux/arm/v7'],
  ['ia32', undefined, 'linux/386'],
  ['ppc64', undefined, 'linux/ppc64le'],
  ['s390x', undefined, 'linux/s390x'],
  ['riscv64', undefined, 'linux/riscv64'],
  ['loong64', undefined, 'linux/loong64'],
] as const)
  test(`registry R107 default platform of ${arch} ${armVersion ?? ''}`, () =>
    assert.equal(formatPlatform(hostPlatform(arch, armVersion)), expected));

// R108
for (const [architecture, variant, expected] of [
  ['x86_64', undefined, { architecture: 'amd64', variant: 'v1' }],
  ['x86-64', undefined, { architecture: 'amd64', variant: 'v1' }],
  ['AMD64', 'V3', { architecture: 'amd64', variant: 'v3' }],
  ['amd64', '', { architecture: 'amd64', variant: 'v1' }],
  ['aarch64', undefined, { architecture: 'arm64', variant: 'v8' }],
  ['arm64', undefined, { architecture: 'arm64', variant: 'v8' }],
  ['armhf', undefined, { architecture: 'arm', variant: 'v7' }],
  ['armel', undefined, { architecture: 'arm', variant: 'v6' }],
  ['arm', undefined, { architecture: 'arm', variant: 'v7' }],
  ['i386', undefined, { architecture: '386' }],
  ['s390x', undefined, { architecture: 's390x' }],
  ['constructor', undefined, { architecture: 'constructor' }],
] as const)
  test(`registry R108 ${architecture} ${variant ?? ''}`, () =>
    assert.deepEqual(normalizePlatform({ os: 'Linux', architecture, variant }), { os: 'linux', ...expected }));

/** Offers every text, best last, and answers them in the order in which they would be taken. */
function order(wanted: string, offers: readonly string[]): string[] {
  const ranked = offers.flatMap((text) => {
    const [os = '', architecture = '', variant] = text.split('/');
    const rank = rankPlatform(parsePlatform(wanted), { os, architecture, variant });
    return rank === null ? [] : [{ text: text.replace('linux/', ''), rank }];
  });
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ text }) => text);
}

const OFFERS = `386 amd64 amd64/v1 amd64/v2 amd64/v3 amd64/v4 amd64/v9x arm arm/v5 arm/v6 arm/v7 arm/v8 arm64 arm64/v8
  arm64/v8.2 arm64/v9 s390x riscv64 riscv64/rva23 x86_64`
  .split(/\s+/)
  .map((name) => `linux/${name}`);

// R109, R110
for (const [wanted, expected] of [
  ['linux/arm/v8', ['arm/v8', 'arm/v7', 'arm/v6', 'arm/v5', 'arm']],
  ['linux/arm', ['arm/v7', 'arm/v6', 'arm/v5', 'arm']],
  ['linux/arm/v6', ['arm/v6', 'arm/v5', 'arm']],
  ['linux/arm/v5', ['arm/v5', 'arm']],
  ['linux/arm64', ['arm64/v8', 'arm64']],
  ['linux/arm64/v9', ['arm64/v9', 'arm64/v8.2', 'arm64/v8', 'arm64']],
  ['linux/s390x', ['s390x']],
  ['linux/riscv64', ['riscv64']],
  ['linux/riscv64/rva23', ['riscv64/rva23', 'riscv64']],
] as const)
  test(`registry R109 order for ${wanted}`, () => assert.deepEqual(order(wanted, OFFERS.toReversed()), expected));

for (const [wanted, expected] of [
  ['linux/amd64', ['amd64/v1', 'amd64', 'x86_64']],
  ['linux/amd64/v2', ['amd64/v2', 'amd64/v1', 'amd64', 'x86_64']],
  ['linux/amd64/v4', ['amd64/v4', 'amd64/v3', 'amd64/v2', 'amd64/v1', 'amd64', 'x86_64']],
  ['linux/386', ['386']],
  ['windows/amd64', []],
] as const)
  test(`registry R110 order for ${wanted}`, () => assert.deepEqual(order(wanted, OFFERS), expected));

test('registry R110 the default asks v1', async () => {
  const index = buildIndex([
    image('linux/amd64/v3', 'v3'),
    image('linux/amd64', 'none'),
    image('linux/amd64/v1', 'v1'),
  ]);
  const wanted = hostPlatform('x64');
  const resolved = await resolveImage(fakeSource(index), resolveOptions('any', { platform: wanted }));
  assert.equal(resolved.config.value.config.user, 'v1');
  assert.equal(resolved.platform, 'linux/amd64');
});

// R111
test('registry R111 nothing fits: the error lists what there is, from nested indexes too', async () => {
  const index = buildIndex([
    image('windows/amd64'),
    buildIndex([image('linux/arm/v6'), image('linux/s390x')]),
    entry(buildIndex([image('linux/riscv64')]), { os: 'linux', architecture: 'riscv64' }),
  ]);
  const error = await failureOf(fakeSource(index));
  assert.equal(error.code, 'PLATFORM_NOT_FOUND');
  assert.deepEqual(error.detail.platforms, ['windows/amd64', 'linux/arm/v6', 'linux/s390x', 'linux/riscv64']);
  assert.match(error.message, /linux\/amd64.*windows\/amd64, linux\/arm\/v6/);
});

test('registry R111 what an index says of platforms is printable and bounded', async () => {
  const hostile = Array.from({ length: 200 }, (_, at) =>
    entry(image('linux/s390x'), { os: `\u001b[2J${at}`, architecture: 'a#/'.repeat(1000) }),
  );
  const { detail, message } = await failureOf(fakeSource(buildIndex(hostile)));
  assert.equal(detail.platforms?.length, 64);
  assert.doesNotMatch(message, /\p{C}|#/u);
  assert.ok(message.length < 10_000);
});

// R112
test('registry R112 the config must be of the wanted platform', async () => {
  for (const [platform, wanted] of [
    ['linux/arm64', 'linux/amd64'],
    ['windows/amd64', 'linux/amd64'],
    ['linux/386', 'linux/amd64'],
    ['linux/arm', 'linux/arm64'],
  ] as const) {
    const lone = await failureOf(fakeSource(image(platform)), resolveOptions(wanted));
    assert.equal(lone.code, 'PLATFORM_MISMATCH');
    const [os = '', architecture = ''] = wanted.split('/');
    const lying = buildIndex([entry(image(platform), { os, architecture })]);
    assert.equal((await failureOf(fakeSource(lying), resolveOptions(wanted))).code, 'PLATFORM_MISMATCH');
  }
});

test('registry R112 names are compared after R108, variants are not', async () => {
  assert.equal(await userOf(image('Linux/x86_64', 'a'), 'linux/amd64'), 'a');
  assert.equal(await userOf(image('linux/arm/v6', 'b'), 'linux/arm/v7'), 'b');
  assert.equal(await userOf(image('linux/aarch64', 'c'), 'linux/arm64'), 'c');
});

test('registry R112 empty fields are a warning, any platform is not checked', async () => {
  const options = resolveOptions('linux/amd64');
  const bare = buildImage({ layers: [], config: { os: '', architecture: '' } });
  const resolved = await resolveImage(fakeSource(bare), options);
  assert.equal(resolved.platform, 'linux/amd64');
  assert.equal(options.notices.length, 1);
  assert.match(options.notices[0] ?? '', /^warn: .*names no operating system/);
  const any = resolveOptions('any');
  assert.equal((await resolveImage(fakeSource(image('plan9/mips')), any)).platform, 'plan9/mips');
  assert.equal((await resolveImage(fakeSource(bare), any)).platform, 'unknown/unknown');
  assert.deepEqual(any.notices, []);
});

// R113
for (const [what, fields, named] of [
  [
    'a helm chart',
    { config: { ...config, mediaType: 'application/vnd.cncf.helm.config.v1+json' } },
    'vnd.cncf.helm.config',
  ],
  [
    'an artifact with an empty config',
    {
      artifactType: 'application/vnd.example+type',
      config: { ...config, mediaType: 'application/vnd.oci.empty.v1+json' },
    },
    'vnd.example+type',
  ],
] as const)
  test(`registry R113 ${what} is no image`, async () => {
    const error = await failureOf(documentSource({ ...manifestFields, ...fields }, OCI_MANIFEST));
    assert.equal(error.code, 'NOT_AN_IMAGE');
    assert.ok(error.message.includes(named), error.message);
  });

// R114
test('registry R114 encrypted and unknown layers are refused before any request', async () => {
  for (const mediaType of [`${OCI_LAYER}+encrypted`, 'application/vnd.in-toto+json', 'application/octet-stream']) {
    const source = documentSource({ ...manifestFields, layers: [{ mediaType, digest, size: 1 }] }, OCI_MANIFEST);
    const error = await failureOf(source);
    assert.equal(error.code, 'MEDIA_TYPE_UNSUPPORTED');
    assert.equal(error.detail.layer, digest);
    assert.deepEqual(source.asked, ['top']);
  }
});

// R115
test('registry R115 as many layers as diffIDs', async () => {
  const tar = Buffer.alloc(1024);
  for (const diff_ids of [[], [digest, digest]]) {
    const one = buildImage({ layers: [{ tar }], config: { rootfs: { type: 'layers', diff_ids } } });
    assert.equal((await failureOf(fakeSource(one))).code, 'LAYER_COUNT_MISMATCH');
  }
});

test('registry R115 layers are paired by position, repeated ones and none at all are legal', async () => {
  const [a, b] = [Buffer.alloc(1024), Buffer.alloc(1536)];
  const built = buildImage({ layers: [{ tar: a }, { tar: b }, { tar: a }] });
  const { layers } = await resolveImage(fakeSource(built), resolveOptions());
  assert.deepEqual(
    layers.map(({ descriptor, diffId }) => [descriptor.digest, diffId]),
    built.layers.map(({ descriptor, diffId }) => [descriptor.digest, diffId]),
  );
  assert.deepEqual((await resolveImage(fakeSource(buildImage({ layers: [] })), resolveOptions())).layers, []);
});

// R116
const foreign = {
  mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  digest,
  size: 1,
  urls: ['https://a.test/x?secret', 'https://b.test:1/y', 'https://a.test/z', 'no url'],
};

function locating(locateBlob: Source['locateBlob']): Source {
  return completeSource({ ...fakeSource(image('linux/amd64')), locateBlob });
}

const blobUnknown = (): SluiceError => new SluiceError('BLOB_UNKNOWN', { message: 'absent', status: 404 });
const { signal } = new AbortController();

test('registry R116 a foreign layer is asked of the source like any blob', async () => {
  const access: BlobAccess = { kind: 'file', path: '/x', offset: 0, length: 1 };
  assert.deepEqual(await locating(async () => access).locateBlob(foreign, signal), access);
  const tar = Buffer.alloc(1024);
  const built = buildImage({ layers: [{ tar, mediaType: foreign.mediaType }] });
  assert.equal((await resolveImage(fakeSource(built), resolveOptions())).layers.length, 1);
});

test('registry R116 an absent foreign layer names the hosts of its urls', async () => {
  const expected = { code: 'FOREIGN_LAYER', message: /lies at a\.test, b\.test:1$/ };
  const absent = locating(() => Promise.reject(blobUnknown()));
  await assert.rejects(absent.locateBlob(foreign, signal), expected);
  const reader = { read: () => Promise.reject(blobUnknown()), close: async () => {} };
  const remote = await locating(async () => ({ kind: 'remote', openReader: () => reader })).locateBlob(foreign, signal);
  assert.ok(remote.kind === 'remote');
  await assert.rejects(
    remote.openReader(() => false).read(0, 1, () => {}, signal),
    expected,
  );
});

test('registry R118 urls of an ordinary layer change nothing', async () => {
  const absent = locating(() => Promise.reject(blobUnknown()));
  await assert.rejects(absent.locateBlob({ ...foreign, mediaType: OCI_LAYER }, signal), { code: 'BLOB_UNKNOWN' });
});
