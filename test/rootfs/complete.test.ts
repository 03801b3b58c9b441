import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readlinkSync, renameSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PulledImage, SluiceEvent } from '../../src/index.js';
import { runTask } from '../../src/layer/run-task.js';
import { native } from '../../src/native.js';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { placeOf } from '../../src/rootfs/engine.js';
import { buildImage, parseLayer, type TestImage } from '../../src/testing/index.js';
import { createSyncGroup } from '../../src/transfer/sync-group.js';
import { overrideOf } from '../helpers/extract.js';
import { openLab, type Lab } from '../helpers/sluice.js';
import { openTestStore } from '../store/fixtures.js';
import { compose } from './compose-layers.js';

const platform = formatPlatform(hostPlatform());

/** @param texts layers bottom to top, in the DSL */
const imageOf = (...texts: readonly string[]): TestImage =>
  buildImage({ platform, layers: texts.map((text) => ({ tar: parseLayer(text) })) });

let pushed = 0;
const pull = (lab: Lab, ...texts: readonly string[]): Promise<PulledImage> =>
  lab.pull(lab.registry.push('org/app', String(++pushed), imageOf(...texts)));

/** Override, host mode and mtime in nanoseconds of a directory in the topmost layer. */
function statOf(image: PulledImage, name: string): readonly unknown[] {
  const path = join(image.layers.at(-1)!.path, name);
  const { mode, mtimeNs } = lstatSync(path, { bigint: true });
  return [overrideOf(path), (Number(mode) & 0o7777).toString(8), mtimeNs];
}

const warnings = (lab: Lab): readonly (SluiceEvent & { kind: 'warning' })[] =>
  lab.events.filter((event) => event.kind === 'warning');

const DEFAULT = ['0:0:040755', '755', 0n];

test('extraction P3 an implied directory takes mode, owner, xattrs and time from the nearest lower layer', async (t) => {
  const lab = await openLab(t);
  const image = await pull(
    lab,
    'dir d 0700 1:1 mtime=5\ndir d/e 01777 2:2',
    'dir d 02750 33:44 mtime=-1.000000001 xattr:user.note=hi',
    'file d/e/f "x"\nfile new/f "y"',
  );
  assert.deepEqual(statOf(image, 'd'), ['33:44:042750', '750', -1_000_000_001n]);
  assert.deepEqual(statOf(image, 'd/e'), ['2:2:041777', '777', 0n]);
  assert.deepEqual(statOf(image, 'new'), DEFAULT);
  const note = native().xattrGet(Buffer.from(join(image.layers[2]!.path, 'd')), Buffer.from('user.note'));
  assert.equal(note?.toString(), 'hi');
  assert.equal(image.composeRequired, false);
  assert.deepEqual(warnings(lab), []);
});

test('extraction P3 the search passes through layers that only imply the directory', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir d 0711 7:7', 'file d/a "x"', 'file other "x"', 'file d/b "x"');
  assert.deepEqual(statOf(image, 'd'), ['7:7:040711', '711', 0n]);
});

for (const [what, ...texts] of [
  ['a whiteout of the directory', 'dir d 0711 7:7', 'wh d', 'file d/b "x"'],
  ['a whiteout of a directory above', 'dir a\ndir a/d 0711 7:7', 'wh a', 'file a/d/b "x"'],
  ['an opaque mark above', 'dir a\ndir a/d 0711 7:7', 'opq a', 'file a/d/b "x"'],
  ['an opaque root', 'dir d 0711 7:7', 'opq ./', 'file d/b "x"'],
  ['a file', 'dir d 0711 7:7', 'file d "x"', 'file d/b "x"'],
  ['a file above', 'dir a\ndir a/d 0711 7:7', 'file a "x"', 'file a/d/b "x"'],
  ['a whiteout of the same layer', 'dir d 0711 7:7', 'wh d\nfile d/b "x"'],
  ['an opaque mark of the same layer', 'dir a\ndir a/d 0711 7:7', 'opq a\nfile a/d/b "x"'],
] as const) {
  test(`extraction P3 the search ends at ${what}`, async (t) => {
    const lab = await openLab(t);
    const image = await pull(lab, ...texts);
    const name = texts[0].startsWith('dir a') ? 'a/d' : 'd';
    assert.deepEqual(statOf(image, name), DEFAULT);
  });
}

