import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Pruned } from '../../src/index.js';
import { buildImage, file, layer, type TestImage } from '../../src/testing/index.js';
import { filesIn, openLab, openSluice, type Lab } from '../helpers/sluice.js';
import { isolatedEnvironment, type Cleanup } from '../helpers/temporary.js';
import { sql } from '../store/fixtures.js';

const imageOf = (...names: readonly string[]): TestImage =>
  buildImage({ layers: names.map((name) => ({ tar: layer(file(name, name)) })) });
const digestsOf = (image: TestImage): string[] => image.layers.map(({ descriptor }) => descriptor.digest);
const removedLayers = ({ layers }: Pruned): readonly string[] => layers.map(({ digest }) => digest).toSorted();
const removedImages = ({ images }: Pruned): readonly string[] => images.map(({ reference }) => reference);
const layersOnDisk = (home: string): readonly string[] =>
  [...new Set(filesIn(home, 'layers').map((name) => name.replace(/\.(extracted|mtree)$/, '')))].toSorted();

/** Base and top of two images that share the base, pulled. */
async function openTwo(t: Cleanup): Promise<{ lab: Lab; one: string; two: string; digests: Record<string, string> }> {
  const lab = await openLab(t);
  const images = { one: imageOf('base', 'one'), two: imageOf('base', 'two') };
  const one = lab.registry.push('one', '1', images.one);
  const two = lab.registry.push('two', '1', images.two);
  await lab.pull(one);
  await lab.pull(two);
  const [base = '', top1 = ''] = digestsOf(images.one);
  const [, top2 = ''] = digestsOf(images.two);
  return { lab, one, two, digests: { base, one: top1, two: top2 } };
}

/** Moves the time an image was last used into the past. */
const age = (home: string, reference: string, days: number): Promise<unknown> =>
  sql(home, `UPDATE images SET last_used_at = datetime('now', '-${days} days') WHERE reference = '${reference}'`);

test('compat K3 K15 prune frees what no image uses after a tag moved, in the background, and nothing else', async (t) => {
  const { lab, one, digests } = await openTwo(t);
  lab.registry.push('one', '1', imageOf('base', 'newer'));
  await lab.pull(one, { policy: 'always' });
  const planned = await lab.sluice.prune({ dryRun: true });
  assert.deepEqual(removedLayers(planned), [digests['one']]);
  assert.ok(layersOnDisk(lab.home).includes(digests['one']!), 'a dry run changes nothing');
  const pruned = await lab.sluice.prune();
  assert.deepEqual(pruned, planned);
  assert.equal(layersOnDisk(lab.home).includes(digests['one']!), false);
  assert.deepEqual(await sql(lab.home, `SELECT * FROM layers WHERE digest = '${digests['one']}'`), []);
  assert.equal((await lab.sluice.layers(one)).length, 2);
  assert.deepEqual((await lab.sluice.prune()).layers, [], 'the second time there is nothing');
  await lab.sluice.close();
  assert.deepEqual(filesIn(lab.home, 'trash'), ['foreign']);
});

test('prune removes images by age, and the layers that only they used', async (t) => {
  const { lab, one, two, digests } = await openTwo(t);
  await age(lab.home, one, 40);
  const pruned = await lab.sluice.prune({ olderThanMs: 30 * 86_400_000 });
  assert.deepEqual(pruned.images, [{ reference: one, reason: 'age' }]);
  assert.deepEqual(removedLayers(pruned), [digests['one']]);
  assert.deepEqual(
    (await lab.sluice.list()).map(({ reference }) => reference),
    [two],
  );
  await lab.pull(one);
  assert.equal((await lab.sluice.layers(one)).length, 2, 'what was pruned can be pulled again');
});

test('prune removes images by count and size, and keeps pinned ones', async (t) => {
  const { lab, one, two } = await openTwo(t);
  await age(lab.home, one, 3);
  await lab.sluice.pin(one);
  const byCount = await lab.sluice.prune({ maxImages: 1 });
  assert.deepEqual([removedImages(byCount), byCount.kept], [[two], [{ name: one, reason: 'pinned' }]]);
  assert.deepEqual(
    (await lab.sluice.list()).map(({ isPinned }) => isPinned),
    [true],
  );
  await lab.sluice.unpin(one);
  assert.deepEqual(removedImages(await lab.sluice.prune({ maxBytes: 0 })), [one]);
  assert.deepEqual(layersOnDisk(lab.home), []);
});

