import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Events, type SluiceEvent } from '../../../src/events.js';
import { createFlights } from '../../../src/flights.js';
import { Sluice, SluiceError } from '../../../src/index.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { parseReference } from '../../../src/oci/reference.js';
import { parsePullOptions } from '../../../src/options.js';
import type { PullContext } from '../../../src/prepare.js';
import { pull } from '../../../src/pull.js';
import {
  buildImage,
  createRandom,
  file,
  layer,
  startRegistry,
  type Fault,
  type TestImage,
} from '../../../src/testing/index.js';
import { openPool } from '../../../src/transfer/pool.js';
import { createSchedule } from '../../../src/transfer/schedule.js';
import { createCommandLine, errorOf, linesOf, smallImage } from '../../cli/command.js';
import { needs } from '../../helpers/needs.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import { fakeClient } from '../../source/registry/setup.js';
import { openTestStore } from '../../store/fixtures.js';

const STALLED: Fault = { match: { kind: 'blob' }, do: { kind: 'stall', atByte: 1000 } };
const DAMAGED: Fault = { match: { kind: 'blob' }, do: { kind: 'wrong-bytes', atByte: 200_000 } };

/** Long enough that a stall falls into it. */
const largeImage = (): TestImage =>
  buildImage({
    layers: [{ tar: layer(file('large', createRandom(1).bytes(400_000))) }],
    platform: formatPlatform(hostPlatform()),
  });

const [HIDE, SHOW] = ['\u001b[?25l', '\u001b[?25h'];

/** What is on the screen after the last frame: a line of it begins where the cursor was moved to its first column. */
const screenOf = (printed: string): string[] =>
  linesOf(printed.slice(printed.lastIndexOf('Fetch image details')))
    // eslint-disable-next-line no-control-regex
    .map((line) => line.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').trimEnd());

test('compat U1 the words of the seed work, and -i is hidden', async (t) => {
  await using registry = await startRegistry();
  const image = smallImage('one', 'two');
  const reference = registry.push('org/app', '1', image);
  const line = createCommandLine(t);
  const path = join(temporaryDirectory(t), 'layers');
  assert.equal((await line.run(['pull', '-i', reference, '-L', path])).status, 0);
  assert.equal((await line.run(['pull', '--image', '--layer-path', path, reference])).status, 0);
  for (const { descriptor } of image.layers) assert.ok(existsSync(join(path, `${descriptor.digest}.extracted`)));
  const { status, stdout } = await line.run(['pull', '--help']);
  assert.equal(status, 0);
  assert.match(stdout, /-L, --layer-path/);
  assert.doesNotMatch(stdout, /-i\b|--image/);
  assert.equal((await line.run(['pull'])).status, 2);
  assert.equal((await line.run(['pull', reference, reference])).status, 2);
});

test('compat U2 a transfer prints lines on standard error, a hit prints nothing at all', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one', 'two'));
  const line = createCommandLine(t);
  const first = await line.run(['pull', reference]);
  assert.deepEqual([first.status, first.stdout], [0, '']);
  assert.match(first.stderr, /^Fetch image details ✓$/m);
  assert.match(first.stderr, /^Extracting layers 2 \/ 2: [0-9a-f]{8} done ✓/m);
  registry.clearRequests();
  assert.deepEqual(await line.run(['pull', reference]), { status: 0, stdout: '', stderr: '' });
  assert.deepEqual(registry.requests, []);
});

test('compat U2 a hit prints nothing on a terminal', { skip: needs('python3') }, async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one'));
  const line = createCommandLine(t);
  await line.run(['pull', reference]);
  assert.deepEqual(await line.runOnTerminal(['pull', reference]), { status: 0, stdout: '', stderr: '' });
});

test('compat U2 -q: a transfer prints nothing', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one'));
  assert.deepEqual(await createCommandLine(t).run(['pull', '-q', reference]), { status: 0, stdout: '', stderr: '' });
});

