import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { type Digest, digestOf } from '../../../src/oci/digest.js';
import { parseDefaultRegistry, formatReference, parseReference } from '../../../src/oci/reference.js';
import { isOurIndex } from '../../../src/store/index/open.js';
import { chooseHome } from '../../../src/store/layout.js';
import { takeHold } from '../../../src/store/lock.js';
import { type LayersLocation, openStore, type Store, type WantedLayer } from '../../../src/store/store.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import {
  fillStaging,
  NEVER,
  openTestStore,
  PLATFORM,
  plantLayer,
  resolvedImage,
  sidecarOf,
  sql,
  storeImage,
  storeLayer,
  wantedLayer,
} from '../../store/fixtures.js';
import { makeSeedHome } from '../../store/seed-home.js';

const KEY = 'docker.io/library/app:1';
const [A, B, C] = [wantedLayer('a'), wantedLayer('b'), wantedLayer('c')];

const find = (store: Store, location: LayersLocation, key: string = KEY): ReturnType<Store['find']> =>
  store.find(key, PLATFORM, { location, stat: 'containers', touch: false });

const reasonOf = async (store: Store, location?: LayersLocation): Promise<string> => {
  const lookup = await find(store, location ?? (await store.location()));
  return lookup.kind === 'hit' ? 'hit' : lookup.reason;
};

const directoryOf = (layers: string, { digest }: WantedLayer): string => join(layers, `${digest}.extracted`);
const sidecarPathOf = (layers: string, { digest }: WantedLayer): string => join(layers, `${digest}.mtree`);

test('compat F1 the home is the option, else either variable, else the default', async (t) => {
  const userHome = temporaryDirectory(t);
  const choose = (home: string | undefined, environment: Record<string, string>): Promise<string> =>
    chooseHome({ home, environment, userHome }, isOurIndex);
  const both = { SLUICE_HOME: '/sluice', MICROSANDBOX_HOME: '/seed' };
  assert.equal(await choose('/option', both), '/option');
  assert.equal(await choose(undefined, both), '/sluice');
  assert.equal(await choose(undefined, { ...both, SLUICE_HOME: '' }), '/seed');
  assert.equal(await choose(undefined, { SLUICE_HOME: '', MICROSANDBOX_HOME: '' }), join(userHome, '.sluice'));
});

test('compat F1 the home of the seed is taken when its index is one that we can use', async (t) => {
  const userHome = temporaryDirectory(t);
  const seeds = join(userHome, '.microsandbox');
  const choose = (): Promise<string> => chooseHome({ environment: {}, userHome }, isOurIndex);
  mkdirSync(seeds);
  assert.equal(await choose(), join(userHome, '.sluice'), 'no oci.db');

  await (await openStore({ home: seeds }))[Symbol.asyncDispose]();
  assert.equal(await choose(), seeds);

  await sql(seeds, 'DROP TABLE indexes');
  assert.equal(await choose(), join(userHome, '.sluice'), 'taken over by a newer microsandbox');

  writeFileSync(join(seeds, 'oci.db'), 'x'.repeat(4096));
  assert.equal(await choose(), seeds, 'damaged: opening says so');
});

test('compat F1 an absent home is made with mode 0700, an existing mode stays', async (t) => {
  const parent = temporaryDirectory(t);
  const [made, found] = [join(parent, 'deep', 'made'), join(parent, 'found')];
  mkdirSync(found);
  chmodSync(found, 0o755);
  await openTestStore(t, { home: made });
  await openTestStore(t, { home: found });
  assert.equal(statSync(made).mode & 0o777, 0o700);
  assert.equal(statSync(found).mode & 0o777, 0o755);
});

test('compat F2 a layer lies in layers/<digest>.extracted, for every digest algorithm', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) {
    const layer = {
      ...A,
      digest: digestOf(Buffer.from('a'), algorithm),
      diffId: digestOf(Buffer.from('b'), algorithm),
    };
    const stored = await storeLayer(store, layer, location);
    assert.equal(stored.path, `${store.home}/layers/${layer.digest}.extracted`);
    assert.equal(readFileSync(join(stored.path, 'file'), 'utf8'), `content of ${layer.digest}`);
  }
});

