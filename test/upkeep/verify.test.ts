import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PulledImage, Verified } from '../../src/index.js';
import { native } from '../../src/native.js';
import { Database } from '../../src/store/index/database.js';
import { buildImage, parseLayer, writeOciLayout, type TestImage } from '../../src/testing/index.js';
import { holdIndex, takeIndex } from '../../src/store/index-lock.js';
import { filesIn, openLab, openSluice, type Lab } from '../helpers/sluice.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { sql } from '../store/fixtures.js';

const BASE = `
  dir  etc 0750 1:2  mtime=5.25
  file etc/passwd 0640 1:2 "root:x:0:0" mtime=7.5 xattr:user.a="1"
  file empty ""
  sym  link 0777 3:4 -> /etc mtime=9
  char null 0666 0:0 1,3
  link hard 0640 1:2 -> etc/passwd mtime=7.5
  file cap "x" xattr:security.capability=hex:0100000200200000000000000000000000000000
  file "new\\nline" "n"`;
const TOP = 'file usr/bin/tool 0755 "tool"\nwh etc/gone\nopq opt';

const imageOf = (...layers: readonly string[]): TestImage =>
  buildImage({ layers: layers.map((text) => ({ tar: parseLayer(text) })) });

interface Opened {
  readonly lab: Lab;
  readonly reference: string;
  readonly image: PulledImage;
  /** Path of an entry of the lower layer. */
  readonly at: (path: string) => string;
}

async function openOne(t: Cleanup): Promise<Opened> {
  const lab = await openLab(t);
  const reference = lab.registry.push('app', '1', imageOf(BASE.replaceAll('"new\\nline"', 'newline'), TOP));
  const image = await lab.pull(reference);
  return { lab, reference, image, at: (path) => join(image.layers[0]!.path, path) };
}

/** What verifying says of entries: `kind entry`. */
const entriesOf = ({ problems }: Verified): readonly string[] =>
  problems.flatMap(({ found }) => found?.first ?? []).map(({ kind, entry }) => `${kind} ${entry}`);

/** Changes one byte and puts the times back. */
function flip(path: string): void {
  const { atime, mtimeMs } = lstatSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, 'X', 2);
  closeSync(file);
  utimesSync(path, atime, mtimeMs / 1000);
}

test('a store that nobody touched is sound, and every byte of it was read', async (t) => {
  const { lab } = await openOne(t);
  const verified = await lab.sluice.verify();
  assert.deepEqual(verified.problems, []);
  assert.deepEqual([verified.images, verified.layers], [1, 2]);
  assert.equal(verified.bytes, 'root:x:0:0'.length + 'x'.length + 'n'.length + 'tool'.length);
  assert.deepEqual((await lab.sluice.verify({ quick: true })).problems, []);
});

interface Damage {
  readonly what: string;
  readonly damage: (at: Opened['at']) => void;
  readonly found: readonly string[];
  /** What `--quick` finds, when it is less. */
  readonly quick?: readonly string[];
}

const OVERRIDE = Buffer.from('user.containers.override_stat');
const ns = (path: string, seconds: number, nanoseconds: number): void =>
  native().setTimes(Buffer.from(path), seconds, nanoseconds);

