import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Sluice, SluiceError, type PulledImage, type SluiceEvent } from '../../../src/index.js';
import { buildImage, file, hardlink, layer, writeOciLayout, type TestImage } from '../../../src/testing/index.js';
import { filesIn, openLab, openSluice, type Lab } from '../../helpers/sluice.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { sql } from '../../store/fixtures.js';

const tarOf = (name: string, size = 10): Buffer => layer(file(name, name.repeat(size)));
const imageOf = (...names: readonly string[]): TestImage =>
  buildImage({ layers: names.map((name) => ({ tar: tarOf(name) })) });
const digestsOf = (image: TestImage): readonly string[] => image.layers.map(({ descriptor }) => descriptor.digest);
const digestsIn = (image: PulledImage): readonly string[] => image.layers.map(({ digest }) => digest);
const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SluiceError && error.code === code;

/** An image whose layers' digests sort in the reverse of their order. */
function reverseSorted(): TestImage {
  const tars = Array.from({ length: 6 }, (_, i) => tarOf(`layer-${i}`));
  const first = buildImage({ layers: tars.map((tar) => ({ tar })) });
  const order = first.layers.toSorted((a, b) => (a.descriptor.digest < b.descriptor.digest ? 1 : -1));
  return buildImage({ layers: order.map(({ tar }) => ({ tar })) });
}

async function rowsOf(home: string): Promise<Record<string, number>> {
  const [row] = await sql<Record<string, number>>(
    home,
    `SELECT (SELECT count(*) FROM images) AS images, (SELECT count(*) FROM manifests) AS manifests,
            (SELECT count(*) FROM configs) AS configs, (SELECT count(*) FROM manifest_layers) AS links,
            (SELECT count(*) FROM layers) AS layers`,
  );
  return { ...row };
}

const blobsAsked = ({ registry }: Lab): number => registry.requestsOf('blob').length;

test('compat K1 the stack is in the order of the manifest, whatever layer ends first', async (t) => {
  const lab = await openLab(t, { open: { jobs: 4 } });
  const image = reverseSorted();
  const expected = digestsOf(image);
  assert.deepEqual(expected, expected.toSorted().toReversed());
  const [bottom] = expected;
  lab.registry.addFault({ match: { path: new RegExp(bottom!) }, do: { kind: 'drip', bytesPerSecond: 100 } });
  const pulled = await lab.pull(lab.registry.push('order', '1', image));
  assert.deepEqual(digestsIn(pulled), expected);
  const done = lab.events.flatMap((event) => (event.kind === 'layer-done' ? [event.layer] : []));
  assert.notEqual(done[0], bottom);
  assert.deepEqual(digestsIn(await lab.pull(`${lab.registry.host}/order:1`, { policy: 'never' })), expected);
});

test('compat K1 images that share layers in different orders keep their own', async (t) => {
  const lab = await openLab(t);
  const forwards = reverseSorted();
  const backwards = buildImage({ layers: forwards.layers.toReversed().map(({ tar }) => ({ tar })) });
  await lab.pull(lab.registry.push('shared', 'forwards', forwards));
  await lab.pull(lab.registry.push('shared', 'backwards', backwards));
  assert.deepEqual(digestsIn(await lab.pull(`${lab.registry.host}/shared:forwards`)), digestsOf(forwards));
  assert.deepEqual(digestsIn(await lab.pull(`${lab.registry.host}/shared:backwards`)), digestsOf(backwards));
});

test('compat K1 the order stands after the index was lost', async (t) => {
  const lab = await openLab(t);
  const image = reverseSorted();
  const reference = lab.registry.push('lost', '1', image);
  await lab.pull(reference);
  await lab.sluice.close();
  for (const name of ['oci.db', 'oci.db-wal', 'oci.db-shm']) rmSync(join(lab.home, name), { force: true });
  const again = await openSluice(t, { home: lab.home });
  lab.registry.clearRequests();
  const pulled = await again.pull(reference, { plainHttp: [lab.registry.host] });
  assert.deepEqual(digestsIn(pulled), digestsOf(image));
  assert.equal(blobsAsked(lab), 0);
});