test('compat F3 F4 the index is oci.db, and what is ours lies beside it', async (t) => {
  const store = await openTestStore(t);
  await storeImage(store, KEY, { layers: [A] });
  const names = readdirSync(store.home).filter((name) => !/-(wal|shm)$/.test(name));
  assert.deepEqual(names.toSorted(), ['layers', 'locks', 'oci.db', 'staging', 'trash']);
  assert.deepEqual(readdirSync(join(store.home, 'layers')).toSorted(), [`${A.digest}.extracted`, `${A.digest}.mtree`]);
});

test('compat F5 -L PATH holds layers, staging, trash and locks; the home holds the index', async (t) => {
  const store = await openTestStore(t);
  const path = join(temporaryDirectory(t), 'deep', 'path');
  const location = await store.location(path);
  const sluice = join(path, '.sluice');
  const { layers, staging, trash, locks, isHome } = location;
  assert.deepEqual(
    { layers, staging, trash, locks, isHome },
    {
      layers: path,
      staging: join(sluice, 'staging'),
      trash: join(sluice, 'trash'),
      locks: join(sluice, 'locks'),
      isHome: false,
    },
  );

  const image = await storeImage(store, KEY, { layers: [A, B], location });
  assert.deepEqual(
    image.layers.map((layer) => layer.path),
    [directoryOf(path, A), directoryOf(path, B)],
  );
  assert.deepEqual(readdirSync(join(store.home, 'layers')), []);
  assert.deepEqual(readdirSync(join(store.home, 'locks')), ['index']);
  assert.deepEqual(readdirSync(locks).toSorted(), [A.digest, B.digest].toSorted());
});

test('compat F5 a layer in PATH says nothing of the home, nor the other way round', async (t) => {
  const store = await openTestStore(t);
  const [home, path] = [await store.location(), await store.location(temporaryDirectory(t))];
  await storeImage(store, KEY, { layers: [A], location: path });
  assert.deepEqual(await sql(store.home, 'SELECT extracted_at FROM layers'), [{ extracted_at: null }]);
  assert.equal(await reasonOf(store, path), 'hit');
  assert.equal(await reasonOf(store, home), 'layer-absent');
  assert.equal(await store.findLayer(A, home, 'containers'), null);

  await storeImage(store, KEY, { layers: [A], location: home });
  await storeLayer(store, A, path, { stat: 'libkrun' });
  assert.equal(await reasonOf(store, path), 'format');
  rmSync(sidecarPathOf(path.layers, A));
  assert.equal(await reasonOf(store, home), 'hit');
  assert.equal(await reasonOf(store, path), 'layer-incomplete');
});

test('compat F5 -L <home>/layers is the home itself: two names share their locks', async (t) => {
  const store = await openTestStore(t);
  const link = join(temporaryDirectory(t), 'link');
  symlinkSync(join(store.home, 'layers'), link);
  for (const path of [join(store.home, 'layers'), `${store.home}/./layers/`, link])
    assert.equal(await store.location(path), await store.location());
});

test('compat F6 a directory without a sidecar is nothing, and goes to trash/foreign whole', async (t) => {
  const { home, layers } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  const location = await store.location();
  const layer = layers[0]!;
  assert.equal(await store.findLayer(layer, location, 'containers'), null);

  await storeLayer(store, layer, location);
  assert.equal(existsSync(join(directoryOf(location.layers, layer), 'done')), false);
  const [foreign, ...more] = readdirSync(join(location.trash, 'foreign'));
  assert.match(foreign!, new RegExp(String.raw`^${layer.digest}\.\d{8}T\d{6}\.\d{3}Z$`));
  assert.deepEqual(more, []);
  assert.equal(readFileSync(join(location.trash, 'foreign', foreign!, 'done'), 'utf8'), 'by the seed');
  assert.deepEqual(await store.takeTrash(), [], 'nobody is asked to remove it');
});

test('compat F6 foreign directories stay through openings', async (t) => {
  const { home, layers } = await makeSeedHome(t);
  const store = await openTestStore(t, { home });
  await storeLayer(store, layers[0]!, await store.location());
  const again = await openTestStore(t, { home });
  assert.deepEqual(await again.takeTrash(), []);
  assert.equal(readdirSync(join(home, 'trash', 'foreign')).length, 1);
});