const DAMAGES: readonly Damage[] = [
  {
    what: 'a byte flipped with its mtime kept',
    damage: (at) => flip(at('etc/passwd')),
    found: ['content etc/passwd'],
    quick: [],
  },
  { what: 'a time', damage: (at) => ns(at('empty'), 1, 0), found: ['time empty'] },
  {
    what: 'a file that was cut, its time put back',
    damage: (at) => {
      truncateSync(at('cap'), 0);
      ns(at('cap'), 0, 0);
    },
    found: ['size cap', 'content cap'],
    quick: ['size cap'],
  },
  { what: 'a mode', damage: (at) => chmodSync(at('empty'), 0o604), found: ['mode empty'] },
  {
    what: 'an owner',
    damage: (at) => native().xattrSet(Buffer.from(at('empty')), OVERRIDE, Buffer.from('0:1:0100644')),
    found: ['attribute empty'],
    quick: [],
  },
  {
    what: 'owners that are gone, of a device and of the root',
    damage: (at) => {
      for (const path of ['null', '.']) native().xattrRemove(Buffer.from(at(path)), OVERRIDE);
    },
    found: ['attribute .', 'attribute null'],
    quick: [],
  },
  {
    what: 'an attribute that is gone, and one too many',
    damage: (at) => {
      native().xattrRemove(Buffer.from(at('etc/passwd')), Buffer.from('user.a'));
      native().xattrSet(Buffer.from(at('etc')), Buffer.from('user.b'), Buffer.from('2'));
    },
    found: ['attribute etc', 'attribute etc/passwd', 'attribute hard'],
    quick: [],
  },
  {
    what: 'a name that is gone',
    damage: (at) => {
      unlinkSync(at('empty'));
      ns(at('.'), 0, 0);
    },
    found: ['missing empty'],
  },
  {
    what: 'a name too many',
    damage: (at) => {
      writeFileSync(at('etc/extra'), '');
      ns(at('etc'), 5, 250_000_000);
    },
    found: ['extra etc/extra'],
  },
  {
    what: 'a name that changed',
    damage: (at) => {
      renameSync(at('empty'), at('Empty'));
      ns(at('.'), 0, 0);
    },
    found: ['missing empty', 'extra Empty'],
  },
  {
    what: 'a directory that is gone, with what is in it',
    damage: (at) => {
      rmSync(at('etc'), { recursive: true });
      ns(at('.'), 0, 0);
    },
    found: ['missing etc', 'missing etc/passwd', 'links hard', 'missing hard'],
  },
  {
    what: 'a hard link that became a copy',
    damage: (at) => {
      const bytes = readFileSync(at('hard'));
      unlinkSync(at('hard'));
      writeFileSync(at('hard'), bytes, { mode: 0o640 });
      native().xattrSet(Buffer.from(at('hard')), OVERRIDE, Buffer.from('1:2:0100640'));
      native().xattrSet(Buffer.from(at('hard')), Buffer.from('user.a'), Buffer.from('1'));
      chmodSync(at('hard'), 0o640);
      ns(at('hard'), 7, 500_000_000);
      ns(at('.'), 0, 0);
    },
    found: ['links etc/passwd', 'links hard', 'links hard'],
  },
  {
    what: 'a symlink that leads elsewhere',
    damage: (at) => {
      unlinkSync(at('link'));
      symlinkSync('/usr', at('link'));
      ns(at('link'), 9, 0);
      ns(at('.'), 0, 0);
    },
    found: ['target link'],
  },
  {
    what: 'a file that became a directory',
    damage: (at) => {
      unlinkSync(at('empty'));
      mkdirSync(at('empty'));
      ns(at('.'), 0, 0);
    },
    found: ['type empty'],
  },
];

for (const { what, damage, found, quick } of DAMAGES)
  test(`verify finds ${what}, and repairs it`, async (t) => {
    const { lab, reference, at, image } = await openOne(t);
    damage(at);
    const verified = await lab.sluice.verify();
    assert.deepEqual(entriesOf(verified), found);
    const [problem, ...more] = verified.problems;
    assert.deepEqual(more, []);
    assert.deepEqual(
      [problem!.kind, problem!.name, problem!.images, problem!.isRepaired],
      ['layer', image.layers[0]!.digest, [reference], false],
    );
    assert.deepEqual(entriesOf(await lab.sluice.verify({ quick: true })), quick ?? found);
    lab.registry.clearRequests();
    const repaired = await lab.sluice.verify({ repair: true, plainHttp: true });
    assert.deepEqual(
      repaired.problems.map(({ isRepaired }) => isRepaired),
      [true],
    );
    assert.deepEqual((await lab.sluice.verify()).problems, []);
    assert.equal(lab.registry.requestsOf('manifest').length, 0, 'the stored manifest serves');
    assert.equal(lab.registry.requestsOf('blob').length, 1, 'the sound layer is not transferred');
    assert.deepEqual(await lab.pull(reference, { policy: 'never' }), image);
  });