test('compat K2 a pull that fails after the shared base leaves no row and no half layer', async (t) => {
  const lab = await openLab(t);
  const base = tarOf('base');
  const former = buildImage({ layers: [{ tar: base }] });
  const next = buildImage({ layers: [{ tar: base }, { tar: tarOf('good') }, { tar: tarOf('bad', 1000) }] });
  const reference = lab.registry.push('app', '1', former);
  await lab.pull(reference);
  const before = await rowsOf(lab.home);

  lab.registry.push('app', '1', next);
  const bad = next.layers[2]!.descriptor.digest;
  const heal = lab.registry.addFault({ match: { path: new RegExp(bad) }, do: { kind: 'wrong-bytes' } });
  await assert.rejects(lab.pull(reference, { policy: 'always' }), (error: unknown) => {
    assert.ok(error instanceof SluiceError);
    assert.deepEqual([error.code, error.detail.layer], ['DIGEST_MISMATCH', bad]);
    return true;
  });
  const after = await rowsOf(lab.home);
  assert.deepEqual(
    [after['images'], after['manifests'], after['links']],
    [before['images'], before['manifests'], before['links']],
  );
  assert.equal(existsSync(join(lab.home, 'layers', `${bad}.extracted`)), false);
  assert.equal(existsSync(join(lab.home, 'layers', `${bad}.mtree`)), false);
  assert.deepEqual(filesIn(lab.home, 'staging'), []);
  assert.deepEqual(digestsIn(await lab.pull(reference)), digestsOf(former), 'the former image is untouched');

  heal();
  assert.deepEqual(digestsIn(await lab.pull(reference, { policy: 'always' })), digestsOf(next));
});

test('compat K3 after a tag moved, only the new manifest counts', async (t) => {
  const lab = await openLab(t);
  const former = imageOf('old-a', 'old-b');
  const next = imageOf('new-a');
  const reference = lab.registry.push('moved', '1', former);
  await lab.pull(reference);
  lab.registry.push('moved', '1', next);
  assert.deepEqual(digestsIn(await lab.pull(reference)), digestsOf(former), 'policy missing trusts the store');
  assert.deepEqual(digestsIn(await lab.pull(reference, { policy: 'always' })), digestsOf(next));
  assert.deepEqual(await rowsOf(lab.home), { images: 1, manifests: 1, configs: 1, links: 1, layers: 3 });
  const [left] = await sql<{ digest: string }>(lab.home, 'SELECT digest FROM layers ORDER BY id LIMIT 1');
  assert.equal(left!.digest, digestsOf(former)[0], 'layers that nobody uses stay for prune');
});

test('compat K4 the hundredth pull is a hit and changes no row count', async (t) => {
  const lab = await openLab(t);
  const image = imageOf('a', 'b');
  const reference = lab.registry.push('often', '1', image);
  await lab.pull(reference);
  const rows = await rowsOf(lab.home);
  lab.registry.clearRequests();
  for (let i = 0; i < 99; i++) await lab.pull(reference);
  assert.equal(lab.registry.requests.length, 0);
  await lab.pull(reference, { policy: 'always' });
  assert.deepEqual(
    lab.registry.requests.map(({ method, kind }) => `${method} ${kind}`),
    ['HEAD manifest'],
  );
  assert.deepEqual(await rowsOf(lab.home), rows);
  assert.equal(lab.events.filter(({ kind }) => kind === 'hit').length, 100);
});