test('layers and images under a lease stay, for all images that lean on them', async (t) => {
  const { lab, one, two, digests } = await openTwo(t);
  const lease = await lab.sluice.lease(one);
  assert.deepEqual(
    lease.layers.map(({ digest }) => digest),
    [digests['base'], digests['one']],
  );
  const pruned = await lab.sluice.prune({ maxImages: 0 });
  assert.deepEqual(removedImages(pruned), [two]);
  assert.deepEqual(removedLayers(pruned), [digests['two']]);
  assert.deepEqual(pruned.kept, [{ name: one, reason: 'in-use' }]);
  await lab.sluice.remove(one);
  assert.deepEqual(layersOnDisk(lab.home), [digests['base'], digests['one']].toSorted());
  for (const { path } of lease.layers) assert.ok(existsSync(path), 'A LAYER IN USE WAS REMOVED');
  const left = await lab.sluice.prune();
  assert.deepEqual(
    left.kept.map(({ reason }) => reason),
    ['in-use', 'in-use'],
  );
  await lease.release();
  await lease.release();
  assert.equal((await lab.sluice.prune()).layers.length, 2);
});

test('a lease on digests; two leases end one by one', async (t) => {
  const { lab, one, digests } = await openTwo(t);
  const base = digests['base']!;
  const first = await lab.sluice.lease([base]);
  {
    await using second = await lab.sluice.lease([base, digests['one']!]);
    assert.equal(second.layers.length, 2);
  }
  await lab.sluice.prune({ maxImages: 0 });
  assert.deepEqual(layersOnDisk(lab.home), [base]);
  await first.release();
  await lab.sluice.prune();
  assert.deepEqual(layersOnDisk(lab.home), []);
  await assert.rejects(lab.sluice.lease([base]), { code: 'IMAGE_NOT_FOUND' });
  await assert.rejects(lab.sluice.lease(one), { code: 'IMAGE_NOT_FOUND' });
  await assert.rejects(lab.sluice.lease(['sha256:../x']), { code: 'DIGEST_INVALID' });
  await lab.sluice.prune();
  assert.deepEqual(filesIn(lab.home, 'locks'), ['index'], 'failed leases hold nothing');
});