test('compat U3 a pull exits 0, 1 when it fails, 2 when it is wrong usage', async (t) => {
  await using registry = await startRegistry();
  const reference = registry.push('org/app', '1', smallImage('one'));
  const line = createCommandLine(t);
  for (const [status, ...words] of [
    [0, reference],
    [0, reference, '--policy', 'never'],
    [1, `${registry.host}/org/app:absent`],
    [1, `${registry.host}/org/other:1`, '--policy', 'never'],
    [2, 'docker.io/Library/alpine'],
    [2, ''],
    [2, reference, '--unknown'],
    [2, reference, '--policy', 'sometimes'],
    [2, reference, '--jobs', '0'],
    [2, reference, '--jobs', 'many'],
    [2, reference, '--max-file-bytes', '1X'],
    [2, reference, '--platform', '//'],
  ] as const) {
    const ended = await line.run(['pull', ...words]);
    assert.equal(ended.status, status, `${words.join(' ')}: ${ended.stderr}`);
    assert.equal(ended.stdout, '');
  }
});

test('compat U3 a bulk import goes on past what fails, a refused reference too, and exits 1', async (t) => {
  await using registry = await startRegistry();
  const one = registry.push('org/one', '1', smallImage('one'));
  const two = registry.push('org/two', '1', smallImage('two'));
  const line = createCommandLine(t);
  const sources = [one, 'docker.io/Library/alpine', `${registry.host}/org/absent:1`, `docker://${two}`];
  const { status, stdout, stderr } = await line.run(['import', ...sources]);
  assert.equal(status, 1);
  assert.deepEqual(linesOf(stdout).toSorted(), [one, two]);
  assert.match(
    stderr,
    /^error\[REFERENCE_INVALID\]: invalid image reference: .* \(source docker\.io\/Library\/alpine\)$/m,
  );
  assert.match(stderr, /^error\[(MANIFEST|NAME)_UNKNOWN\]: .*\(source .*org\/absent:1\)$/m);
  assert.match(stderr, /^2 of 4 images failed$/m);
  assert.equal((await line.run(['import', ...sources.filter((source) => source.includes(registry.host))])).status, 1);
  assert.equal((await line.run(['import', one, two])).status, 0);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`compat U3 ${signal} ends a pull with 130 and leaves nothing in staging`, async (t) => {
    await using registry = await startRegistry({ faults: [STALLED] });
    const reference = registry.push('org/app', '1', largeImage());
    const line = createCommandLine(t);
    const running = line.start(['pull', '--json', reference]);
    await running.hasPrinted('"layer-start"');
    running.child.kill(signal);
    const { status, stdout } = await running.ended;
    assert.equal(status, 130);
    assert.equal(errorOf(stdout)['code'], 'ABORTED');
    assert.deepEqual(readdirSync(join(line.home, 'staging')), []);
    assert.deepEqual(readdirSync(join(line.home, 'layers')), []);
  });
}

test('compat U4 an error is its code, what happened, and a hint', async (t) => {
  const line = createCommandLine(t);
  for (const [reference, phrase] of [
    ['', 'input string is empty'],
    [':tag', 'repository is empty'],
    ['inva!id-registry.com/library/alpine:3.12', 'invalid registry: inva!id-registry.com'],
    ['docker.io/Library/alpine:3.12', 'invalid repository: Library/alpine'],
    ['alpine:t!ag', 'invalid tag: t!ag'],
    ['alpine@sha256:dead', 'invalid digest: sha256:dead'],
  ] as const) {
    const { status, stdout, stderr } = await line.run(['pull', reference]);
    assert.deepEqual([status, stdout], [2, '']);
    const [error, hint, ...more] = linesOf(stderr);
    assert.equal(error, `error[REFERENCE_INVALID]: invalid image reference: ${phrase}`);
    assert.match(hint ?? '', /^hint: ./);
    assert.deepEqual(more, []);
  }
});

test('compat U4 an error names the layer and the entry', async (t) => {
  await using registry = await startRegistry();
  const image = buildImage({
    layers: [{ tar: layer(file(`bin/\u001b${'x'.repeat(255)}`, '')) }],
    platform: formatPlatform(hostPlatform()),
  });
  const { status, stderr } = await createCommandLine(t).run(['pull', registry.push('org/app', '1', image)]);
  assert.equal(status, 1);
  const short = image.layers[0]!.descriptor.digest.slice('sha256:'.length).slice(0, 12);
  const line = stderr.split('\n').find((one) => one.startsWith('error[NAME_REFUSED]: '));
  assert.match(line ?? stderr, new RegExp(` [(]layer ${short}, entry bin/.*x+[)]$`));
  assert.ok(!stderr.includes('\u001b'), 'AN ENTRY SPOKE TO THE TERMINAL');
});

