import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../../src/index.js';
import { digestOf } from '../../../src/oci/digest.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { buildImage, buildIndex, file, layer, type TestImage } from '../../../src/testing/index.js';
import { filesIn, openLab, type Lab } from '../../helpers/sluice.js';

const platform = formatPlatform(hostPlatform());
const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SluiceError && error.code === code;

/** What was asked of the registry, without the repository's address. */
function asked({ registry }: Lab): string[] {
  return registry.requests.map(({ url }) => url.replace('/v2/a/b/', ''));
}

test('registry R97 R93 R10 an image of sha512 is pulled by tag, by digest and by both, and one changed byte is found', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({
    layers: [{ tar: layer(file('hello', 'world')) }],
    platform,
    algorithm: 'sha512',
    diffIdAlgorithm: 'sha512',
  });
  const byTag = lab.registry.push('a/b', '1', image);
  const blob = image.layers[0]!.descriptor.digest;
  assert.match(blob, /^sha512:[0-9a-f]{128}$/);
  const name = `${lab.registry.host}/a/b`;
  for (const part of [image.digest, image.config.descriptor.digest, blob]) {
    const remove = lab.registry.addFault({ match: { path: part }, do: { kind: 'wrong-bytes', atByte: 20 } });
    await assert.rejects(lab.pull(`${name}@${image.digest}`), hasCode('DIGEST_MISMATCH'));
    remove();
  }
  for (const reference of [byTag, `${name}@${image.digest}`, `${name}:other@${image.digest}`]) {
    lab.registry.clearRequests();
    const pulled = await lab.pull(reference);
    assert.equal(pulled.digest, image.digest);
    assert.equal(readFileSync(join(pulled.layers[0]!.path, 'hello'), 'utf8'), 'world');
    assert.equal(asked(lab)[0], `manifests/${reference === byTag ? '1' : image.digest}`);
  }
  assert.ok(filesIn(lab.home, 'layers').includes(`${blob}.extracted`));
});

test('registry R104 R105 an index in an index leads to its image, and attestations are never asked for', async (t) => {
  const lab = await openLab(t);
  const imageOf = (text: string, of: string): TestImage =>
    buildImage({ layers: [{ tar: layer(file('name', text)) }], platform: of });
  const [ours, other, attestation] = [
    imageOf('ours', platform),
    imageOf('other', 'linux/s390x'),
    imageOf('attestation', 'unknown/unknown'),
  ];
  const inner = buildIndex([
    {
      image: attestation,
      descriptor: {
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      },
    },
    other,
    ours,
  ]);
  const outer = buildIndex([attestation, inner]);
  const pulled = await lab.pull(lab.registry.push('a/b', '1', outer));
  assert.deepEqual([pulled.digest, pulled.resolvedDigest], [ours.digest, outer.digest]);
  assert.equal(readFileSync(join(pulled.layers[0]!.path, 'name'), 'utf8'), 'ours');
  assert.deepEqual(asked(lab), [
    'manifests/1',
    `manifests/${inner.digest}`,
    `manifests/${ours.digest}`,
    `blobs/${ours.config.descriptor.digest}`,
    `blobs/${ours.layers[0]!.descriptor.digest}`,
  ]);
});

test('registry R116 R118 a foreign layer that the registry lacks is refused, and nobody else is asked', async (t) => {
  const lab = await openLab(t);
  const urls = [`${lab.registry.url}/foreign/layer`, 'https://files.test/layer'];
  const image = buildImage({
    layers: [
      {
        tar: layer(file('a', 'x')),
        mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
        descriptor: { urls },
      },
    ],
    platform,
  });
  const reference = lab.registry.push('a/b', '1', image);
  const { digest } = image.layers[0]!.descriptor;
  lab.registry.addFault({ match: { path: digest }, do: { kind: 'reply', status: 404 } });
  await assert.rejects(lab.pull(reference), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, 'FOREIGN_LAYER');
    assert.match(error.message, /files\.test/);
    return true;
  });
  assert.equal(asked(lab).at(-1), `blobs/${digest}`);
  assert.deepEqual(await lab.sluice.list(), []);
});

test('registry R90 the digest of an empty blob is compared, though nothing is asked for', async (t) => {
  const lab = await openLab(t);
  const empty = Buffer.alloc(0);
  for (const [tag, digest] of [
    ['right', digestOf(empty)],
    ['wrong', digestOf(Buffer.from('x'))],
  ] as const) {
    const image = buildImage({ layers: [{ tar: empty, compression: 'none', descriptor: { digest } }], platform });
    const pulling = lab.pull(lab.registry.push('a/b', tag, image));
    if (tag === 'right') assert.equal((await pulling).layers.length, 1);
    else await assert.rejects(pulling, hasCode('DIGEST_MISMATCH'));
  }
  assert.equal(lab.registry.requestsOf('blob').length, 0);
});

test('registry R115 a layer that an image has several times is transferred once', async (t) => {
  const lab = await openLab(t);
  const [once, again] = [layer(file('a', 'x')), layer(file('b', 'y'))];
  const image = buildImage({ layers: [{ tar: again }, { tar: once }, { tar: again }], platform });
  const reference = lab.registry.push('a/b', '1', image);
  await lab.pull(reference);
  assert.equal(lab.registry.requestsOf('blob').length, 2);
});