test('compat F20 a lease of another process holds until that process dies, however it dies', async (t) => {
  const { lab, one } = await openTwo(t);
  const script = fileURLToPath(new URL('./holding-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, lab.home, one], { env: isolatedEnvironment(lab.home) });
  t.after(() => void child.kill('SIGKILL'));
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'held 2\n');
  const pruned = await lab.sluice.prune({ maxImages: 0 });
  assert.deepEqual(pruned.kept, [{ name: one, reason: 'in-use' }]);
  assert.equal(layersOnDisk(lab.home).length, 2);
  child.kill('SIGKILL');
  await once(child, 'close');
  assert.deepEqual(removedImages(await lab.sluice.prune({ maxImages: 0 })), [one]);
  assert.deepEqual(layersOnDisk(lab.home), []);
});

test('layers of a pull that runs stay until its image is recorded', async (t) => {
  const lab = await openLab(t);
  const image = imageOf('a', 'b');
  const reference = lab.registry.push('running', '1', image);
  const [, slow = ''] = digestsOf(image);
  const heal = lab.registry.addFault({ match: { path: new RegExp(slow) }, do: { kind: 'drip', bytesPerSecond: 1 } });
  const other = await openSluice(t, { home: lab.home });
  const stop = new AbortController();
  const pruned = new Promise<Pruned>((resolve) =>
    lab.sluice.subscribe((event) => {
      if (event.kind === 'layer-done') resolve(other.prune());
    }),
  );
  const pulling = lab.pull(reference, { signal: stop.signal });
  const { kept, layers } = await pruned;
  assert.deepEqual([layers, kept.map(({ reason }) => reason)], [[], ['in-use']]);
  heal();
  stop.abort();
  await assert.rejects(pulling, { code: 'ABORTED' });
  assert.equal((await other.prune()).layers.length, 1, 'what an aborted pull finished is nobody’s');
});

test('pulls and prunes of one image at the same time never leave it incomplete', async (t) => {
  const { lab, one } = await openTwo(t);
  const other = await openSluice(t, { home: lab.home });
  for (let round = 0; round < 8; round++) {
    const pruning = other.prune({ maxImages: 0 });
    const pulled = await lab.pull(one, { policy: round % 2 ? 'always' : 'missing' });
    await pruning;
    const again = await lab.pull(one);
    for (const { path } of again.layers) assert.ok(existsSync(path), `round ${round}`);
    assert.equal(pulled.digest, again.digest);
  }
  assert.deepEqual(await sql(lab.home, 'PRAGMA foreign_key_check'), []);
});

test('rm removes an image by name or digest with its own layers; one that is not there is an error', async (t) => {
  const { lab, one, two, digests } = await openTwo(t);
  await lab.sluice.pin(one);
  const [listed] = await lab.sluice.list();
  const removed = await lab.sluice.remove(listed!.digest!);
  assert.deepEqual([removedImages(removed), removedLayers(removed)], [[one], [digests['one']]]);
  await assert.rejects(lab.sluice.remove(one), { code: 'IMAGE_NOT_FOUND' });
  await assert.rejects(lab.sluice.remove('no such:reference!'), { code: 'REFERENCE_INVALID' });
  assert.deepEqual(await sql(lab.home, 'SELECT * FROM sluice_pins'), []);
  assert.deepEqual(removedLayers(await lab.sluice.remove(two)), [digests['base'], digests['two']].toSorted());
  assert.deepEqual(layersOnDisk(lab.home), []);
});

test('compat F6 F8 prune leaves what Sluice did not make, and foreign directories until it is asked', async (t) => {
  const { lab, one, digests } = await openTwo(t);
  const theirs = join(lab.home, 'layers', `sha256:${'0'.repeat(64)}.extracted`);
  mkdirSync(theirs);
  writeFileSync(join(lab.home, 'sandbox.db'), 'theirs');
  await lab.sluice.remove(one);
  mkdirSync(join(lab.home, 'layers', `${digests['one']}.extracted`));
  await lab.pull(one);
  const put = readdirSync(join(lab.home, 'trash', 'foreign'));
  assert.equal(put.length, 1);
  await lab.sluice.prune({ maxImages: 0 });
  assert.ok(existsSync(theirs));
  assert.deepEqual(readdirSync(join(lab.home, 'trash', 'foreign')), put);
  assert.deepEqual((await lab.sluice.prune({ foreign: true, dryRun: true })).foreign, put);
  assert.deepEqual((await lab.sluice.prune({ foreign: true })).foreign, put);
  await lab.sluice.close();
  assert.deepEqual(filesIn(lab.home, 'trash', 'foreign'), []);
  assert.ok(existsSync(theirs) && existsSync(join(lab.home, 'sandbox.db')));
});

test('a complete layer that the lost index does not know is pruned, unless it is leased', async (t) => {
  const { lab, digests } = await openTwo(t);
  await lab.sluice.close();
  for (const name of ['oci.db', 'oci.db-wal', 'oci.db-shm']) rmSync(join(lab.home, name), { force: true });
  const sluice = await openSluice(t, { home: lab.home });
  const lease = await sluice.lease([digests['base']!]);
  assert.deepEqual(removedLayers(await sluice.prune()), [digests['one'], digests['two']].toSorted());
  await lease.release();
  assert.deepEqual(layersOnDisk(lab.home), [digests['base']]);
});

test('compat F5 prune -L PATH removes what no image uses there, and leaves the home', async (t) => {
  const { lab, one, digests } = await openTwo(t);
  const layerPath = join(lab.home, 'elsewhere');
  await lab.pull(one, { layerPath });
  await sql(lab.home, `DELETE FROM images WHERE reference = '${one}'`);
  assert.deepEqual(removedLayers(await lab.sluice.prune({ layerPath })), [digests['one']]);
  assert.ok(layersOnDisk(lab.home).includes(digests['one']!));
});

test('prune and rm whose signal has fired change nothing', async (t) => {
  const { lab, one } = await openTwo(t);
  const signal = AbortSignal.abort();
  await assert.rejects(lab.sluice.prune({ maxImages: 0, signal }), { code: 'ABORTED' });
  await assert.rejects(lab.sluice.remove(one, { signal }), { code: 'ABORTED' });
  assert.deepEqual([(await lab.sluice.list()).length, layersOnDisk(lab.home).length], [2, 3]);
});

test('wrong limits are CONFIG_INVALID', async (t) => {
  const { lab } = await openTwo(t);
  for (const options of [{ maxImages: -1 }, { maxBytes: 1.5 }, { olderThanMs: NaN }])
    await assert.rejects(lab.sluice.prune(options), { code: 'CONFIG_INVALID' });
});
