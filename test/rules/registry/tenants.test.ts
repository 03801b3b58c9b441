import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { file, layer, buildImage } from '../../../src/testing/index.js';
import type { PullOptions } from '../../../src/index.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { openLab, type Lab } from '../../helpers/sluice.js';
import { eventually } from '../../source/registry/setup.js';

const platform = formatPlatform(hostPlatform());
const image = buildImage({
  layers: [{ tar: layer(file('a', 'one')) }, { tar: layer(file('b', 'x'.repeat(100_000))) }],
  platform,
});
const credentials = { username: 'user', password: 'pass' };
const auth = { kind: 'token', credentials } as const;

/** Requests for manifests so far, with the method. */
function manifests({ registry }: Lab): string[] {
  return registry.requestsOf('manifest').map(({ method, status }) => `${method} ${status}`);
}

test('registry R119 calls of different users share no flight, and layers after each one’s own resolve', async (t) => {
  const lab = await openLab(t, { registry: { auth } });
  const reference = lab.registry.push('a/b', '1', image);
  const [mine, other] = await Promise.allSettled([
    lab.pull(reference, { credentials }),
    lab.pull(reference, { credentials: { username: 'user', password: 'wrong' } }),
    lab.pull(reference),
  ]);
  assert.equal(mine.status, 'fulfilled');
  assert.equal(other.status, 'rejected');
  if (other.status === 'rejected') assert.equal((other.reason as { code?: string }).code, 'AUTH_FAILED');
});

test('registry R119 calls of one user share a flight, and two users who may see an image transfer its layers once', async (t) => {
  const lab = await openLab(t, { registry: { auth } });
  const reference = lab.registry.push('a/b', '1', image);
  const byFunction = (): typeof credentials => credentials;
  await Promise.all([
    lab.pull(reference, { credentials }),
    lab.pull(reference, { credentials: { ...credentials } }),
    lab.pull(reference, { credentials: byFunction }),
    lab.pull(reference, { credentials: byFunction }),
  ]);
  assert.equal(manifests(lab).filter((line) => line === 'GET 200').length, 2);
  assert.equal(lab.registry.requestsOf('blob').filter(({ status }) => status === 200).length, 2);
});

test('registry R119 without verifyAccess a hit trusts every user of the store, with it one HEAD is sent', async (t) => {
  const lab = await openLab(t, { registry: { auth } });
  const reference = lab.registry.push('a/b', '1', image);
  const byDigest = lab.registry.push('a/b', null, image);
  await lab.pull(reference, { credentials });
  await lab.pull(byDigest, { credentials });
  for (const name of [reference, byDigest]) {
    lab.registry.clearRequests();
    await lab.pull(name);
    assert.deepEqual(lab.registry.requests, []);
    const wrong: PullOptions[] = [{}, { credentials: { username: 'user', password: 'wrong' } }];
    for (const options of wrong) {
      const code = options.credentials ? 'AUTH_FAILED' : 'AUTH_REQUIRED';
      await assert.rejects(lab.pull(name, { ...options, verifyAccess: true }), { code });
    }
    lab.registry.clearRequests();
    await lab.pull(name, { credentials, verifyAccess: true });
    assert.deepEqual(manifests(lab), ['HEAD 200']);
    assert.equal(lab.registry.requests.length, 1);
  }
});

test('registry R119 R25 verifyAccess fails for a repository that is gone, and where the registry cannot be asked', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('a/b', '1', image);
  await lab.pull(reference);
  lab.registry.remove('a/b', '1');
  await assert.rejects(lab.pull(reference, { verifyAccess: true }), { code: 'MANIFEST_UNKNOWN' });
  await lab.pull(reference);
});

test('registry R119 R9 where a HEAD is refused, verifyAccess asks by GET', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('a/b', '1', image);
  await lab.pull(reference);
  lab.registry.clearRequests();
  lab.registry.addFault({ match: { method: 'HEAD' }, do: { kind: 'refuse', status: 403 } });
  await lab.pull(reference, { verifyAccess: true });
  assert.deepEqual(manifests(lab), ['HEAD 403', 'GET 200']);
});

test('registry R119 verifyAccess and policy never contradict each other', async (t) => {
  const lab = await openLab(t);
  await assert.rejects(lab.pull('a.test/b', { verifyAccess: true, policy: 'never' }), { code: 'CONFIG_INVALID' });
});

test('registry R119 a caller whose own budget is passed gets its error alone', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('a/b', '1', image);
  const [small, large, smaller] = await Promise.allSettled([
    lab.pull(reference, { budget: { maxCompressedBytes: 10 } }),
    lab.pull(reference),
    lab.pull(reference, { budget: { maxCompressedBytes: 5 } }),
  ]);
  assert.equal(large.status, 'fulfilled');
  for (const [result, value] of [
    [small, 10],
    [smaller, 5],
  ] as const) {
    assert.ok(result.status === 'rejected');
    const { code, detail } = result.reason as { code: string; detail: { limit: { value: number } } };
    assert.deepEqual([code, detail.limit.value], ['BUDGET_EXCEEDED', value]);
  }
});

