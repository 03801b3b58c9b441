import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Sluice, SluiceError } from '../src/index.js';
import { buildImage, file, layer } from '../src/testing/index.js';
import { filesIn, openLab } from './helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from './helpers/temporary.js';

const image = buildImage({ layers: [{ tar: layer(file('a', '1')) }, { tar: layer(file('b', '2')) }] });
const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof SluiceError && error.code === code;

test('list, inspect and layers answer from what is there', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/app', '1', image);
  await lab.pull(reference, { platform: 'linux/amd64' });
  lab.registry.clearRequests();
  const query = { platform: 'linux/amd64' };
  const [row] = await lab.sluice.list();
  assert.deepEqual([row?.digest, row?.layers, row?.platform], [image.digest, 2, 'linux/amd64']);
  const stored = await lab.sluice.inspect(reference, query);
  assert.deepEqual(Buffer.from(stored.manifest), image.manifest.bytes);
  assert.deepEqual(Buffer.from(stored.config), image.config.bytes);
  const layers = await lab.sluice.layers(reference, query);
  assert.deepEqual(
    layers.map(({ path }) => path),
    image.layers.map(({ descriptor }) => join(lab.home, 'layers', `${descriptor.digest}.extracted`)),
  );
  assert.equal(lab.registry.requests.length, 0);
});

test('what is not there is IMAGE_NOT_FOUND, a bad reference REFERENCE_INVALID, a bad option CONFIG_INVALID', async (t) => {
  const { sluice } = await openLab(t);
  await assert.rejects(sluice.inspect('nothing'), hasCode('IMAGE_NOT_FOUND'));
  await assert.rejects(sluice.layers('nothing'), hasCode('IMAGE_NOT_FOUND'));
  await assert.rejects(sluice.pull('UPPER CASE'), hasCode('REFERENCE_INVALID'));
  await assert.rejects(sluice.pull('a', { policy: 'sometimes' as 'always' }), hasCode('CONFIG_INVALID'));
  await assert.rejects(Sluice.open({ jobs: 0 }), hasCode('CONFIG_INVALID'));
});

test('leftovers of a killed process are removed when the store is opened and closed', async (t) => {
  isolateEnvironment(t);
  const home = join(temporaryDirectory(t), 'home');
  const left = join(home, 'trash', 'left-over');
  mkdirSync(join(left, 'deep'), { recursive: true });
  writeFileSync(join(left, 'deep', 'file'), 'x');
  await (await Sluice.open({ home })).close();
  assert.deepEqual(filesIn(home, 'trash'), ['foreign']);
});

/** Threads of this process that run, or are about to. */
function threads(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
}

test('threads start with a store that has no index yet, if a pull follows', async (t) => {
  isolateEnvironment(t);
  const home = join(temporaryDirectory(t), 'home');
  const before = threads();
  const opened = async (pullFollows: boolean): Promise<boolean> => {
    const sluice = await Sluice.open({ home, pullFollows });
    const haveStarted = threads() > before;
    await sluice.close();
    return haveStarted;
  };
  assert.equal(await opened(true), true);
  assert.equal(await opened(true), false);
  rmSync(home, { recursive: true });
  assert.equal(await opened(false), false);
});

test('a store that cannot be opened leaves no threads', async (t) => {
  isolateEnvironment(t);
  const home = join(temporaryDirectory(t), 'home');
  mkdirSync(home);
  writeFileSync(join(home, 'locks'), 'where a directory belongs');
  const before = threads();
  await assert.rejects(Sluice.open({ home, pullFollows: true }), hasCode('STORE_FAILED'));
  assert.equal(threads(), before);
});

test('two processes’ worth of stores pull one image into one home, each layer once', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('org/twice', '1', image);
  const second = await Sluice.open({ home: lab.home });
  t.after(() => second.close());
  const options = { plainHttp: [lab.registry.host], platform: 'any' };
  const [a, b] = await Promise.all([lab.pull(reference, options), second.pull(reference, options)]);
  assert.deepEqual(
    a.layers.map(({ path }) => path),
    b.layers.map(({ path }) => path),
  );
  assert.equal(lab.registry.requestsOf('blob').length, 2);
});
