import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatReference, parseSource } from '../../src/oci/reference.js';
import { openSource, readRecordedName, type SourceSettings } from '../../src/source/open-source.js';
import { resolveImage } from '../../src/source/resolve.js';
import { buildImage, writeOciLayout } from '../../src/testing/image.js';
import { resolveOptions } from './fake-source.js';

const { signal } = new AbortController();
const limits = { maxManifestBytes: 4 * 1024 * 1024, maxConfigBytes: 8 * 1024 * 1024 };
/** What a layout needs of them. */
const settings = limits as SourceSettings;

test('an image from a layout opens, and is recorded under the name that its layout gives', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-open-'));
  t.after(() => rmSync(root, { recursive: true }));
  const dir = join(root, 'My layout');
  const name = 'docker.io/library/alpine:3.12';
  const image = buildImage({ layers: [{ tar: Buffer.alloc(1024) }] });
  writeOciLayout(dir, { latest: image, [name]: image });
  const reference = parseSource(`oci:${dir}:${name}`);

  await using source = openSource(reference, settings);
  const resolved = await resolveImage(source, resolveOptions());
  assert.equal(resolved.resolvedDigest, image.digest);
  const [layer] = resolved.layers;
  assert.ok(layer);
  assert.equal((await source.locateBlob(layer.descriptor, signal)).kind, 'file');

  assert.equal(formatReference(await readRecordedName(reference, limits, signal)), name);
  const untagged = await readRecordedName(parseSource(`oci:${dir}:`), limits, signal);
  assert.equal(formatReference(untagged), 'localhost/my-layout:latest');
  const named = await readRecordedName(reference, { ...limits, name: 'a/b', defaultRegistry: 'ghcr.io' }, signal);
  assert.equal(formatReference(named), 'ghcr.io/a/b:latest');
});

test('an image at a registry is recorded under its own reference', async () => {
  const reference = parseSource('alpine');
  assert.equal(await readRecordedName(reference, { ...limits, name: 'other' }, signal), reference);
});