for (const option of ['maxCompressedBytes', 'maxEntries', 'maxUnpackedBytes'] as const) {
  test(`registry R119 calls with budgets of their own share what they can: ${option}`, async (t) => {
    const lab = await openLab(t);
    const reference = lab.registry.push('a/b', '1', image);
    const [small, ...large] = await Promise.allSettled([
      lab.pull(reference, { budget: { [option]: 1 } }),
      lab.pull(reference),
      lab.pull(reference),
      lab.pull(reference, { priority: 'bulk' }),
    ]);
    assert.ok(small.status === 'rejected');
    const { code, detail } = small.reason as { code: string; detail: { limit: unknown } };
    assert.deepEqual([code, detail.limit], ['BUDGET_EXCEEDED', { option, value: 1 }]);
    for (const result of large) assert.equal(result.status, 'fulfilled');
    assert.deepEqual(manifests(lab), ['GET 200', 'GET 200'], 'once for the small one, once for the others together');
  });
}

test('registry R119 a call with a smaller budget flies alone, and layers come once all the same', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('a/b', '1', image);
  const [large, small] = await Promise.all([
    lab.pull(reference),
    lab.pull(reference, { budget: { maxEntries: 1000 } }),
  ]);
  assert.deepEqual(small.layers, large.layers);
  assert.equal(manifests(lab).length, 2);
  assert.equal(lab.registry.requestsOf('blob').length, image.layers.length);
});

/** Two pulls that share a layer, of which the first one's is under way. */
async function shareLayer(t: TestContext, first: PullOptions = {}): Promise<{ lab: Lab; pulls: Promise<unknown>[] }> {
  const one = buildImage({ layers: [{ tar: layer(file('a', 'x'.repeat(100_000))), compression: 'none' }], platform });
  const lab = await openLab(t);
  const references = [lab.registry.push('a/b', '1', one), lab.registry.push('c/d', '1', one)];
  lab.registry.addFault({ match: { kind: 'blob' }, nth: 1, do: { kind: 'stall', atByte: 1000 } });
  const pulls = [lab.pull(references[0]!, first)];
  pulls[0]!.catch(() => undefined);
  await eventually(() => lab.registry.requestsOf('blob').some(({ bytesSent }) => bytesSent === 1000));
  // The flight's progress reaches those alone who are on it.
  let hasJoined = false;
  pulls.push(lab.pull(references[1]!, { onEvent: ({ kind }) => void (hasJoined ||= kind === 'layer-progress') }));
  await eventually(() => hasJoined);
  return { lab, pulls };
}

test('registry R119 who shares a layer goes on by itself when the call that began it is cancelled', async (t) => {
  const stop = new AbortController();
  const { lab, pulls } = await shareLayer(t, { signal: stop.signal });
  stop.abort();
  await assert.rejects(pulls[0]!, { code: 'ABORTED' });
  await pulls[1];
  assert.deepEqual(
    lab.registry.requestsOf('blob').map(({ url }) => url.split('/')[2]),
    ['a', 'c'],
  );
});

test('registry R119 who shares a layer goes on by itself where the other’s registry fails', async (t) => {
  const { lab, pulls } = await shareLayer(t);
  lab.registry.addFault({ match: { path: '/a/b/blobs/' }, do: { kind: 'reply', status: 404 } });
  lab.registry.resetConnections();
  await assert.rejects(pulls[0]!, { code: 'BLOB_UNKNOWN' });
  await pulls[1];
  assert.ok(lab.registry.requestsOf('blob').some(({ url, status }) => url.includes('/c/d/') && status === 200));
});

test('registry R91 the unit of resumption between calls is the layer', async (t) => {
  const lab = await openLab(t);
  const reference = lab.registry.push('a/b', '1', image);
  const second = image.layers[1]!.descriptor.digest;
  const forget = lab.registry.addFault({ match: { path: second }, do: { kind: 'reply', status: 404 } });
  const [first] = image.layers;
  await assert.rejects(lab.pull(reference), { code: 'BLOB_UNKNOWN' });
  await lab.pull(lab.registry.push('c/d', '1', buildImage({ layers: [{ tar: layer(file('a', 'one')) }], platform })));
  forget();
  lab.registry.clearRequests();
  await lab.pull(reference);
  const asked = lab.registry.requestsOf('blob').map(({ url }) => url.split('/').at(-1));
  assert.deepEqual(asked, [second]);
  assert.notEqual(first!.descriptor.digest, second);
});
