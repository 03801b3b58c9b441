import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SluiceError } from '../../src/errors.js';
import { hexOf, type Digest } from '../../src/oci/digest.js';
import type { Descriptor } from '../../src/oci/manifest.js';
import { parseSource, type OciLayoutReference } from '../../src/oci/reference.js';
import { openOciLayout, readTopDescriptor } from '../../src/source/oci-layout.js';
import { resolveImage } from '../../src/source/resolve.js';
import { buildImage, buildIndex, writeOciLayout, type TestImage, type TestIndex } from '../../src/testing/image.js';
import { failureOf, resolveOptions } from './fake-source.js';

const { signal } = new AbortController();
const limits = { maxManifestBytes: 4 * 1024 * 1024, maxConfigBytes: 8 * 1024 * 1024 };
const image = buildImage({ layers: [{ tar: Buffer.alloc(1024) }] });
const other = buildImage({ layers: [], config: { config: { User: 'other' } } });

function reference(dir: string, tag?: string): OciLayoutReference {
  const parsed = parseSource(`oci:${dir}${tag === undefined ? '' : `:${tag}`}`);
  assert.ok(parsed.kind === 'oci');
  return parsed;
}

function layoutOf(t: TestContext, images: Readonly<Record<string, TestImage | TestIndex>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'sluice-layout-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writeOciLayout(dir, images);
  return dir;
}

function blobPath(dir: string, digest: Digest): string {
  return join(dir, 'blobs', 'sha256', hexOf(digest));
}

/** Puts other manifest descriptors into `index.json`. */
function writeEntries(dir: string, manifests: readonly unknown[]): void {
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

function layerOf({ layers }: TestImage): Descriptor {
  const [layer] = layers;
  assert.ok(layer);
  return layer.descriptor;
}

const digestAt = (dir: string, tag?: string): Promise<Digest | null> =>
  openOciLayout(reference(dir, tag), limits).peekDigest(signal);

test('a tag leads to its image, by name or by the whole name that containerd writes', async (t) => {
  const name = 'docker.io/library/alpine:3.12';
  const dir = layoutOf(t, { '1': image, '2': buildIndex([other]), [name]: other });
  assert.equal(await digestAt(dir, '1'), image.digest);
  assert.equal(await digestAt(dir, '2'), buildIndex([other]).digest);
  assert.equal(await digestAt(dir, name), other.digest);
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': '3.12' };
  writeEntries(dir, [image.descriptor, { ...other.descriptor, annotations }]);
  assert.equal(await digestAt(dir, '3.12'), other.digest);
  assert.equal(await digestAt(dir, name), other.digest);
  assert.deepEqual((await readTopDescriptor(reference(dir, '3.12'), limits, signal)).annotations, annotations);
});

test('an absent tag is unknown, and the tags there are listed', async (t) => {
  const dir = layoutOf(t, { a: image, b: other });
  await assert.rejects(digestAt(dir, 'c'), { code: 'MANIFEST_UNKNOWN', message: /"c".*tags: "a", "b"/ });
});

test('without a tag the only image is meant; of several the tags are listed', async (t) => {
  assert.equal(await digestAt(layoutOf(t, { a: image })), image.digest);
  assert.equal(await digestAt(layoutOf(t, { a: image, b: image })), image.digest);
  await assert.rejects(digestAt(layoutOf(t, { a: image, b: other })), {
    code: 'MANIFEST_UNKNOWN',
    message: /2 images and no tag is named; tags: "a", "b"/,
  });
  await assert.rejects(digestAt(layoutOf(t, {})), { code: 'MANIFEST_UNKNOWN', message: /0 images.*none/ });
});

test('signatures and other artifacts beside the only image do not count', async (t) => {
  const dir = layoutOf(t, { a: image, b: other });
  writeEntries(dir, [{ ...other.descriptor, artifactType: 'application/x' }, image.descriptor]);
  assert.equal(await digestAt(dir), image.digest);
});

test('one tag on two images is refused', async (t) => {
  const dir = layoutOf(t, { a: image, b: other });
  const annotations = { 'org.opencontainers.image.ref.name': 'a' };
  writeEntries(dir, [
    { ...image.descriptor, annotations },
    { ...other.descriptor, annotations },
  ]);
  await assert.rejects(digestAt(dir, 'a'), { code: 'MANIFEST_UNKNOWN', message: /2 images have the tag "a"/ });
});

test('an image resolves from its layout, and its layers are files there', async (t) => {
  const dir = layoutOf(t, { a: buildIndex([image]) });
  const source = openOciLayout(reference(dir), limits);
  const resolved = await resolveImage(source, resolveOptions());
  assert.equal(resolved.manifest.digest, image.digest);
  const access = await source.locateBlob(layerOf(image), signal);
  assert.ok(access.kind === 'file');
  assert.equal(access.offset, 0);
  assert.equal(access.length, layerOf(image).size);
  assert.deepEqual(readFileSync(access.path), image.layers[0]?.bytes);
});

test('sha512 blobs lie under their own algorithm', async (t) => {
  const long = buildImage({ layers: [{ tar: Buffer.alloc(1024) }], algorithm: 'sha512' });
  const source = openOciLayout(reference(layoutOf(t, { a: long })), limits);
  assert.equal((await resolveImage(source, resolveOptions())).resolvedDigest, long.digest);
  assert.equal((await source.locateBlob(layerOf(long), signal)).kind, 'file');
});

test('a directory that is no layout', async (t) => {
  const unknown = { code: 'MANIFEST_UNKNOWN', message: /no regular file oci-layout/ };
  await assert.rejects(digestAt('/nowhere/at/all'), unknown);
  const dir = layoutOf(t, { a: image });
  await assert.rejects(digestAt(join(dir, 'index.json')), unknown);
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"2.0.0"}');
  await assert.rejects(digestAt(dir), { code: 'MANIFEST_UNSUPPORTED' });
  writeFileSync(join(dir, 'oci-layout'), 'null');
  await assert.rejects(digestAt(dir), { code: 'MANIFEST_UNSUPPORTED' });
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(dir, 'index.json'), image.manifest.bytes);
  await assert.rejects(digestAt(dir), { code: 'MANIFEST_INVALID', message: /no image index/ });
  writeFileSync(join(dir, 'index.json'), '{');
  await assert.rejects(digestAt(dir), { code: 'MANIFEST_INVALID' });
  rmSync(join(dir, 'index.json'));
  await assert.rejects(digestAt(dir), { code: 'MANIFEST_UNKNOWN', message: /index\.json/ });
});

