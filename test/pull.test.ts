import assert from 'node:assert/strict';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError, type SluiceEvent } from '../src/index.js';
import { formatPlatform, hostPlatform } from '../src/oci/platform.js';
import { buildImage, buildIndex, file, layer, writeOciLayout, type TestImage } from '../src/testing/index.js';
import { startDockerRegistry } from './helpers/docker-registry.js';
import { needs } from './helpers/needs.js';
import { createSkopeo } from './helpers/skopeo.js';
import { filesIn, openLab, openSluice } from './helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from './helpers/temporary.js';

const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SluiceError && error.code === code;

const imageFor = (platform: string, size = 10): TestImage =>
  buildImage({ platform, layers: [{ tar: layer(file('platform', platform.repeat(size))) }] });
const host = formatPlatform(hostPlatform());
const other = host.startsWith('linux/arm64') ? 'linux/amd64' : 'linux/arm64/v8';
const kinds = (events: readonly SluiceEvent[]): readonly string[] =>
  events.map(({ kind }) => kind).filter((kind) => kind !== 'layer-progress');

test('a pull tells what it does, in order, and a second one only that it was there', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/app', '1', imageFor(host));
  await lab.pull(reference);
  assert.deepEqual(kinds(lab.events), ['miss', 'resolve', 'resolved', 'layer-start', 'layer-done', 'committed']);
  assert.deepEqual(
    lab.registry.requests.map(({ method, kind }) => `${method} ${kind}`),
    ['GET manifest', 'GET config', 'GET blob'],
  );
  lab.events.length = 0;
  await lab.pull(reference);
  assert.deepEqual(kinds(lab.events), ['hit']);
  assert.equal(lab.registry.requests.length, 3);
});

const servers = needs('docker-registry') || needs('skopeo');

test('an index that skopeo pushed to a real registry is pulled for each platform', { skip: servers }, async (t) => {
  isolateEnvironment(t);
  const work = temporaryDirectory(t);
  const registry = await startDockerRegistry(t);
  const layout = join(work, 'layout');
  const index = buildIndex([imageFor(other), imageFor(host)]);
  writeOciLayout(layout, { multi: index });
  const reference = `${registry.host}/lab/multi:1`;
  await createSkopeo(work).copy(`oci:${layout}:multi`, `docker://${reference}`, '--all');
  const sluice = await openSluice(t, { home: join(work, 'home') });
  for (const [platform, name] of [
    [undefined, reference],
    [other, `${reference}#${other}`],
  ] as const) {
    const options = { plainHttp: [registry.host], ...(platform && { platform }) };
    const pulled = await sluice.pull(reference, options);
    assert.equal(pulled.reference, name);
    assert.equal(pulled.resolvedDigest, index.digest);
    assert.equal(pulled.platform, platform ?? host);
    assert.equal(readFileSync(join(pulled.layers[0]!.path, 'platform'), 'utf8'), (platform ?? host).repeat(10));
  }
  assert.equal((await sluice.list()).length, 2);
});

test('an image of a layout on disk takes the same way, and is asked for its index alone once it is there', async (t) => {
  const lab = await openLab(t);
  const layout = join(temporaryDirectory(t), 'tools');
  writeOciLayout(layout, { v1: imageFor(host) });
  const first = await lab.sluice.import(`oci:${layout}:v1`);
  assert.equal(first.reference, 'localhost/tools:v1');
  writeOciLayout(layout, { v1: imageFor(host, 20) });
  const second = await lab.sluice.import(`oci:${layout}:v1`);
  assert.notEqual(second.digest, first.digest);
  lab.events.length = 0;
  await lab.sluice.import(`oci:${layout}:v1`);
  assert.deepEqual(kinds(lab.events), ['hit']);
});

test('plain and gzip layers, from a ring and from a file, give the same tree and sidecar', async (t) => {
  const tar = layer(file('data', 'abc'.repeat(100_000)), file('small', 'x'));
  const sidecars: string[] = [];
  for (const compression of ['none', 'gzip', 'gzip-members'] as const) {
    const image = buildImage({ platform: host, layers: [{ tar, compression }] });
    const lab = await openLab(t);
    const layout = join(temporaryDirectory(t), 'layout');
    writeOciLayout(layout, { v1: image });
    for (const decoder of ['zlib', 'pako'] as const) {
      const layerPath = join(temporaryDirectory(t), decoder);
      const pulled = await lab.pull(lab.registry.push('same', compression, image), { decoder, layerPath });
      const imported = await lab.sluice.import(`oci:${layout}:v1`, { decoder, layerPath: `${layerPath}-file` });
      for (const { layers } of [pulled, imported]) {
        const text = readFileSync(layers[0]!.path.replace(/\.extracted$/, '.mtree'), 'latin1');
        sidecars.push(text.split('\n').slice(3).join('\n'));
      }
    }
  }
  assert.equal(sidecars.length, 12);
  assert.equal(new Set(sidecars).size, 1);
});

test('concurrent pulls of one image are one flight', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/shared', '1', imageFor(host));
  const pulled = await Promise.all(Array.from({ length: 20 }, () => lab.pull(reference)));
  assert.equal(new Set(pulled.map(({ layers }) => layers[0]!.path)).size, 1);
  assert.equal(lab.registry.requestsOf('blob').length, 1);
  assert.equal(lab.registry.requestsOf('manifest').length, 1);
});

