import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { PullOptions } from '../../src/index.js';
import { openPartial } from '../../src/store/partial.js';
import { homeLocation } from '../../src/store/layout.js';
import { buildImage, createRandom, file, layer, startRegistry } from '../../src/testing/index.js';
import { createCommandLine, type Running } from '../cli/command.js';
import { filesIn, openLab, openSluice, type Lab } from '../helpers/sluice.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

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

const keptBytes = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

/** Kills a pull whose registry sends nothing more, once it has done what it can. */
async function killAt({ child, ended }: Running, isReached: () => boolean): Promise<void> {
  while (!isReached() && child.exitCode === null) await turn();
  child.kill('SIGKILL');
  assert.equal((await ended).status, null, 'it was killed');
}

test('registry R91 after a SIGKILL, too, the next process goes on where the last one was', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('big', '1', IMAGE);
  const cli = createCommandLine(t);
  const command = ['pull', '--plain-http', '--platform', 'any', '--keep-partial', reference];
  const heal = registry.addFault({
    match: { kind: 'blob', path: descriptor.digest },
    do: { kind: 'stall', atByte: 700_000 },
  });
  const kept = join(cli.home, 'partial', descriptor.digest);
  await killAt(cli.start(command), () => keptBytes(kept) >= 600_000);
  heal();
  registry.clearRequests();
  const length = keptBytes(kept);
  assert.equal((await cli.run(command)).status, 0);
  const ranges = registry
    .requestsOf('blob')
    .filter(({ url }) => url.includes(descriptor.digest))
    .map(
      ({ headers }) =>
        /^bytes=(\d+)-(\d+)$/
          .exec(headers.range ?? '')!
          .slice(1)
          .map(Number) as [number, number],
    );
  assert.equal(Math.min(...ranges.map(([start]) => start)), length);
  assert.equal(
    ranges.reduce((sum, [start, end]) => sum + end + 1 - start, 0),
    descriptor.size - length,
    'nothing that was kept is asked for again',
  );
  assert.equal((await cli.run(['verify'])).status, 0);
  assert.deepEqual([filesIn(cli.home, 'partial'), filesIn(cli.home, 'staging')], [[], []]);
});

test('compat K15 F21 without keepPartial a SIGKILL leaves nothing but a staging directory, which is swept', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('big', '1', IMAGE);
  const cli = createCommandLine(t);
  const heal = registry.addFault({
    match: { kind: 'blob', path: descriptor.digest },
    do: { kind: 'stall', atByte: 700_000 },
  });
  const staged = (): string[] =>
    filesIn(cli.home, 'staging').map((name) => join(cli.home, 'staging', name, 'tree', 'big'));
  await killAt(cli.start(['pull', '--plain-http', '--platform', 'any', reference]), () => staged().some(existsSync));
  heal();
  assert.equal(filesIn(cli.home, 'staging').length, 1);
  assert.equal(existsSync(join(cli.home, 'partial')), false);
  assert.equal((await cli.run(['ls'])).status, 0);
  assert.deepEqual(
    [filesIn(cli.home, 'layers'), filesIn(cli.home, 'staging'), filesIn(cli.home, 'trash')],
    [[], [], ['foreign']],
  );
});

test('registry R91 what the disk has no room for is not kept', async (t) => {
  const location = homeLocation(temporaryDirectory(t));
  assert.equal(await openPartial(descriptor.digest, 2 ** 52, location), null);
  assert.deepEqual((await openPartial(descriptor.digest, 1, location))?.length, 0);
});