test('compat F6 an old layer of ours is replaced, and its directory is to be removed', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const { path } = await storeLayer(store, A, location);
  writeFileSync(join(path, 'mark'), 'of the first');
  await storeLayer(store, A, location);
  assert.equal(existsSync(join(path, 'mark')), false);
  const [trash, ...more] = await store.takeTrash();
  assert.deepEqual(more, []);
  assert.equal(readFileSync(join(trash!, 'mark'), 'utf8'), 'of the first');
  assert.deepEqual(readdirSync(join(location.trash, 'foreign')), []);
});

const STEPS = [
  'note',
  'unrecord',
  'remove old sidecar',
  'move old directory',
  'place tree',
  'place sidecar',
  'sync',
  'record',
  'close staging',
] as const;

for (const before of ['nothing', 'a foreign directory', 'our own layer'] as const)
  for (const step of STEPS)
    test(`compat F6 over ${before}, a commit that ends before "${step}" leaves a whole layer or none`, async (t) => {
      let isArmed = false;
      const store = await openTestStore(t, {
        onStep: (at) => {
          if (isArmed && at === step) throw new Error('killed');
        },
      });
      const location = await store.location();
      const directory = directoryOf(location.layers, A);
      if (before === 'a foreign directory') mkdirSync(join(directory, 'foreign'), { recursive: true });
      if (before === 'our own layer') await storeLayer(store, A, location, { stat: 'libkrun' });

      isArmed = true;
      const isReached = before !== 'nothing' || step === 'note' || STEPS.indexOf(step) >= STEPS.indexOf('place tree');
      const committing = storeLayer(store, A, location);
      if (isReached) await assert.rejects(committing, { code: 'STORE_FAILED' });
      else await committing;
      isArmed = false;

      const isDone = !isReached || STEPS.indexOf(step) > STEPS.indexOf('place sidecar');
      const isOld = before === 'our own layer' && STEPS.indexOf(step) <= STEPS.indexOf('remove old sidecar');
      const again = await openTestStore(t, { home: store.home });
      const states = [await again.findLayer(A, location, 'containers'), await again.findLayer(A, location, 'libkrun')];
      assert.deepEqual(
        states.map((state) => state !== null),
        [isDone, isOld && !isDone],
      );
      if (isDone) assert.equal(readFileSync(join(directory, 'file'), 'utf8'), `content of ${A.digest}`);

      await storeLayer(again, A, location);
      assert.ok(await again.findLayer(A, location, 'containers'));
    });

test('compat F6 the row of a replaced layer does not vouch for the one in its place', async (t) => {
  let isArmed = false;
  const store = await openTestStore(t, {
    onStep: (step) => {
      if (isArmed && step === 'record') throw new Error('killed');
    },
  });
  const location = await store.location();
  await storeImage(store, KEY, { layers: [A] });
  isArmed = true;
  await assert.rejects(storeLayer(store, A, location, { stat: 'libkrun' }));
  assert.equal(await reasonOf(store), 'format');
  assert.equal((await store.findLayer(A, location, 'libkrun'))?.stat, 'libkrun');
});

test('compat F6 whoever records a layer after another process replaced it does not vouch for that one', async (t) => {
  let isArmed = false;
  const store = await openTestStore(t, {
    onStatement: (statement) => {
      if (!isArmed || !statement.startsWith('UPDATE layers')) return;
      isArmed = false;
      writeFileSync(sidecarPathOf(location.layers, A), sidecarOf(A, { stat: 'libkrun' }));
    },
  });
  const location = await store.location();
  const stored = await storeLayer(store, A, location);
  await storeLayer(await openTestStore(t, { home: store.home }), A, location, { stat: 'libkrun' });
  await store.commitImage(KEY, resolvedImage({ layers: [A] }), [stored]);
  assert.equal(await reasonOf(store), 'format', 'recorded with its image');

  await storeLayer(store, A, location);
  await sql(store.home, 'UPDATE layers SET extracted_at = NULL');
  isArmed = true;
  await find(store, location);
  assert.equal(isArmed, false);
  assert.equal(await reasonOf(store), 'format', 'adopted');
});

