import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PullOptions } from '../../src/index.js';
import { buildImage, createRandom, file, layer } from '../../src/testing/index.js';
import { filesIn, openLab, openSluice, type Lab } from '../helpers/sluice.js';
import type { Cleanup } from '../helpers/temporary.js';

const IMAGE = buildImage({
  layers: [{ tar: layer(file('big', createRandom(3).bytes(6_000_000))), compression: 'none' }],
});
const [{ descriptor }] = IMAGE.layers as [(typeof IMAGE.layers)[0]];

interface Interrupted {
  readonly lab: Lab;
  readonly reference: string;
  /** What is kept, if anything. */
  readonly kept: string;
}

/** A pull that is cut off in the middle of its only layer. */
async function interrupt(t: Cleanup, options: PullOptions): Promise<Interrupted> {
  const lab = await openLab(t);
  const reference = lab.registry.push('big', '1', IMAGE);
  const heal = lab.registry.addFault({
    match: { kind: 'blob', path: new RegExp(descriptor.digest) },
    do: { kind: 'drip', bytesPerSecond: 3_000_000 },
  });
  const stop = new AbortController();
  lab.sluice.subscribe((event) => {
    if (event.kind === 'layer-progress' && event.packedBytes > 500_000) stop.abort();
  });
  await assert.rejects(lab.pull(reference, { ...options, signal: stop.signal }), { code: 'ABORTED' });
  heal();
  await lab.sluice.close();
  return { lab, reference, kept: join(lab.home, 'partial', descriptor.digest) };
}

const bytesAsked = ({ registry }: Lab): readonly string[] =>
  registry.requestsOf('blob').map(({ headers }) => headers.range ?? 'whole');

test('registry R91 with keepPartial the next process goes on where the last one was', async (t) => {
  const { lab, reference, kept } = await interrupt(t, { keepPartial: true });
  const length = statSync(kept).size;
  assert.ok(length > 500_000 && length < descriptor.size, `${length} bytes`);
  lab.registry.clearRequests();
  const again = await openSluice(t, { home: lab.home });
  await again.pull(reference, { plainHttp: [lab.registry.host], keepPartial: true });
  assert.match(bytesAsked(lab)[0]!, new RegExp(`^bytes=${length}-`));
  assert.deepEqual((await again.verify()).problems, []);
  assert.deepEqual(filesIn(lab.home, 'partial'), []);
});

test('registry R91 what is kept is verified: damaged, it is thrown away and the layer begins anew', async (t) => {
  for (const damage of [
    (path: string) => writeFileSync(path, Buffer.alloc(600_000, 'x')),
    (path: string) => writeFileSync(path, Buffer.alloc(descriptor.size, 'x')),
    (path: string) => writeFileSync(path, Buffer.alloc(descriptor.size + 1, 'x')),
    (path: string) => truncateSync(path, 0),
  ]) {
    const { lab, reference, kept } = await interrupt(t, { keepPartial: true });
    damage(kept);
    const again = await openSluice(t, { home: lab.home });
    await again.pull(reference, { plainHttp: [lab.registry.host], keepPartial: true });
    assert.deepEqual((await again.verify()).problems, []);
    assert.deepEqual(filesIn(lab.home, 'partial'), []);
  }
});

test('registry R91 all of a blob that was kept needs no request', async (t) => {
  const { lab, reference, kept } = await interrupt(t, { keepPartial: true });
  writeFileSync(kept, IMAGE.blobs.get(descriptor.digest)!);
  lab.registry.clearRequests();
  const again = await openSluice(t, { home: lab.home });
  await again.pull(reference, { plainHttp: [lab.registry.host], keepPartial: true });
  assert.deepEqual(
    lab.registry.requestsOf('blob').filter(({ url }) => url.includes(descriptor.digest)),
    [],
  );
});

test('compat K15 without keepPartial nothing is kept, and what was kept before goes with the layer or with prune', async (t) => {
  const plain = await interrupt(t, {});
  assert.equal(existsSync(join(plain.lab.home, 'partial')), false);
  const { lab, reference, kept } = await interrupt(t, { keepPartial: true });
  const again = await openSluice(t, { home: lab.home });
  await again.pull(reference, { plainHttp: [lab.registry.host] });
  assert.equal(existsSync(kept), false);
  const other = await interrupt(t, { keepPartial: true });
  assert.ok(readFileSync(other.kept).length > 0);
  await (await openSluice(t, { home: other.lab.home })).prune();
  assert.equal(existsSync(other.kept), false);
});