test('compat K5 an image is found under its canonical reference, whatever its registry', async (t) => {
  const lab = await openLab(t);
  const names = ['docker.io/library/one:1', 'ghcr.io/org/one:1', 'ghcr.io/org/two:1', 'sandboxes.io/library/one:1'];
  for (const [i, name] of names.entries()) {
    const directory = join(temporaryDirectory(t), 'layout');
    writeOciLayout(directory, { latest: imageOf(`content-${i}`) });
    const imported = await lab.sluice.import(`oci:${directory}`, { name });
    assert.equal(imported.reference, name);
  }
  const withPort = lab.registry.push('org/one', '1', imageOf('port'));
  await lab.pull(withPort);
  lab.registry.clearRequests();
  for (const [i, name] of names.entries()) {
    const found = await lab.sluice.pull(name, { policy: 'never' });
    assert.equal(readFileSync(join(found.layers[0]!.path, `content-${i}`), 'utf8'), `content-${i}`.repeat(10));
  }
  assert.equal((await lab.sluice.pull('one:1', { policy: 'never' })).reference, names[0]);
  assert.equal((await lab.pull(withPort)).reference, withPort);
  assert.equal(lab.registry.requests.length, 0);
  const references = (await lab.sluice.list()).map(({ reference }) => reference);
  assert.deepEqual(references, [...names, withPort].toSorted());
});

for (const suffix of ['', ':1'] as const) {
  test(`compat K6 name${suffix}@digest is asked for by digest, and one changed byte is found`, async (t) => {
    const lab = await openLab(t);
    const image = imageOf('one', 'two');
    lab.registry.push('pinned', '1', image);
    const reference = `${lab.registry.host}/pinned${suffix}@${image.digest}`;
    const parts = [image.manifest.descriptor, image.config.descriptor, image.layers[1]!.descriptor];
    for (const { digest } of parts) {
      const remove = lab.registry.addFault({ match: { path: digest }, do: { kind: 'wrong-bytes', atByte: 20 } });
      await assert.rejects(lab.pull(reference), ({ code, detail }) => {
        assert.deepEqual([code, detail.expected], ['DIGEST_MISMATCH', digest]);
        assert.match(String(detail.got), /^sha256:[0-9a-f]{64}$/);
        return true;
      });
      const { images, manifests, links } = await rowsOf(lab.home);
      assert.deepEqual([images, manifests, links], [0, 0, 0]);
      assert.ok(!existsSync(join(lab.home, 'layers', `${parts[2]!.digest}.extracted`)));
      remove();
    }
    assert.deepEqual(digestsIn(await lab.pull(reference)), digestsOf(image));
    const asked = lab.registry.requestsOf('manifest').map(({ url }) => url);
    assert.deepEqual([...new Set(asked)], [`/v2/pinned/manifests/${image.digest}`]);
  });
}

const BLOB_FAILURES = [
  { status: 404, code: 'BLOB_UNKNOWN', body: '{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}' },
  { status: 403, code: 'ACCESS_DENIED', body: '<html>no</html>' },
  { status: 418, code: 'PROTOCOL_ERROR', body: 'teapot' },
] as const;

for (const { status, code, body } of BLOB_FAILURES) {
  test(`compat K16 a ${status} for a blob is ${code} with status and host, not a wrong hash`, async (t) => {
    const lab = await openLab(t);
    const reference = lab.registry.push('page', '1', imageOf('a'));
    lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'reply', status, body } });
    await assert.rejects(lab.pull(reference), (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      assert.deepEqual([error.code, error.detail.status, error.detail.host], [code, status, lab.registry.host]);
      return true;
    });
    assert.deepEqual(filesIn(lab.home, 'layers'), []);
  });
}

test('compat K16 bytes are hashed as they pass', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('wrong', '1', imageOf('a'));
  lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'wrong-bytes', atByte: 20 } });
  await assert.rejects(lab.pull(reference), hasCode('DIGEST_MISMATCH'));
});