test('compat F6 what was staged must be the layer that is asked for', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const facts = { unpackedBytes: 2048, entries: 1, composeRequired: false };
  for (const content of [sidecarOf(B), sidecarOf(A, { entries: 2 }), sidecarOf(A, { diffId: B.diffId }), '#mtree\n']) {
    const staging = await store.openStaging(A.digest, location);
    fillStaging(staging, A);
    writeFileSync(join(staging.path, 'mtree'), content);
    await assert.rejects(store.commitLayer(A, staging, facts, location), { code: 'SIDECAR_CORRUPT' });
    await store.discardStaging(staging);
  }
  assert.deepEqual(readdirSync(location.layers), []);
});

test('compat F7 OCI_REGISTRY_DOMAIN names the registry of names without one', () => {
  assert.equal(
    formatReference(parseReference('a/b', { defaultRegistry: parseDefaultRegistry('ghcr.io') })),
    'ghcr.io/a/b:latest',
  );
  for (const unset of [undefined, '']) assert.equal(parseDefaultRegistry(unset), 'docker.io');
  for (const word of ['ghcr', 'ghcr.io/x', 'not a host'])
    assert.throws(() => parseDefaultRegistry(word), { code: 'CONFIG_INVALID' }, word);
});

test("compat F8 the seed's other files are left as they are", async (t) => {
  const { home, hubReference, layers } = await makeSeedHome(t);
  for (const folder of ['installs', 'namespaces', '.menv']) {
    mkdirSync(join(home, folder));
    writeFileSync(join(home, folder, 'file'), folder);
  }
  for (const name of ['sandbox.db', 'server.key', 'server.pid']) writeFileSync(join(home, name), name, { mode: 0o600 });
  const others = ['installs', 'namespaces', '.menv', 'sandbox.db', 'server.key', 'server.pid'];
  const look = (): unknown =>
    others
      .map((name) => lstatSync(join(home, name), { bigint: true }))
      .map(({ ino, mode, size, mtimeNs, ctimeNs }) => ({ ino, mode, size, mtimeNs, ctimeNs }));
  const before = look();
  const store = await openTestStore(t, { home });
  await storeImage(store, hubReference, { layers });
  await store[Symbol.asyncDispose]();
  assert.deepEqual(look(), before);
});

test('compat F11 a miss carries its reason and the lowest layer that is the reason', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  assert.deepEqual(await find(store, location), { kind: 'miss', reason: 'absent' });

  const { resolvedDigest } = await storeImage(store, KEY, { layers: [A, B, C] });
  const miss = async (): Promise<unknown> => find(store, location);
  assert.equal(await reasonOf(store), 'hit');

  unlinkSync(sidecarPathOf(location.layers, C));
  const incomplete = { kind: 'miss', reason: 'layer-incomplete', layer: C.digest, resolvedDigest };
  assert.deepEqual(await miss(), incomplete);
  mkdirSync(sidecarPathOf(location.layers, C));
  assert.deepEqual(await miss(), incomplete, 'a sidecar is a file');
  rmSync(directoryOf(location.layers, B), { recursive: true });
  assert.deepEqual(await miss(), { kind: 'miss', reason: 'layer-absent', layer: B.digest, resolvedDigest });
  rmSync(directoryOf(location.layers, A), { recursive: true });
  symlinkSync('/', directoryOf(location.layers, A));
  assert.deepEqual(await miss(), { kind: 'miss', reason: 'layer-incomplete', layer: A.digest, resolvedDigest });
});

test('compat F11 a layer in another form than the wanted one is a miss', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await storeImage(store, KEY, { layers: [A] });
  const lookup = await store.find(KEY, PLATFORM, { location, stat: 'libkrun', touch: false });
  assert.equal(lookup.kind === 'miss' && lookup.reason, 'format');
  assert.equal(await store.findLayer(A, location, 'sidecar'), null);

  await sql(store.home, 'UPDATE layers SET format = 2');
  assert.equal(await reasonOf(store), 'format');
});