test('extraction P3 an opaque mark in the directory itself hides what is in it, not the directory', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir d 0711 7:7', 'opq d\nfile d/b "x"');
  assert.deepEqual(statOf(image, 'd'), ['7:7:040711', '711', 0n]);
});

test('extraction P3 W6 a directory named like a marker hides nothing, as in composing', async (t) => {
  for (const marker of ['file .wh.d/f "x"', 'file .wh..wh..opq/f "x"']) {
    const lab = await openLab(t);
    const texts = ['dir d 0711 7:7 mtime=9', marker, 'file d/f "x"'];
    const image = await pull(lab, ...texts);
    assert.deepEqual(statOf(image, 'd'), ['7:7:040711', '711', 9_000_000_000n], marker);
    assert.deepEqual(compose(t, texts).entries().get('d')?.uid, 7, marker);
  }
});

test('extraction P3 a directory that a killed commit left half complete is completed by the next one', async (t) => {
  const lab = await openLab(t);
  const texts = ['dir d 0711 7:7 mtime=9', 'file d/f "x"'];
  const image = await pull(lab, ...texts);
  const path = Buffer.from(join(image.layers[1]!.path, 'd'));
  native().xattrRemove(path, Buffer.from('user.containers.override_stat'));
  native().xattrSet(path, Buffer.from('user.stale'), Buffer.from('x'));
  native().setTimes(path, 1, 1);
  await pull(lab, ...texts, 'file more "x"');
  assert.deepEqual(statOf(image, 'd'), ['7:7:040711', '711', 9_000_000_000n]);
  assert.equal(native().xattrGet(path, Buffer.from('user.stale')), null);
  assert.deepEqual(warnings(lab), []);
});

test('extraction P3 layers without implied directories are not looked at, and a layer without xattrs is left alone', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir d 0711 7:7', 'file d/f "x"');
  const layers = image.layers.map(placeOf);
  const found = runTask({ kind: 'find-implied', layers });
  assert.deepEqual(found, { kind: 'done', facts: [image.layers[1]!.digest], warnings: [] });
  const path = Buffer.from(join(image.layers[1]!.path, 'd'));
  native().xattrRemove(path, Buffer.from('user.containers.override_stat'));
  const implied = [image.layers[1]!.digest];
  const bare = layers.map((layer) => ({ ...layer, stat: 'sidecar' as const }));
  assert.equal(runTask({ kind: 'complete', layers: bare, implied, sync: createSyncGroup() }).kind, 'done');
  assert.equal(overrideOf(path.toString()), null);
  const failed = runTask({ kind: 'find-implied', layers: [{ ...layers[0]!, sidecar: '/nowhere' }] });
  assert.ok(failed.kind === 'failed');
  assert.equal(failed.error.code, 'STORE_FAILED');
});

test('extraction P3 nothing outside a layer is completed when a directory on the way has become a symlink', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'file a/d/f "x"');
  const layer = placeOf(image.layers[0]!);
  const outside = join(lab.home, 'outside');
  mkdirSync(join(outside, 'd'), { recursive: true });
  renameSync(join(layer.directory, 'a'), join(lab.home, 'moved'));
  symlinkSync(outside, join(layer.directory, 'a'));
  const outcome = runTask({ kind: 'complete', layers: [layer], implied: [layer.digest], sync: null });
  assert.equal(outcome.kind, 'failed');
  assert.equal(overrideOf(join(outside, 'd')), null, 'HOST PATH WAS CHANGED');
});

test('extraction P3 a directory of the longest name, which no whiteout can name, is completed', async (t) => {
  const lab = await openLab(t);
  const name = 'd'.repeat(255);
  const image = await pull(lab, `dir ${name} 0711 7:7 fmt=gnu`, `file ${name}/f "x" fmt=gnu`);
  assert.deepEqual(statOf(image, name), ['7:7:040711', '711', 0n]);
});