test('compat U5 any registry is asked, by its host and port', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const reference = registry.push('deep/path/of/app', 'v1', smallImage('one'));
  const line = createCommandLine(t);
  assert.equal((await line.run(['pull', reference])).status, 0);
  assert.match((await line.run(['ls'])).stdout, new RegExp(`^${reference} `, 'm'));
});

for (const [name, recorded, level] of [
  ['sandboxes.io/alpine', 'sandboxes.io/library/alpine:latest', 'info'],
  ['sandboxes.io/org/app:1', 'sandboxes.io/org/app:1', 'warn'],
] as const) {
  test(`compat U6 ${name} comes from docker.io with a notice (${level}), and is recorded as ${recorded}`, async (t) => {
    const image = smallImage();
    const client = fakeClient((request) => {
      const what = decodeURIComponent(request.url.pathname.split('/').at(-1)!);
      const document = what === image.config.descriptor.digest ? image.config : image.manifest;
      return { headers: { 'content-type': document.descriptor.mediaType }, body: document.bytes };
    });
    const store = await openTestStore(t);
    await using pool = openPool(2);
    const jobs = availableParallelism();
    const context: PullContext = {
      engine: { store, pool, schedule: createSchedule(jobs, 2), layerFlights: createFlights(), jobs, walk: false },
      client,
      imageFlights: createFlights(),
      events: new Events(),
      defaultRegistry: 'docker.io',
    };
    const events: SluiceEvent[] = [];
    const settings = parsePullOptions({ onEvent: (event) => events.push(event) });
    const { reference } = await pull(context, parseReference(name), settings);
    assert.equal(reference, recorded);
    assert.deepEqual(
      (await store.listImages()).map((row) => row.reference),
      [recorded],
    );
    assert.ok(client.requests.every(({ url }) => url.host === 'registry-1.docker.io'));
    const notices = events.flatMap((event) => (event.kind === 'notice' ? [event.level] : []));
    assert.deepEqual(notices, [level]);
  });
}

test('compat U7 image groups are not implemented, without a request or a file', async (t) => {
  const home = join(temporaryDirectory(t), 'home');
  await using sluice = await Sluice.open({ home });
  const before = readdirSync(home, { recursive: true }).toSorted();
  for (const reference of ['sandboxes.io/group', 'alpine', '', '!']) {
    await assert.rejects(sluice.pullGroup(reference), (error) => {
      assert.ok(error instanceof SluiceError);
      assert.equal(error.code, 'NOT_IMPLEMENTED');
      assert.equal(
        error.message,
        'feature not yet implemented: Sandboxes registry image group pull is not implemented',
      );
      return true;
    });
  }
  assert.deepEqual(readdirSync(home, { recursive: true }).toSorted(), before);
});

test('compat U9 layers are printed bottom to top, one directory once, each complete', async (t) => {
  await using registry = await startRegistry();
  const parts = ['one', 'two', 'one', 'three'].map((name) => ({ tar: layer(file(name, name)) }));
  const image = buildImage({ layers: parts, platform: formatPlatform(hostPlatform()) });
  const reference = registry.push('org/app', '1', image);
  const line = createCommandLine(t);
  await line.run(['pull', reference]);
  const paths = linesOf((await line.run(['layers', reference])).stdout);
  assert.deepEqual(
    paths.map((path) => readdirSync(path)),
    [['two'], ['one'], ['three']],
  );
  for (const path of paths) assert.ok(existsSync(path.replace(/\.extracted$/, '.mtree')));
  const overlay = await line.run(['layers', '--overlay', reference]);
  const escaped = paths.map((path) => path.replaceAll(':', '\\:'));
  assert.equal(overlay.stdout, `lowerdir=${escaped.toReversed().join(':')}\n`);
  await using sluice = await Sluice.open({ home: line.home });
  assert.deepEqual(
    (await sluice.layers(reference)).map(({ path }) => path),
    paths,
  );
});