test('compat F11 another platform than the recorded one is a miss, the variant aside', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const { resolvedDigest } = await storeImage(store, KEY, { layers: [A], platform: 'linux/arm64' });
  const at = (platform: string): Promise<unknown> =>
    store.find(KEY, platform, { location, stat: 'containers', touch: false });
  assert.deepEqual(await at('linux/amd64'), { kind: 'miss', reason: 'platform', resolvedDigest });
  for (const platform of ['any', 'linux/arm64', 'linux/arm64/v8', 'linux/aarch64'])
    assert.equal(((await at(platform)) as { kind: string }).kind, 'hit', platform);
});

test('compat F12 an empty layer and an image without layers are hits', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await storeImage(store, KEY, { layers: [A] });
  unlinkSync(join(directoryOf(location.layers, A), 'file'));
  assert.equal(await reasonOf(store), 'hit');

  await storeImage(store, KEY, { layers: [] });
  const lookup = await find(store, location);
  assert.deepEqual(lookup.kind === 'hit' && lookup.image.layers, []);
});

test('compat F13 a complete layer whose row says nothing is adopted', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const before = await storeImage(store, KEY, { layers: [A] });
  const columns =
    'extracted_at IS NOT NULL AS is_extracted, unpacked_bytes, entries, format, stat, compose_required, diff_id';
  const rows = await sql(store.home, `SELECT ${columns} FROM layers`);
  const forget =
    'UPDATE layers SET extracted_at = NULL, unpacked_bytes = 9, entries = NULL, format = 7, stat = NULL, diff_id = ?';

  await sql(store.home, forget, B.diffId);
  assert.deepEqual(await find(store, location), { kind: 'hit', image: before });
  assert.deepEqual(await sql(store.home, `SELECT ${columns} FROM layers`), rows);

  await sql(store.home, forget, B.diffId);
  assert.deepEqual(await store.findLayer(A, location, 'containers'), before.layers[0]);
  assert.deepEqual(await sql(store.home, `SELECT ${columns} FROM layers`), rows);
});

test('compat F13 a complete layer without a row gets it with its image', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  plantLayer(location.layers, A, { unpackedBytes: 77, entries: 5, composeRequired: true });
  const stored = await store.findLayer(A, location, 'containers');
  const image = await storeImage(store, KEY, { layers: [A] });
  assert.deepEqual(image.layers, [stored]);
  assert.deepEqual(image.composeRequired, true);
  assert.equal(readFileSync(join(stored!.path, 'file'), 'utf8'), 'planted', 'not transferred again');
  assert.deepEqual(
    await sql(store.home, 'SELECT digest, unpacked_bytes, entries, compose_required, stat FROM layers'),
    [{ digest: A.digest, unpacked_bytes: 77, entries: 5, compose_required: 1, stat: 'containers' }],
  );
});

test('compat F13 a sidecar that cannot be read is an error, never a hit', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const good = sidecarOf(A);
  const bad = [
    '',
    '#mtree\n',
    good.replace('#mtree\n', ''),
    good.replace(/#sluice\.counts.*\n/, ''),
    good.replace('compose=0', 'compose=2'),
    good.replace('packed=', 'packed=0'),
    good.replace('entries=1', 'entries=99999999999999999999'),
    good.replace('stat=containers', 'stat=other'),
    good.replace('stat=containers', 'stat=containers more=1'),
    good.replace(A.digest, A.digest.toUpperCase()),
    sidecarOf(B),
  ];
  for (const content of bad) {
    plantLayer(location.layers, A);
    writeFileSync(sidecarPathOf(location.layers, A), content);
    const failing = store.findLayer(A, location, 'containers');
    await assert.rejects(failing, { code: 'SIDECAR_CORRUPT' }, JSON.stringify(content.slice(0, 60)));
  }
  writeFileSync(sidecarPathOf(location.layers, A), good.replace('v=1', 'v=2'));
  assert.equal(await store.findLayer(A, location, 'containers'), null, 'another version is no damage');
});