test('absent blobs', async (t) => {
  const dir = layoutOf(t, { a: image });
  const source = openOciLayout(reference(dir), limits);
  rmSync(blobPath(dir, layerOf(image).digest));
  await assert.rejects(source.locateBlob(layerOf(image), signal), { code: 'BLOB_UNKNOWN' });
  rmSync(blobPath(dir, image.config.descriptor.digest));
  assert.equal((await failureOf(source)).code, 'BLOB_UNKNOWN');
  rmSync(blobPath(dir, image.digest));
  assert.equal((await failureOf(source)).code, 'MANIFEST_UNKNOWN');
});

test('a blob of another size than described', async (t) => {
  const dir = layoutOf(t, { a: image });
  const source = openOciLayout(reference(dir), limits);
  truncateSync(blobPath(dir, layerOf(image).digest), 5);
  await assert.rejects(source.locateBlob(layerOf(image), signal), { code: 'SIZE_MISMATCH' });
  truncateSync(blobPath(dir, image.config.descriptor.digest), 5);
  assert.equal((await failureOf(source)).code, 'SIZE_MISMATCH');
});

test('a changed manifest is found by its digest', async (t) => {
  const dir = layoutOf(t, { a: image });
  const path = blobPath(dir, image.digest);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"schemaVersion":2', '"schemaVersion":3'));
  assert.equal((await failureOf(openOciLayout(reference(dir), limits))).code, 'DIGEST_MISMATCH');
});

test('links, FIFOs and directories in the place of files are refused and never waited for', async (t) => {
  for (const put of [
    (path: string) => {
      renameSync(path, `${path}.real`);
      symlinkSync(`${path}.real`, path);
    },
    (path: string) => {
      rmSync(path);
      execFileSync('mkfifo', [path]);
    },
    (path: string) => {
      rmSync(path);
      symlinkSync(path, path);
    },
  ]) {
    const dir = layoutOf(t, { a: image });
    const source = openOciLayout(reference(dir), limits);
    put(blobPath(dir, layerOf(image).digest));
    await assert.rejects(source.locateBlob(layerOf(image), signal), { code: 'BLOB_UNKNOWN' });
    put(blobPath(dir, image.config.descriptor.digest));
    assert.equal((await failureOf(source)).code, 'BLOB_UNKNOWN');
    put(join(dir, 'index.json'));
    assert.equal((await failureOf(source)).code, 'MANIFEST_UNKNOWN');
  }
});

test('files above their cap are not read, and the option is named', async (t) => {
  const dir = layoutOf(t, { a: image });
  const small = openOciLayout(reference(dir), { ...limits, maxConfigBytes: 10 });
  const config = await failureOf(small);
  assert.equal(config.code, 'TOO_LARGE');
  assert.deepEqual(config.detail.limit, { option: 'maxConfigBytes', value: 10 });
  truncateSync(join(dir, 'index.json'), limits.maxManifestBytes + 1);
  const index = await failureOf(openOciLayout(reference(dir), limits));
  assert.equal(index.code, 'TOO_LARGE');
  assert.deepEqual(index.detail.limit, { option: 'maxManifestBytes', value: limits.maxManifestBytes });
});

test('a file that cannot be read is named with its errno', async () => {
  await assert.rejects(digestAt('x'.repeat(5000)), (error: SluiceError) => {
    assert.equal(error.code, 'STORE_FAILED');
    assert.equal(error.detail.errno, 'ENAMETOOLONG');
    return true;
  });
});

test('a cancelled call reads nothing', async (t) => {
  const source = openOciLayout(reference(layoutOf(t, { a: image })), limits);
  const aborted = AbortSignal.abort();
  for (const call of [
    () => source.peekDigest(aborted),
    () => source.readTop(aborted),
    () => source.readDocument(image.descriptor, 'manifest', aborted),
    () => source.locateBlob(layerOf(image), aborted),
  ])
    await assert.rejects(call, { code: 'ABORTED' });
});