test(
  'compat U10 U11 a terminal shows the mark, both counts and a bar a layer',
  { skip: needs('python3') },
  async (t) => {
    await using registry = await startRegistry();
    const line = createCommandLine(t);
    await line.run(['pull', registry.push('org/base', '1', smallImage('one'))]);
    const image = smallImage('one', 'two');
    const { status, stdout } = await line.runOnTerminal(['pull', registry.push('org/app', '1', image)]);
    assert.equal(status, 0);
    const [one, two] = image.layers.map(({ descriptor }) => descriptor.digest.slice('sha256:'.length).slice(0, 8));
    const [resolved, downloaded, extracted, ...bars] = screenOf(stdout);
    assert.deepEqual(
      [resolved, downloaded, extracted],
      ['Fetch image details ✓', 'Download layers 2 / 2', 'Extracting layers 2 / 2'],
    );
    assert.equal(bars.length, 2);
    assert.match(bars[0]!, new RegExp(`^${one} ={40} +\\d+B / \\d+B .*present ✓$`));
    assert.match(bars[1]!, new RegExp(`^${two} ={40} +\\d+B / \\d+B +\\S+K done ✓$`));
    assert.ok(stdout.lastIndexOf(SHOW) > stdout.indexOf(HIDE), 'the cursor is hidden, then back');
  },
);

test('compat U11 more layers than rows: those at work are shown', { skip: needs('python3') }, async (t) => {
  await using registry = await startRegistry();
  const names = Array.from({ length: 30 }, (_, index) => `file${index}`);
  const reference = registry.push('org/app', '1', smallImage(...names));
  const { status, stdout } = await createCommandLine(t).runOnTerminal(['pull', reference], { rows: 10 });
  assert.equal(status, 0);
  const screen = screenOf(stdout);
  assert.equal(screen[2], 'Extracting layers 30 / 30');
  assert.equal(screen.length, 9);
});

test('compat U12 a failure ends in ✗, above the error, with the cursor back', { skip: needs('python3') }, async (t) => {
  await using registry = await startRegistry({ faults: [DAMAGED] });
  const reference = registry.push('org/app', '1', largeImage());
  const { status, stdout } = await createCommandLine(t).runOnTerminal(['pull', reference]);
  assert.equal(status, 1);
  const screen = screenOf(stdout);
  const bar = screen.findIndex((one) => one.endsWith('failed ✗'));
  const error = screen.findIndex((one) => one.startsWith('error['));
  assert.ok(bar > 0 && error > bar, screen.join('\n'));
  assert.ok(stdout.lastIndexOf(SHOW) > stdout.lastIndexOf(HIDE));
  assert.ok(stdout.lastIndexOf(SHOW) < stdout.indexOf('error['));
});

test('compat U12 an image that is not there ends its line in ✗', { skip: needs('python3') }, async (t) => {
  await using registry = await startRegistry();
  const line = createCommandLine(t);
  const { stdout } = await line.runOnTerminal(['pull', `${registry.host}/org/app:1`]);
  assert.equal(screenOf(stdout)[0], 'Fetch image details ✗');
  const { stderr } = await line.run(['pull', `${registry.host}/org/app:1`]);
  assert.equal(linesOf(stderr)[0], 'Fetch image details ✗');
});

test('compat U12 Ctrl-C gives the terminal back', { skip: needs('python3') }, async (t) => {
  await using registry = await startRegistry({ faults: [STALLED] });
  const reference = registry.push('org/app', '1', largeImage());
  const line = createCommandLine(t);
  const { status, stdout } = await line.runOnTerminal(['pull', reference], { interruptAfter: 'extracting' });
  assert.equal(status, 130);
  assert.ok(stdout.lastIndexOf(SHOW) > stdout.lastIndexOf(HIDE), 'THE CURSOR STAYED HIDDEN');
  assert.deepEqual(readdirSync(join(line.home, 'staging')), []);
});

test('compat U13 exit 0 and an answered pull mean: directory, sidecar and row of every layer', async (t) => {
  await using registry = await startRegistry();
  const image = smallImage('one', 'two');
  const reference = registry.push('org/app', '1', image);
  const line = createCommandLine(t);
  assert.equal((await line.run(['pull', reference])).status, 0);
  await registry.stop();
  const pulledHome = join(temporaryDirectory(t), 'home');
  await registry.restart();
  await using other = await Sluice.open({ home: pulledHome });
  await other.pull(reference);
  for (const home of [line.home, pulledHome]) {
    await using sluice = await Sluice.open({ home });
    const recorded = await sluice.inspect(reference);
    assert.equal(recorded.manifestDigest, image.digest);
    for (const { path, entries } of recorded.layers) {
      assert.equal(entries, 1);
      assert.equal(readdirSync(path).length, 1);
      assert.match(readFileSync(path.replace(/\.extracted$/, '.mtree'), 'utf8'), /^#/);
    }
  }
});
