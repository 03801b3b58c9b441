import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SluiceError } from '../src/errors.js';
import type { Events } from '../src/events.js';
import { parseReference } from '../src/oci/reference.js';
import { parsePullOptions, type PullOptions } from '../src/options.js';
import { flightKey, preparePull, type Pull, type PullContext } from '../src/prepare.js';
import type { LocationFacts, Store } from '../src/store/types.js';

const FACTS: LocationFacts = { hasUserXattrs: true, foldsNames: false, hasOpenat2: true };

function prepare(options: PullOptions, facts: LocationFacts | null = FACTS): Promise<Pull> {
  const location = { layers: '/l', staging: '/s', trash: '/t', locks: '/k', isHome: true, facts };
  const store = { location: async () => location } as unknown as Store;
  const context = { engine: { store }, events: {} as Events, defaultRegistry: 'docker.io' } as unknown as PullContext;
  const reference = parseReference('test.example/image:1', { defaultRegistry: 'docker.io' });
  return preparePull(context, reference, parsePullOptions(options));
}

const WITHOUT: LocationFacts = { ...FACTS, hasUserXattrs: false };

test('extraction M10 compat K14 without user xattrs a pull ends before anything is asked for', async () => {
  for (const options of [{}, { statFormat: 'libkrun' }, { onMissingXattr: 'error' }] as const) {
    await assert.rejects(prepare(options, WITHOUT), (error: SluiceError) => {
      assert.deepEqual([error.code, error.detail.rule], ['XATTR_UNSUPPORTED', 'M10']);
      return true;
    });
  }
});

const FORMS: readonly (readonly [PullOptions, LocationFacts | null, string])[] = [
  [{}, FACTS, 'containers'],
  [{ statFormat: 'libkrun' }, FACTS, 'libkrun'],
  [{ onMissingXattr: 'record' }, FACTS, 'containers'],
  [{ onMissingXattr: 'record', statFormat: 'libkrun' }, FACTS, 'libkrun'],
  [{ onMissingXattr: 'record' }, WITHOUT, 'sidecar'],
  [{ onMissingXattr: 'record', statFormat: 'libkrun' }, WITHOUT, 'sidecar'],
  [{ policy: 'never' }, WITHOUT, 'sidecar'],
  [{ policy: 'never' }, null, 'containers'],
];

for (const [options, facts, stat] of FORMS) {
  test(`extraction M5 M10 ${JSON.stringify(options)} where xattrs are ${facts?.hasUserXattrs ?? 'unknown'}: ${stat}`, async () => {
    assert.equal((await prepare(options, facts)).stat, stat);
  });
}

test('registry R119 calls that differ in any setting but listener, signal, priority and budget fly apart', async () => {
  const key = async (options: PullOptions): Promise<string> => flightKey(await prepare(options));
  const plain = await key({});
  assert.equal(await key({ onEvent: () => undefined, signal: new AbortController().signal }), plain);
  assert.equal(await key({ priority: 'bulk', budget: { maxEntries: 1 } }), plain);
  const others: readonly PullOptions[] = [
    { privilegedXattrs: true },
    { statFormat: 'libkrun' },
    { decoder: 'pako' },
    { sync: false },
    { platform: 'any' },
    { layerPath: '/other' },
    { onMissingXattr: 'record' },
    { policy: 'always' },
    { verifyAccess: true },
    { plainHttp: ['test.example'] },
    { skipVerify: ['test.example'] },
    { foreignLayers: ['files.test'] },
    { credentials: { username: 'u', password: 'one' } },
    { credentials: { username: 'u', password: 'two' } },
    { credentials: { identityToken: 'one' } },
    { credentials: () => null },
  ];
  assert.equal(new Set([plain, ...(await Promise.all(others.map(key)))]).size, others.length + 1);
});