test('compat K17 the main thread goes on while layers are extracted', async (t) => {
  const lab = await openLab(t);
  const image = buildImage({
    layers: [{ tar: layer(...Array.from({ length: 4000 }, (_, i) => file(`d/${i % 50}/f${i}`, `${i}`.repeat(100)))) }],
  });
  const reference = lab.registry.push('busy', '1', image);
  let turns = 0;
  const count = (): void => {
    turns++;
    handle = setImmediate(count);
  };
  let handle = setImmediate(count);
  const progress: SluiceEvent[] = [];
  await lab.pull(reference, { onEvent: (event) => progress.push(event) });
  clearImmediate(handle);
  assert.ok(turns > 100, `${turns} turns of the event loop`);
});

for (const jobs of [1, 3]) {
  test(`compat K17 at most ${jobs} layers are extracted at once with jobs: ${jobs}`, async (t) => {
    const lab = await openLab(t, { open: { jobs } });
    const image = imageOf(...Array.from({ length: 7 }, (_, i) => `layer-${i}`));
    lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'drip', bytesPerSecond: 4000 } });
    await lab.pull(lab.registry.push('jobs', '1', image));
    let running = 0;
    let most = 0;
    for (const { kind } of lab.events) {
      if (kind === 'layer-start') most = Math.max(most, ++running);
      if (kind === 'layer-done') running--;
    }
    assert.equal(most, jobs);
  });
}

const BUDGETS = [
  { budget: { maxCompressedBytes: 100 }, rule: 'B1' },
  { budget: { maxUnpackedBytes: 5000 }, rule: 'B2' },
  { budget: { maxFileBytes: 5000 }, rule: 'B3' },
  { budget: { maxEntries: 2 }, rule: 'B4' },
] as const;

for (const { budget, rule } of BUDGETS) {
  test(`compat K17 a budget that is passed is a typed error (${rule})`, async (t) => {
    const lab = await openLab(t);
    const image = buildImage({
      layers: [{ tar: layer(file('a', 'x'.repeat(6000)), file('b', 'y'), hardlink('c', 'b')) }],
    });
    const reference = lab.registry.push('large', '1', image);
    await assert.rejects(lab.pull(reference, { budget }), (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      const [option, value] = Object.entries(budget)[0]!;
      assert.deepEqual(
        [error.code, error.detail.rule, error.detail.limit],
        ['BUDGET_EXCEEDED', rule, { option, value }],
      );
      return true;
    });
    assert.deepEqual(filesIn(lab.home, 'layers'), []);
    assert.deepEqual(filesIn(lab.home, 'staging'), []);
    const more = Object.fromEntries(Object.keys(budget).map((option) => [option, 100_000]));
    await lab.pull(reference, { budget: more });
  });
}

test('compat K17 F5 after a pull into PATH every layer is complete there, whatever the home holds', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('elsewhere', '1', imageOf('a', 'b'));
  await lab.pull(reference);
  const layerPath = join(temporaryDirectory(t), 'layers');
  const pulled = await lab.pull(reference, { layerPath });
  for (const { path } of pulled.layers) {
    assert.ok(path.startsWith(layerPath));
    assert.ok(existsSync(path) && existsSync(path.replace(/\.extracted$/, '.mtree')));
  }
});

for (const platform of ['win32', 'darwin'] as const) {
  test(`compat K19 on ${platform} nothing is opened, and the hint is a Linux VM`, async (t) => {
    const home = join(temporaryDirectory(t), 'home');
    const real = process.platform;
    Object.defineProperty(process, 'platform', { value: platform });
    t.after(() => Object.defineProperty(process, 'platform', { value: real }));
    await assert.rejects(Sluice.open({ home }), (error: unknown) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.code, 'PLATFORM_UNSUPPORTED');
      assert.match(error.message, new RegExp(`this is ${platform}`));
      assert.match(error.hint, /Linux VM/);
      return true;
    });
    assert.equal(existsSync(home), false);
  });
}

test('compat K19 the package says that it is for Linux', () => {
  const { os } = createRequire(import.meta.url)('sluice/package.json') as { os: readonly string[] };
  assert.deepEqual(os, ['linux']);
});