test('a layer whose sidecar is damaged or gone, or that is gone itself, is found and repaired', async (t) => {
  for (const damage of [
    (sidecar: string) => writeFileSync(sidecar, readFileSync(sidecar, 'latin1').replace('#mtree', '#mtrex'), 'latin1'),
    (sidecar: string) => truncateSync(sidecar, lstatSync(sidecar).size - 3),
    (sidecar: string) => unlinkSync(sidecar),
    (sidecar: string) => rmSync(sidecar.replace(/mtree$/, 'extracted'), { recursive: true }),
    (sidecar: string) => {
      rmSync(sidecar.replace(/mtree$/, 'extracted'), { recursive: true });
      unlinkSync(sidecar);
    },
  ]) {
    const { lab, image } = await openOne(t);
    damage(image.layers[1]!.path.replace(/extracted$/, 'mtree'));
    const [problem, ...more] = (await lab.sluice.verify()).problems;
    assert.deepEqual([problem?.kind, problem?.name, more], ['layer', image.layers[1]!.digest, []]);
    const repaired = await lab.sluice.verify({ repair: true, plainHttp: true });
    assert.deepEqual(
      repaired.problems.map(({ isRepaired }) => isRepaired),
      [true],
    );
    assert.deepEqual((await lab.sluice.verify()).problems, []);
  }
});

test('what cannot be brought again stays a problem with its error, and nobody uses it meanwhile', async (t) => {
  const { lab, reference, at } = await openOne(t);
  flip(at('etc/passwd'));
  const heal = lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'reply', status: 404 } });
  const [problem] = (await lab.sluice.verify({ repair: true, plainHttp: true })).problems;
  assert.deepEqual([problem!.isRepaired, problem!.error?.code], [false, 'BLOB_UNKNOWN']);
  await assert.rejects(lab.pull(reference, { policy: 'never' }), { code: 'IMAGE_NOT_FOUND' });
  heal();
  await lab.pull(reference);
  assert.deepEqual((await lab.sluice.verify()).problems, []);
});

test('a damaged layer that no image uses is taken away', async (t) => {
  const { lab, reference, at, image } = await openOne(t);
  await sql(lab.home, `DELETE FROM images WHERE reference = '${reference}'`);
  flip(at('etc/passwd'));
  const [problem] = (await lab.sluice.verify({ repair: true })).problems;
  assert.deepEqual([problem!.isRepaired, problem!.images], [true, []]);
  assert.ok(!filesIn(lab.home, 'layers').some((name) => name.startsWith(image.layers[0]!.digest)));
  assert.deepEqual(await lab.sluice.verify(), { ...(await lab.sluice.verify()), problems: [], layers: 1 });
});

test('a layer from an OCI layout is imported again, also from another working directory', async (t) => {
  const { sluice } = await openLab(t);
  const layout = join(temporaryDirectory(t), 'layout');
  writeOciLayout(layout, { latest: imageOf(TOP) });
  const image = await sluice.import(`oci:${layout}`, { name: 'a.test/app:1', platform: 'any', statFormat: 'libkrun' });
  flip(join(image.layers[0]!.path, 'usr/bin/tool'));
  const [problem] = (await sluice.verify({ repair: true })).problems;
  assert.equal(problem!.isRepaired, true, problem!.error?.detail.message);
  const again = await sluice.pull('a.test/app:1', { platform: 'any', policy: 'never', statFormat: 'libkrun' });
  assert.deepEqual(again.layers, image.layers, 'in the form that it had');
});