test('concurrent pulls of images that share a layer transfer it once', async (t) => {
  const lab = await openLab(t);
  const base = layer(file('base', 'x'.repeat(5000)));
  const references = ['a', 'b', 'c'].map((name) =>
    lab.registry.push(
      'org/base',
      name,
      buildImage({ platform: host, layers: [{ tar: base }, { tar: layer(file(name, name)) }] }),
    ),
  );
  await Promise.all(references.map((reference) => lab.pull(reference)));
  assert.equal(lab.registry.requestsOf('blob').length, 4);
});

test('a pull that is aborted in the middle of a layer ends, leaves nothing, and the next one succeeds', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/slow', '1', imageFor(host, 100));
  const heal = lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'stall', atByte: 20 } });
  const controller = new AbortController();
  const pulling = lab.pull(reference, {
    signal: controller.signal,
    onEvent: ({ kind }) => kind === 'layer-progress' && controller.abort(),
  });
  await assert.rejects(pulling, hasCode('ABORTED'));
  assert.deepEqual([filesIn(lab.home, 'staging'), filesIn(lab.home, 'layers')], [[], []]);
  heal();
  await lab.pull(reference);
});

test('one of two callers leaving does not end the flight of the other', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/two', '1', imageFor(host, 100));
  const heal = lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'drip', bytesPerSecond: 400 } });
  const controller = new AbortController();
  const leaving = lab.pull(reference, { signal: controller.signal });
  const staying = lab.pull(reference, { onEvent: ({ kind }) => kind === 'layer-start' && controller.abort() });
  await assert.rejects(leaving, hasCode('ABORTED'));
  assert.ok(existsSync((await staying).layers[0]!.path));
  heal();
});

test('compat F15 a registry that cannot be reached says how the store may serve', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/away', '1', imageFor(host));
  await lab.pull(reference);
  await lab.registry.stop();
  assert.ok(await lab.pull(reference), 'policy missing needs no registry');
  await assert.rejects(
    lab.pull(reference, { policy: 'always', signal: AbortSignal.timeout(60_000) }),
    (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.code, 'REGISTRY_UNREACHABLE');
      assert.match(error.hint, /--policy missing/);
      return true;
    },
  );
});

test('compat F17 policy never asks nothing and names what is missing', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/never', '1', imageFor(host));
  await assert.rejects(lab.pull(reference, { policy: 'never' }), hasCode('IMAGE_NOT_FOUND'));
  assert.equal(lab.registry.requests.length, 0);
});

test('compat F18 a complete image by digest costs no request under any policy', async (t) => {
  const lab = await openLab(t);
  const image = imageFor(host);
  lab.registry.push('org/pinned', '1', image);
  const reference = `${lab.registry.host}/org/pinned@${image.digest}`;
  await lab.pull(reference);
  lab.registry.clearRequests();
  for (const policy of ['missing', 'always', 'never'] as const) await lab.pull(reference, { policy });
  assert.equal(lab.registry.requests.length, 0);
});

test('compat F19 complete layers are not asked for again, and their times stay', async (t) => {
  const lab = await openLab(t);
  const base = layer(file('base', 'x'));
  const first = buildImage({ platform: host, layers: [{ tar: base }] });
  const second = buildImage({ platform: host, layers: [{ tar: base }, { tar: layer(file('top', 'y')) }] });
  const { layers } = await lab.pull(lab.registry.push('org/grown', '1', first));
  const before = lstatSync(layers[0]!.path, { bigint: true });
  lab.registry.clearRequests();
  await lab.pull(lab.registry.push('org/grown', '2', second));
  const after = lstatSync(layers[0]!.path, { bigint: true });
  assert.deepEqual([after.ino, after.mtimeNs, after.ctimeNs], [before.ino, before.mtimeNs, before.ctimeNs]);
  assert.equal(lab.registry.requestsOf('blob').length, 1);
});

test('registry R96 a layer that arrives damaged once is asked for once more, whole', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/damaged', '1', imageFor(host));
  lab.registry.addFault({ match: { kind: 'blob' }, nth: 1, do: { kind: 'wrong-bytes', atByte: 30 } });
  await lab.pull(reference);
  const [first, second] = lab.registry.requestsOf('blob');
  assert.ok(first && second);
  assert.deepEqual([second.headers['cache-control'], second.headers.range], ['no-transform', undefined]);
  assert.ok(second.connection > first.connection, 'over a connection of its own');
  assert.equal(lab.registry.requestsOf('blob').length, 2);
});

test('registry R96 a layer that arrives damaged twice is given up, and whose bytes they were is named', async (t) => {
  const lab = await openLab(t);
  const image = imageFor(host);
  const reference = lab.registry.push('org/damaged', '1', image);
  lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'wrong-bytes', atByte: 30 } });
  await assert.rejects(lab.pull(reference), (error) => {
    assert.ok(error instanceof SluiceError);
    const { expected, got, host: named } = error.detail;
    assert.deepEqual(
      [error.code, expected, named],
      ['DIGEST_MISMATCH', image.layers[0]!.descriptor.digest, lab.registry.host],
    );
    assert.match(got ?? '', /^sha256:[0-9a-f]{64}$/);
    return true;
  });
  assert.equal(lab.registry.requestsOf('blob').length, 2);
});

test('registry R99 the sizes in the manifest are held against the budget before a blob is asked for', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/big', '1', imageFor(host));
  await assert.rejects(lab.pull(reference, { budget: { maxCompressedBytes: 10 } }), hasCode('BUDGET_EXCEEDED'));
  assert.equal(lab.registry.requestsOf('blob').length, 0);
});
