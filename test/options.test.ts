import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPlatform } from '../src/oci/platform.js';
import { parseOpenOptions, parsePullOptions, type OpenOptions, type PullOptions } from '../src/options.js';

test('extraction B1 to B6 the defaults of a pull', () => {
  const settings = parsePullOptions({});
  const { budget, policy, decoder, statFormat, onMissingXattr, privilegedXattrs, keepPartial, sync } = settings;
  const { plainHttp, maxManifestBytes, maxConfigBytes } = settings;
  assert.deepEqual(budget, {
    maxCompressedBytes: 32 * 2 ** 30,
    maxUnpackedBytes: 64 * 2 ** 30,
    maxFileBytes: 32 * 2 ** 30,
    maxEntries: 5_000_000,
    maxMetaBytes: 2 ** 20,
    maxRatio: 1100,
    ratioGraceBytes: 64 * 2 ** 20,
  });
  assert.deepEqual(
    { policy, decoder, statFormat, onMissingXattr, privilegedXattrs, keepPartial, sync },
    {
      policy: 'missing',
      decoder: 'auto',
      statFormat: 'containers',
      onMissingXattr: 'error',
      privilegedXattrs: false,
      keepPartial: false,
      sync: true,
    },
  );
  assert.deepEqual([plainHttp, maxManifestBytes, maxConfigBytes], [[], 4 * 2 ** 20, 8 * 2 ** 20]);
  assert.deepEqual(
    [settings.layerPath, settings.name, settings.signal, settings.onEvent],
    [undefined, undefined, undefined, undefined],
  );
});

test('the platform is this machine’s, one that is named, or any', () => {
  assert.deepEqual(parsePullOptions({}).platform, hostPlatform());
  assert.equal(parsePullOptions({}).isDefaultPlatform, true);
  assert.equal(parsePullOptions({ platform: 'any' }).platform, 'any');
  assert.equal(parsePullOptions({ platform: 'any' }).isDefaultPlatform, false);
  const other = parsePullOptions({ platform: 'linux/arm/v6' });
  assert.equal(other.isDefaultPlatform, false);
  assert.ok(other.platform !== 'any' && other.platform.architecture === 'arm' && other.platform.variant === 'v6');
});

test('one limit of the budget leaves the others as they are', () => {
  const { budget } = parsePullOptions({ budget: { maxEntries: 7 } });
  assert.deepEqual([budget.maxEntries, budget.maxRatio], [7, 1100]);
});

test('what was given is handed on', () => {
  const { signal } = new AbortController();
  const onEvent = (): void => undefined;
  const settings = parsePullOptions({
    signal,
    onEvent,
    layerPath: '/x',
    name: 'n',
    plainHttp: ['localhost:5000'],
    sync: false,
  });
  assert.equal(settings.signal, signal);
  assert.equal(settings.onEvent, onEvent);
  assert.deepEqual(
    [settings.layerPath, settings.name, settings.plainHttp, settings.sync],
    ['/x', 'n', ['localhost:5000'], false],
  );
});

const WRONG: readonly (readonly [string, unknown, RegExp])[] = [
  ['an unknown option', { polcy: 'missing' }, /polcy/],
  ['an unknown limit', { budget: { maxEntires: 1 } }, /maxEntires/],
  ['a policy that there is not', { policy: 'sometimes' }, /"policy"/],
  ['a decoder that there is not', { decoder: 'zstd' }, /"decoder"/],
  ['a form that there is not', { statFormat: 'sidecar' }, /"statFormat"/],
  ['a way out that there is not', { onMissingXattr: 'ignore' }, /"onMissingXattr"/],
  ['privileges that are text', { privilegedXattrs: 'yes' }, /"privilegedXattrs"/],
  ['a limit below zero', { budget: { maxEntries: -1 } }, /"budget\.maxEntries"/],
  ['a limit with a fraction', { budget: { maxRatio: 1.5 } }, /"budget\.maxRatio"/],
  ['a limit that is text', { budget: { maxFileBytes: '1' } }, /"budget\.maxFileBytes"/],
  ['a limit that is NaN', { budget: { maxFileBytes: NaN } }, /"budget\.maxFileBytes"/],
  ['a signal that is none', { signal: {} }, /"signal"/],
  ['a listener that is none', { onEvent: 'x' }, /"onEvent"/],
  ['an empty host', { plainHttp: [''] }, /"plainHttp\.0"/],
  ['an empty layer path', { layerPath: '' }, /"layerPath"/],
  ['null', null, /option/],
];

for (const [title, options, message] of WRONG) {
  test(`${title} is refused by name`, () => {
    assert.throws(
      () => parsePullOptions(options as PullOptions),
      (error: Error) => {
        assert.equal((error as Error & { code: string }).code, 'CONFIG_INVALID');
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('a platform that is none is refused', () => {
  assert.throws(() => parsePullOptions({ platform: 'linux' }), { code: 'CONFIG_INVALID' });
});

test('options of opening', () => {
  const { home, jobs, walk } = parseOpenOptions({});
  assert.deepEqual([home, walk], [undefined, false]);
  assert.ok(jobs >= 1);
  assert.deepEqual(parseOpenOptions({ home: '/h', jobs: 3, walk: true }), {
    home: '/h',
    jobs: 3,
    walk: true,
    repairIndex: false,
    pullFollows: false,
  });
  for (const options of [
    { jobs: 0 },
    { jobs: 1.5 },
    { jobs: 2000 },
    { home: '' },
    { walk: 1 },
    { hme: '/x' },
  ] as OpenOptions[]) {
    assert.throws(() => parseOpenOptions(options), { code: 'CONFIG_INVALID' });
  }
});