test('extraction P3 one sync follows when something was completed, and none when nothing was or none is wanted', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir d 0711 7:7', 'file d/f "x"\nfile e/f "y"');
  const layers = image.layers.map(placeOf);
  const addon = createRequire(import.meta.url)('xattr-native') as { syncfs: (fd: number) => void };
  const synced = t.mock.method(addon, 'syncfs', () => undefined);
  const complete = (sync: SharedArrayBuffer | null): number => {
    synced.mock.resetCalls();
    const outcome = runTask({ kind: 'complete', layers, implied: [image.layers[1]!.digest], sync });
    assert.equal(outcome.kind, 'done');
    return synced.mock.callCount();
  };
  const forget = (): void => {
    native().xattrRemove(Buffer.from(join(image.layers[1]!.path, 'd')), Buffer.from('user.containers.override_stat'));
  };
  assert.equal(complete(createSyncGroup()), 0);
  forget();
  assert.equal(complete(createSyncGroup()), 1);
  forget();
  assert.equal(complete(null), 0);
});

test('extraction P3 a layer that another holds is not completed before it is free', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir d 0711 7:7', 'file d/f "x"');
  const { digest } = image.layers[1]!;
  const other = await openTestStore(t, { home: lab.home });
  const held = await other.lockLayers([digest], await other.location(), new AbortController().signal);
  const addon = createRequire(import.meta.url)('xattr-native') as typeof import('xattr-native');
  const { flock } = addon;
  const refused = new Promise<string>((resolve) => {
    t.mock.method(addon, 'flock', (...args: Parameters<typeof flock>) => {
      const isHeld = flock(...args);
      if (!isHeld && readlinkSync(`/proc/self/fd/${args[0]}`).endsWith(digest)) resolve('it waits');
      return isHeld;
    });
  });
  const pulled = pull(lab, 'dir d 0750 8:8', 'file d/f "x"');
  assert.equal(await Promise.race([pulled.then(() => 'it was completed'), refused]), 'it waits');
  await held[Symbol.asyncDispose]();
  assert.equal((await pulled).layers[1]!.digest, digest);
});

test('extraction P4 the first image’s value stays in a shared layer, and the second image must be composed', async (t) => {
  const lab = await openLab(t);
  const shared = 'file d/f "x"';
  const first = await pull(lab, 'dir d 0700 1:1', shared);
  assert.equal(first.composeRequired, false);
  const second = await pull(lab, 'dir d 0750 2:2', shared);
  assert.deepEqual(statOf(second, 'd'), ['1:1:040700', '700', 0n]);
  assert.equal(second.composeRequired, true);
  const [warning, ...more] = warnings(lab);
  assert.deepEqual(more, []);
  assert.deepEqual([warning?.rule, warning?.layer, warning?.count], ['P4', second.layers[1]!.digest, 1]);
  assert.match(warning!.message, /^implied\.conflict: /);
  assert.equal(warning!.first[0]!.entry, 'd');
  assert.match(warning!.first[0]!.detail!, /has 1:1:040700 .*says 2:2:040750 /);
  lab.events.length = 0;
  assert.equal((await lab.sluice.pull(second.reference)).composeRequired, true, 'the link row says so');
  assert.equal((await lab.sluice.pull(first.reference)).composeRequired, false);
  assert.deepEqual(warnings(lab), []);
});

test('extraction P4 a chain says its own value of a directory, whatever stands in the shared layer between', async (t) => {
  const lab = await openLab(t);
  const shared = 'file d/f "x"';
  await pull(lab, 'dir d 0700 1:1', shared);
  const second = await pull(lab, 'dir d 0750 2:2', shared, 'file d/g "x"');
  assert.deepEqual(statOf(second, 'd'), ['2:2:040750', '750', 0n]);
});

test('extraction P5 an implied directory over a symlink makes the image one that must be composed', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir run\ndir var\nsym var/run -> /run', 'file var/run/x "x"');
  assert.equal(image.composeRequired, true);
  const [warning, ...more] = warnings(lab);
  assert.deepEqual(more, []);
  assert.deepEqual([warning?.rule, warning?.first[0]?.entry], ['P5', 'var/run']);
  assert.deepEqual(statOf(image, 'var/run'), DEFAULT);
  assert.equal((await lab.sluice.pull(image.reference)).composeRequired, true);
});

test('extraction P6 an explicit directory over a symlink can be stacked', async (t) => {
  const lab = await openLab(t);
  const image = await pull(lab, 'dir var\nsym var/run -> /run', 'dir var\ndir var/run 0700 1:1\nfile var/run/x "x"');
  assert.equal(image.composeRequired, false);
  assert.deepEqual(warnings(lab), []);
});
