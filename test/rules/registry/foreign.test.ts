import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Descriptor } from '../../../src/oci/manifest.js';
import { digestOf } from '../../../src/oci/digest.js';
import { isRefused } from '../../../src/source/registry/address.js';
import { startRegistry } from '../../../src/testing/index.js';
import {
  type CannedReply,
  fakeClient,
  never,
  notBulk,
  open,
  readRange,
  testBytes,
} from '../../source/registry/setup.js';

const bytes = testBytes(1000);
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';

function layerAt(...urls: string[]): Descriptor {
  return { mediaType: FOREIGN, digest: digestOf(bytes), size: bytes.length, urls };
}

const BASIC = { 'www-authenticate': 'Basic realm="x"' };

/** A registry that wants a login and lacks the layer; `answer` is what all others say. */
function clientWith(answer: (url: URL) => CannedReply): ReturnType<typeof fakeClient> {
  return fakeClient(({ url, headers }) => {
    if (url.host !== 'registry.test') return answer(url);
    return headers['authorization'] === undefined ? { status: 401, headers: BASIC } : { status: 404 };
  });
}

async function read(
  t: Parameters<typeof open>[0],
  client: ReturnType<typeof fakeClient>,
  descriptor: Descriptor,
  foreignLayers: readonly string[],
): Promise<Buffer> {
  const credentials = { username: 'u', password: 'sentinel' };
  const options = { client, foreignLayers, credentials, plainHttp: ['files.test'] };
  const { source } = open(t, 'registry.test/a/b:1', options);
  const access = await source.locateBlob(descriptor, never);
  assert.equal(access.kind, 'remote');
  if (access.kind !== 'remote') return Buffer.alloc(0);
  return readRange(access.openReader(notBulk), 0, bytes.length);
}

test('registry R117 R116 what the registry lacks is read from a host that was named, without a login', async (t) => {
  const client = clientWith(() => ({ body: bytes }));
  const layer = layerAt('https://other.test/x', 'https://files.test/layer?key=1');
  assert.ok((await read(t, client, layer, ['FILES.test'])).equals(bytes));
  assert.deepEqual(
    client.requests.map(({ url, headers, guard }) => [url.host, 'authorization' in headers, guard]),
    [
      ['registry.test', false, 'any'],
      ['registry.test', true, 'any'],
      ['files.test', false, 'public'],
    ],
  );
});

test('registry R117 of several addresses the first that has the layer counts', async (t) => {
  const client = clientWith(({ pathname }) => (pathname === '/two' ? { body: bytes } : { status: 404 }));
  const layer = layerAt('https://files.test/one', 'https://files.test/two', 'https://files.test/three');
  assert.ok((await read(t, client, layer, ['files.test'])).equals(bytes));
  assert.equal(client.requests.length, 4);
});

test('registry R117 a layer that the registry has is read there', async (t) => {
  const client = fakeClient(() => ({ body: bytes }));
  await read(t, client, layerAt('https://files.test/layer'), ['files.test']);
  assert.deepEqual(
    client.requests.map(({ url }) => url.host),
    ['registry.test'],
  );
});

const UNUSED: readonly (readonly [what: string, url: string, hosts: readonly string[]])[] = [
  ['no host is named', 'https://files.test/x', []],
  ['another host is named', 'https://files.test/x', ['other.test']],
  ['another port is named', 'https://files.test:444/x', ['files.test']],
  ['it is plain HTTP', 'http://files.test/x', ['files.test']],
  ['it holds a user', 'https://u:p@files.test/x', ['files.test']],
  ['it is loopback', 'https://127.0.0.1/x', ['127.0.0.1']],
  ['it is localhost', 'https://localhost/x', ['localhost']],
  ['it is private', 'https://10.0.0.1/x', ['10.0.0.1']],
  ['it is a metadata service', 'https://169.254.169.254/x', ['169.254.169.254']],
  ['it is IPv6 within a company', 'https://[fd00::1]/x', ['[fd00::1]']],
  ['it is no URL', '//files.test/x', ['files.test']],
];

for (const [what, url, hosts] of UNUSED) {
  test(`registry R117 an address is not used when ${what}`, async (t) => {
    const client = clientWith(() => ({ body: bytes }));
    await assert.rejects(read(t, client, layerAt(url), hosts), { code: 'BLOB_UNKNOWN' });
    assert.deepEqual(new Set(client.requests.map((request) => request.url.host)), new Set(['registry.test']));
  });
}

test('registry R117 R118 the addresses of an ordinary layer are not used', async (t) => {
  const client = clientWith(() => ({ body: bytes }));
  const layer = { ...layerAt('https://files.test/x'), mediaType: 'application/vnd.oci.image.layer.v1.tar' };
  await assert.rejects(read(t, client, layer, ['files.test']), { code: 'BLOB_UNKNOWN' });
});

for (const location of [
  'http://files.test/y',
  'https://192.168.0.1/y',
  'https://[fd00::1]/y',
  'https://localhost/y',
  'file:///etc/passwd',
]) {
  test(`registry R117 a foreign host does not lead to ${location}`, async (t) => {
    const client = clientWith(({ pathname }) =>
      pathname === '/x' ? { status: 302, headers: { location } } : { body: bytes },
    );
    await assert.rejects(read(t, client, layerAt('https://files.test/x'), ['files.test']), {
      code: 'REDIRECT_REFUSED',
    });
    assert.equal(client.requests.at(-1)?.url.href, 'https://files.test/x');
  });
}

test('registry R117 where a foreign host leads, the address is tested where it is connected to, on its own name too', async (t) => {
  const client = clientWith(({ pathname }) =>
    pathname === '/x' ? { status: 302, headers: { location: '/y' } } : { body: bytes },
  );
  assert.ok((await read(t, client, layerAt('https://files.test/x'), ['files.test'])).equals(bytes));
  const foreign = client.requests.filter(({ url }) => url.host === 'files.test');
  assert.deepEqual(
    foreign.map(({ guard }) => guard),
    ['public', 'public'],
  );
});

test('registry R117 a name that stands for an address within is refused when it is connected to', async (t) => {
  for (const address of [
    '127.0.0.1',
    '10.1.2.3',
    '169.254.0.1',
    '::1',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '224.0.0.1',
  ]) {
    assert.ok(isRefused(address, 'public'), address);
  }
  assert.ok(!isRefused('93.184.216.34', 'public'));
  await using registry = await startRegistry();
  const { client } = open(t, `${registry.host}/a/b:1`);
  const url = new URL(`http://localhost:${registry.port}/x`);
  const request = {
    method: 'GET',
    url,
    firstUrl: url,
    headers: {},
    wanted: 'blob',
    host: 'x',
    guard: 'public',
  } as const;
  await assert.rejects(
    client.dispatch(request, () => () => undefined, never),
    { code: 'REDIRECT_REFUSED' },
  );
  assert.deepEqual(registry.requests, []);
});