test('a holder of a lease keeps the tree that a repair replaces', async (t) => {
  const { lab, reference, at } = await openOne(t);
  const lease = await lab.sluice.lease(reference);
  const held = openSync(at('etc/passwd'), 'r');
  t.after(() => closeSync(held));
  flip(at('etc/passwd'));
  const trashOf = (): readonly string[] => readdirSync(join(lab.home, 'trash')).filter((name) => name !== 'foreign');
  assert.equal((await lab.sluice.verify({ repair: true, plainHttp: true })).problems[0]!.isRepaired, true);
  const other = await openSluice(t, { home: lab.home });
  await other.prune();
  await other.close();
  assert.equal(trashOf().length, 1, 'A TREE IN USE WAS REMOVED');
  assert.equal(readFileSync(join(lab.home, 'trash', trashOf()[0]!, 'etc/passwd'), 'utf8').length, 10);
  await lease.release();
  await lab.sluice.close();
  assert.deepEqual(trashOf(), []);
});

test('a damaged document is found, and its image pulled anew', async (t) => {
  const { lab, reference, image } = await openOne(t);
  for (const [table, message] of [
    ['manifests', 'its stored manifest has another digest'],
    ['configs', 'its stored config has another digest'],
  ] as const) {
    await sql(lab.home, `UPDATE ${table} SET body = CAST(replace(CAST(body AS TEXT), ':', ': ') AS BLOB)`);
    const [problem, ...more] = (await lab.sluice.verify()).problems;
    assert.deepEqual([problem!.kind, problem!.name, problem!.message, more], ['image', reference, message, []]);
    const repaired = await lab.sluice.verify({ repair: true, plainHttp: true });
    assert.deepEqual(
      repaired.problems.map(({ isRepaired }) => isRepaired),
      [true],
    );
    assert.deepEqual((await lab.sluice.verify()).problems, []);
  }
  assert.equal((await lab.sluice.layers(reference))[0]!.digest, image.layers[0]!.digest);
});