test('compat F14 trouble with files or index is an error, not a miss', async (t) => {
  let failure: Error | undefined;
  const store = await openTestStore(t, {
    onStatement: () => {
      if (failure) throw failure;
    },
  });
  const location = await store.location();
  await storeImage(store, KEY, { layers: [A] });
  for (const [errno, code] of [
    ['SQLITE_IOERR', 'STORE_FAILED'],
    ['SQLITE_CORRUPT', 'INDEX_CORRUPT'],
    ['SQLITE_BUSY', 'INDEX_BUSY'],
    ['SQLITE_FULL', 'DISK_FULL'],
  ] as const) {
    failure = Object.assign(new Error(errno), { code: errno });
    await assert.rejects(find(store, location), { code });
    await assert.rejects(store.findLayer(A, location, 'containers'), { code });
  }
  failure = undefined;

  rmSync(location.layers, { recursive: true });
  writeFileSync(location.layers, 'a file where a directory must be');
  await assert.rejects(find(store, location), (error: { code: string; detail: { errno: string } }) => {
    assert.deepEqual([error.code, error.detail.errno], ['STORE_FAILED', 'ENOTDIR']);
    return true;
  });
});

test('compat F15 F18 a hit tells what the reference led to, for the comparison with a tag or a digest', async (t) => {
  const store = await openTestStore(t);
  const image = await storeImage(store, KEY, { layers: [A] });
  const lookup = await find(store, await store.location());
  assert.ok(lookup.kind === 'hit');
  assert.equal(lookup.image.resolvedDigest, image.resolvedDigest);
  assert.notEqual(lookup.image.resolvedDigest, lookup.image.digest, 'an index was between');
});

test('compat F16 F17 a hit is answered from disk alone, the same as the pull was', async (t) => {
  const store = await openTestStore(t);
  const config = { config: { Env: ['A=1'], Cmd: ['sh'], Volumes: { '/data': {} } }, created: '2024-01-02T03:04:05Z' };
  const image = await storeImage(store, KEY, { layers: [A, B], config });
  const again = await openTestStore(t, { home: store.home });
  assert.deepEqual(await find(again, await again.location()), { kind: 'hit', image });
});

test('compat F19 complete layers are neither read nor rewritten', async (t) => {
  const store = await openTestStore(t);
  const { layers } = await store.location();
  await storeImage(store, KEY, { layers: [A] });
  const look = (): unknown =>
    [directoryOf(layers, A), sidecarPathOf(layers, A), join(directoryOf(layers, A), 'file')]
      .map((path) => lstatSync(path, { bigint: true }))
      .map(({ ino, mtimeNs, ctimeNs }) => ({ ino, mtimeNs, ctimeNs }));
  const before = look();
  const image = await storeImage(store, 'docker.io/library/other:1', { layers: [A, B] });
  assert.equal(image.layers.length, 2);
  assert.deepEqual(look(), before);
});

test('compat F19 a stored layer that the image describes otherwise is an error', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await storeLayer(store, A, location);
  const other = { ...A, diffId: B.diffId };
  await assert.rejects(store.findLayer(other, location, 'containers'), { code: 'DIFF_ID_MISMATCH' });
  await assert.rejects(store.findLayer({ ...A, packedBytes: 1 }, location, 'containers'), { code: 'SIZE_MISMATCH' });
});

test('compat F20 a lock excludes others, in this process and between stores, until it is released', async (t) => {
  const store = await openTestStore(t);
  const other = await openTestStore(t, { home: store.home });
  const location = await store.location();
  const order: string[] = [];
  const first = await store.lockLayer(A.digest, location, NEVER);
  const second = other.lockLayer(A.digest, location, NEVER).then((lock) => {
    order.push('second');
    return lock;
  });
  await (await store.lockLayer(B.digest, location, NEVER))[Symbol.asyncDispose]();
  order.push('first ends');
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  assert.deepEqual(order, ['first ends', 'second']);
  assert.deepEqual(readdirSync(location.locks).toSorted(), ['index', A.digest, B.digest].toSorted(), 'lock files stay');
});

test('compat F20 waiting for a lock ends with the signal', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await using held = await store.lockLayer(A.digest, location, NEVER);
  const abort = new AbortController();
  const waiting = store.lockLayer(held.digest, location, abort.signal);
  abort.abort();
  await assert.rejects(waiting, { code: 'ABORTED' });
  await assert.rejects(store.lockLayer(B.digest, location, abort.signal), { code: 'ABORTED' });
});

