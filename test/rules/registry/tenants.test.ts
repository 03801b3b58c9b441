import assert from 'node:assert/strict';
import { test } from 'node:test';
import { file, layer, buildImage } from '../../../src/testing/index.js';
import type { PullOptions } from '../../../src/index.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { openLab, type Lab } from '../../helpers/sluice.js';

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