test('compat I16 a corrupt index is set aside with a notice, and its images come back without a blob', async (t) => {
  const { lab, reference, image } = await openOne(t);
  await lab.sluice.close();
  await damageIndex(lab.home);
  const sluice = await openSluice(t, { home: lab.home, repairIndex: true });
  assert.match(sluice.notices.join(), /the store index is damaged .* set aside as ".*oci\.db\.corrupt-/);
  lab.registry.clearRequests();
  const verified = await sluice.verify({ repair: true, plainHttp: true });
  assert.deepEqual(
    verified.problems.map(({ kind, name, isRepaired }) => [kind, name, isRepaired]),
    [['image', reference, true]],
  );
  assert.equal(lab.registry.requestsOf('blob').length, 0);
  assert.deepEqual(
    (await sluice.layers(reference)).map(({ digest }) => digest),
    image.layers.map(({ digest }) => digest),
  );
  assert.equal(filesIn(lab.home).filter((name) => name.startsWith('oci.db.corrupt-')).length > 0, true);
});

test('compat I16 a file that is no database any more is set aside as well; a sound one stays', async (t) => {
  const { lab, reference } = await openOne(t);
  await lab.sluice.close();
  const sound = await openSluice(t, { home: lab.home, repairIndex: true });
  assert.deepEqual([sound.notices, (await sound.list()).length], [[], 1]);
  await sound.close();
  writeFileSync(join(lab.home, 'oci.db'), 'no database '.repeat(1000));
  await assert.rejects(openSluice(t, { home: lab.home }), { code: 'INDEX_CORRUPT' });
  const sluice = await openSluice(t, { home: lab.home, repairIndex: true });
  assert.deepEqual(await sluice.list(), []);
  assert.equal((await sluice.verify()).layers, 2, 'the layers are there');
  lab.registry.clearRequests();
  await sluice.pull(reference, { plainHttp: [lab.registry.host] });
  assert.equal(lab.registry.requestsOf('blob').length, 0, 'no layer is transferred');
});

/** Zeroes a page of an SQLite index alone: the rows can still be read. */
async function damageIndex(home: string): Promise<void> {
  await sql(home, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const [{ rootpage }] = (await sql<{ rootpage: number }>(
    home,
    "SELECT rootpage FROM sqlite_master WHERE name = 'idx_layers_diff_id'",
  )) as [{ rootpage: number }];
  const file = openSync(join(home, 'oci.db'), 'r+');
  writeSync(file, Buffer.alloc(4096, 0xff), 0, 4096, (rootpage - 1) * 4096);
  closeSync(file);
}

test('compat I16 pins stay when the index is lost or set aside', async (t) => {
  const { lab, reference } = await openOne(t);
  await lab.sluice.pin(reference);
  await lab.sluice.pin('later:1');
  await lab.sluice.unpin('later:1');
  await lab.sluice.close();
  const losses = [
    () => writeFileSync(join(lab.home, 'oci.db'), 'no database '.repeat(1000)),
    () => ['', '-wal', '-shm'].forEach((end) => rmSync(join(lab.home, `oci.db${end}`), { force: true })),
  ];
  for (const lose of losses) {
    lose();
    const sluice = await openSluice(t, { home: lab.home, repairIndex: true });
    await sluice.pull(reference, { plainHttp: [lab.registry.host] });
    assert.deepEqual(
      (await sluice.prune({ maxImages: 0 })).kept.map(({ name, reason }) => [name, reason]),
      [[reference, 'pinned']],
    );
    await sluice.close();
  }
  const sluice = await openSluice(t, { home: lab.home });
  await sluice.remove(reference);
  assert.equal(readFileSync(join(lab.home, 'pins'), 'utf8'), '');
});

test('compat I16 a home whose pins stand in its index alone gets their file when it is opened', async (t) => {
  const { lab, reference } = await openOne(t);
  await lab.sluice.close();
  const pins = join(lab.home, 'pins');
  await (await openSluice(t, { home: lab.home })).close();
  assert.equal(existsSync(pins), false, 'a home without pins needs none');
  await sql(lab.home, `INSERT INTO sluice_pins (reference) VALUES ('later:1'), ('${reference}')`);
  await (await openSluice(t, { home: lab.home })).close();
  assert.equal(readFileSync(pins, 'utf8'), `${reference}\nlater:1\n`);
  assert.deepEqual(filesIn(lab.home, 'staging'), []);
});

test('compat I16 a damaged index is not set aside while another process has it open', async (t) => {
  const { lab } = await openOne(t);
  assert.equal(await takeIndex(lab.home), null, 'an open store holds its index');
  await lab.sluice.close();
  await damageIndex(lab.home);
  {
    await using _another = await holdIndex(lab.home);
    await assert.rejects(openSluice(t, { home: lab.home, repairIndex: true }), { code: 'INDEX_BUSY' });
    assert.deepEqual(
      filesIn(lab.home).filter((name) => name.startsWith('oci.db.corrupt-')),
      [],
    );
  }
  const sluice = await openSluice(t, { home: lab.home, repairIndex: true });
  assert.match(sluice.notices.join(), /set aside/);
});

test('damage within the index is told of', async (t) => {
  const { lab } = await openOne(t);
  // Without its pragma, SQLite minds no reference.
  await using database = await Database.open(join(lab.home, 'oci.db'), 'create');
  await database.use('testing', (connection) =>
    connection.all("INSERT INTO configs (manifest_id, media_type) VALUES (999, 'x')"),
  );
  const { problems } = await lab.sluice.verify({ quick: true });
  assert.deepEqual(
    problems.map(({ kind }) => kind),
    ['index'],
  );
  assert.match(problems[0]!.message, /row \d+ of configs refers to a row of manifests that is gone/);
});

test('verifying ends with its signal', async (t) => {
  const { lab } = await openOne(t);
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(lab.sluice.verify({ signal: stop.signal }), { code: 'ABORTED' });
});