test('compat F20 a lock on an unlinked file is no lock', async (t) => {
  const path = join(temporaryDirectory(t), 'lock');
  const openLock = async (): Promise<FileHandle> => {
    const handle = await open(path, 'a');
    t.after(() => handle.close());
    return handle;
  };
  const [unlinked, gone] = [await openLock(), await openLock()];
  unlinkSync(path);
  assert.equal(await takeHold(unlinked, path), false, 'unlinked');
  const current = await openLock();
  assert.equal(await takeHold(gone, path), false, 'another file is there by now');
  assert.equal(await takeHold(current, path), true);
  assert.equal(await takeHold(await openLock(), path), false, 'held');
});

test('compat F20 a symlink in the place of a lock file is not followed', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const target = join(temporaryDirectory(t), 'target');
  symlinkSync(target, join(location.locks, A.digest));
  await assert.rejects(store.lockLayer(A.digest, location, NEVER), { code: 'STORE_FAILED' });
  assert.equal(existsSync(target), false, 'A FILE WAS MADE OUTSIDE');
});

test('compat F20 several locks are taken in digest order, each once, and all released when one fails', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const sorted = [A, B, C].map((layer) => layer.digest).toSorted();
  const [lowest, middle, highest] = sorted as [Digest, Digest, Digest];
  const held = await store.lockLayer(middle, location, NEVER);
  const abort = new AbortController();
  const waiting = store.lockLayers([highest, middle, lowest, middle], location, abort.signal);
  await assert.rejects(store.lockLayer(middle, location, AbortSignal.timeout(60)), { code: 'ABORTED' });
  assert.equal(existsSync(join(location.locks, highest)), false, 'the highest waits for the middle one');
  assert.equal(existsSync(join(location.locks, lowest)), true);
  abort.abort();
  await assert.rejects(waiting, { code: 'ABORTED' });

  await held[Symbol.asyncDispose]();
  const all = await store.lockLayers(sorted.toReversed(), location, NEVER);
  await all[Symbol.asyncDispose]();
  for (const digest of sorted) await (await store.lockLayer(digest, location, NEVER))[Symbol.asyncDispose]();
});

test('compat F21 opening a store sweeps staging of the dead, not of the living', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const living = await store.openStaging(A.digest, location);
  const dead = mkdtempSync(join(location.staging, `${B.digest}.`));
  writeFileSync(join(dead, 'mtree'), 'half');
  for (const [name, time] of [
    ['young', new Date()],
    ['old', new Date('2024-01-01')],
  ] as const) {
    writeFileSync(join(location.staging, name), 'a file');
    utimesSync(join(location.staging, name), time, time);
  }

  const again = await openTestStore(t, { home: store.home });
  assert.deepEqual(readdirSync(location.staging).toSorted(), [basename(living.path), 'young']);
  const trash = await again.takeTrash();
  assert.equal(trash.length, 2);
  assert.ok(trash.every((path) => path.startsWith(location.trash) && existsSync(path)));
  assert.deepEqual(await again.takeTrash(), [], 'each is answered once');

  fillStaging(living, A);
  await store.commitLayer(A, living, { unpackedBytes: 2048, entries: 1, composeRequired: false }, location);
  assert.deepEqual(readdirSync(location.staging), ['young']);
});

test('compat F21 a staging directory has mode 0700, an empty tree and a name of its own', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  const [one, other] = [await store.openStaging(A.digest, location), await store.openStaging(A.digest, location)];
  assert.notEqual(one.path, other.path);
  for (const staging of [one, other]) {
    assert.ok(staging.path.startsWith(join(location.staging, `${A.digest}.`)));
    assert.equal(statSync(staging.path).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(staging.path), ['tree']);
    assert.deepEqual(readdirSync(join(staging.path, 'tree')), []);
    await store.discardStaging(staging);
  }
  assert.deepEqual(readdirSync(location.staging), []);
  assert.equal((await store.takeTrash()).length, 2);
});

test('compat F21 a discarded directory that nobody removed is found by the next opening', async (t) => {
  const store = await openTestStore(t);
  const location = await store.location();
  await store.discardStaging(await store.openStaging(A.digest, location));
  const [lost] = await store.takeTrash();
  const again = await openTestStore(t, { home: store.home });
  assert.deepEqual(await again.takeTrash(), [lost]);
});
