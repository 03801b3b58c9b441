import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../helpers/temporary.js';
import { fillStaging, NEVER, openTestStore, resolvedImage, storeImage, storeLayer, wantedLayer } from './fixtures.js';

const [A, B] = [wantedLayer('a'), wantedLayer('b')];
const FACTS = { unpackedBytes: 2048, entries: 1, composeRequired: false };

test('without the addon a store opens and lists, and what needs it fails with ADDON_MISSING', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, 'docker.io/library/app:1', { layers: [A] });
  await store[Symbol.asyncDispose]();

  const preload = join(temporaryDirectory(t), 'preload.cjs');
  writeFileSync(
    preload,
    `const Module = require('node:module');
     const load = Module._load;
     Module._load = (name, ...rest) => { if (name === 'xattr-native') throw new Error('no addon'); return load(name, ...rest); };`,
  );
  const script = `
    import { openStore } from ${JSON.stringify(new URL('../../src/store/store.js', import.meta.url))};
    const store = await openStore({ home: ${JSON.stringify(store.home)} });
    const location = await store.location();
    const lookup = await store.find('docker.io/library/app:1', 'any', { location, stat: 'containers', touch: true });
    const codeOf = (promise) => promise.then(() => 'none', (error) => error.code);
    console.log(JSON.stringify([
      location.facts, lookup.kind, (await store.listImages()).length,
      await codeOf(store.lockLayer('sha256:x', location, new AbortController().signal)),
      await codeOf(store.openStaging('sha256:x', location)),
    ]));`;
  const output = execFileSync(process.execPath, ['--require', preload, '--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  assert.deepEqual(JSON.parse(output), [null, 'hit', 1, 'ADDON_MISSING', 'ADDON_MISSING']);
});

test('PATH is opened once, also by callers at the same time', async (t) => {
  const store = await openTestStore(t);
  const path = temporaryDirectory(t);
  const [one, other] = await Promise.all([store.location(path), store.location(`${path}/.`)]);
  assert.equal(one, other);
});

test('a PATH that cannot be made is an error, and can be made later', async (t) => {
  const store = await openTestStore(t);
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(store.location(join(folder, 'file', 'path')), { code: 'STORE_FAILED' });
  const path = join(folder, 'path');
  writeFileSync(path, '');
  await assert.rejects(store.location(path), { code: 'STORE_FAILED' });
  execFileSync('rm', [path]);
  assert.equal((await store.location(path)).layers, path);
});

test('a commit without sync publishes the same', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await using lock = await store.lockLayer(A.digest, location, NEVER);
  const staging = await store.openStaging(lock.digest, location);
  fillStaging(staging, A);
  const stored = await store.commitLayer(A, staging, FACTS, location, { sync: false });
  assert.deepEqual(await store.findLayer(A, location, 'containers'), stored);
});

test('what a worker left in staging beside the layer goes to the trash', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const staging = await store.openStaging(A.digest, location);
  fillStaging(staging, A);
  writeFileSync(join(staging.path, 'spill'), 'left over');
  await store.commitLayer(A, staging, FACTS, location);
  assert.deepEqual(readdirSync(location.staging), []);
  const [trash] = await store.takeTrash();
  assert.deepEqual(readdirSync(trash!), ['spill']);
});

test('an image cannot be recorded without one of its layers', async (t) => {
  const store = await openTestStore(t);
  const stored = await storeLayer(store, A, await store.location());
  await assert.rejects(store.commitImage('docker.io/a/b:1', resolvedImage({ layers: [A, B] }), [stored]), {
    code: 'LAYER_FAILED',
    detail: { message: 'recording an image without one of its layers', layer: B.digest },
  });
  assert.deepEqual(await store.listImages({ all: true }), []);
});

test('a closed store can be closed again, after the work that was under way', async (t) => {
  const store = await openTestStore(t);
  const listing = store.listImages();
  await Promise.all([store[Symbol.asyncDispose](), store[Symbol.asyncDispose]()]);
  assert.deepEqual(await listing, []);
});

test('a home that cannot be made or opened is STORE_FAILED', async (t) => {
  const folder = temporaryDirectory(t);
  writeFileSync(join(folder, 'file'), '');
  await assert.rejects(openTestStore(t, { home: join(folder, 'file', 'home') }), { code: 'STORE_FAILED' });
  const home = join(folder, 'home');
  execFileSync('mkdir', ['-p', join(home, 'oci.db')]);
  chmodSync(home, 0o700);
  await assert.rejects(openTestStore(t, { home }), { code: 'STORE_FAILED' });
  assert.equal(existsSync(join(home, 'layers')), false);
});
