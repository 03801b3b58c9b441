import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { digestOf } from '../../../src/oci/digest.js';
import { parseReference } from '../../../src/oci/reference.js';
import { chooseEndpoint } from '../../../src/source/registry/hosts.js';
import type { HttpRequest } from '../../../src/source/registry/http.js';
import {
  buildImage,
  type FaultAction,
  file,
  layer,
  type RedirectStatus,
  startRegistry,
  type TestRegistry,
} from '../../../src/testing/index.js';
import { needs } from '../../helpers/needs.js';
import { temporaryDirectory } from '../../helpers/temporary.js';
import {
  eventually,
  type CannedReply,
  fakeClient,
  never,
  open,
  type Opened,
  openBlob,
  readInParts,
  readRange,
  testBytes,
} from '../../source/registry/setup.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;
const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });

// R36, R37, R39

const SCHEMES: readonly (readonly [rule: string, host: string, plainHttp: string[], origin: string])[] = [
  ['R36', 'localhost:5000', [], 'http://localhost:5000'],
  ['R36', '127.0.0.1:5000', [], 'http://127.0.0.1:5000'],
  ['R36', '127.9.9.9:5000', [], 'http://127.9.9.9:5000'],
  ['R36', '[::1]:5000', [], 'http://[::1]:5000'],
  ['R36', 'localhost', [], 'https://localhost'],
  ['R36', '127.0.0.1', [], 'https://127.0.0.1'],
  ['R36', 'localhost:443', [], 'https://localhost:443'],
  ['R37', 'registry.test:80', [], 'https://registry.test:80'],
  ['R37', 'registry.test:5000', ['registry.test'], 'https://registry.test:5000'],
  ['R37', '10.0.0.1:5000', [], 'https://10.0.0.1:5000'],
  ['R37', '128.0.0.1:5000', [], 'https://128.0.0.1:5000'],
  ['R37', 'localhost.test:5000', [], 'https://localhost.test:5000'],
  ['R39', 'registry.test:5000', ['registry.test:5000'], 'http://registry.test:5000'],
  ['R39', 'registry.test', ['REGISTRY.test'], 'http://registry.test'],
  ['R39', 'localhost:443', ['localhost:443'], 'http://localhost:443'],
];

for (const [rule, host, plainHttp, origin] of SCHEMES) {
  test(`registry ${rule} ${host}${plainHttp.length > 0 ? ` (plain: ${plainHttp.join()})` : ''} is asked at ${origin}`, () => {
    assert.equal(chooseEndpoint(parseReference(`${host}/a/b:1`), { plainHttp, hasTls: () => false }).origin, origin);
  });
}

test('registry R37 R38 plain HTTP on the port of HTTPS is said to be so, and not spoken', async (t) => {
  await using registry = await startRegistry();
  const { client, timing } = open(t, registry.push('a/b', '1', image));
  await assert.rejects(
    client.dispatch(requestFor(`https://127.0.0.1:${registry.port}/v2/`), () => () => undefined, never),
    ({ code, message }) => {
      assert.equal(code, 'TLS_FAILED');
      assert.match(message, /plain HTTP is spoken/);
      return true;
    },
  );
  assert.deepEqual(timing.sleeps, []);
  assert.deepEqual(registry.requests, []);
});

test(
  'registry R37 R38 HTTPS works with a certificate that Node trusts, and no other',
  { skip: needs('openssl') },
  async (t) => {
    const directory = temporaryDirectory(t);
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const subject = ['-subj', '/CN=sluice test', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await run('openssl', [...words, ...subject, '-keyout', key, '-out', cert]);
    await using registry = await startRegistry({ tls: { key: readFileSync(key), cert: readFileSync(cert) } });
    registry.push('a/b', '1', image);
    const { client } = open(t, `${registry.host}/a/b:1`);
    const url = `${registry.url}/v2/a/b/manifests/1`;
    await assert.rejects(
      client.dispatch(requestFor(url), () => () => undefined, never),
      ({ code, message }) => {
        assert.equal(code, 'TLS_FAILED');
        assert.match(message, /self-signed/);
        return true;
      },
    );
    assert.deepEqual(registry.requests, []);
    const module = new URL('../../../src/source/registry/client.js', import.meta.url).href;
    const script = `
    const { openConnections } = await import(${JSON.stringify(module)});
    const connections = openConnections();
    const url = new URL(${JSON.stringify(url)});
    const request = { method: 'GET', url, firstUrl: url, headers: {}, wanted: 'manifest', host: 'x', guard: 'any' };
    const head = await connections.dispatch(request, () => () => undefined, new AbortController().signal);
    console.log(head.status);
    await connections.close();`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { env });
    assert.equal(stdout, '200\n');
  },
);

test('registry R43 connections are used again', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  for (let round = 0; round < 3; round++) await source.readTop(never);
  assert.equal(new Set(registry.requests.map(({ connection }) => connection)).size, 1);
});

test('registry R74 metadata uses two connections to a host, blobs six', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using registry = await startRegistry({ faults: [{ match: {}, do: { kind: 'hold', until } }] });
  const { source } = open(t, registry.push('a/b', '1', image));
  const blobs = Array.from({ length: 9 }, (_, index) => testBytes(100, index + 1));
  for (const bytes of blobs) registry.pushBlob('a/b', digestOf(bytes), bytes);
  const reads = blobs.map(async (bytes) => readRange(await openBlob(source, bytes), 0, bytes.length));
  const tops = Array.from({ length: 5 }, () => source.readTop(never));
  await eventually(() => registry.requests.length >= 8);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([registry.requestsOf('manifest').length, registry.requestsOf('blob').length], [2, 6]);
  release();
  await Promise.all([...reads, ...tops]);
  assert.deepEqual([registry.requestsOf('manifest').length, registry.requestsOf('blob').length], [5, 9]);
});

/** Registries whose every blob is held back, with nine blobs each that are asked for at once. */
async function askForNine(
  t: TestContext,
  registries: readonly TestRegistry[],
): Promise<{ readonly reads: Promise<Buffer>[] }> {
  const blobs = Array.from({ length: 9 }, (_, index) => testBytes(100, index + 1));
  const { client } = open(t, 'registry.test/a/b:1');
  const reads = registries.flatMap((registry) => {
    const { source } = open(t, `${registry.host}/a/b:1`, { client });
    return blobs.map(async (bytes) => {
      registry.pushBlob('a/b', digestOf(bytes), bytes);
      return readRange(await openBlob(source, bytes), 0, bytes.length);
    });
  });
  return { reads };
}

test('registry R74 blobs use sixteen connections overall', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  const faults = [{ match: {}, do: { kind: 'hold', until } }] as const;
  const registries = await Promise.all([1, 2, 3].map(() => startRegistry({ faults })));
  t.after(async () => void (await Promise.all(registries.map((registry) => registry.close()))));
  const { reads } = await askForNine(t, registries);
  const asked = (): number => registries.reduce((sum, registry) => sum + registry.requests.length, 0);
  await eventually(() => asked() >= 16);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked(), 16);
  release();
  await Promise.all(reads);
  assert.equal(asked(), 27);
});

test('registry R74 the host that was asked first counts, not where it redirects to', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using store = await startRegistry({ faults: [{ match: {}, do: { kind: 'hold', until } }] });
  const location = `${store.url}{path}`;
  const faults = [{ match: { kind: 'blob' }, do: { kind: 'redirect', location } }] as const;
  const registries = await Promise.all([1, 2].map(() => startRegistry({ faults })));
  t.after(async () => void (await Promise.all(registries.map((registry) => registry.close()))));
  const { reads } = await askForNine(t, registries);
  for (const bytes of Array.from({ length: 9 }, (_, index) => testBytes(100, index + 1))) {
    store.pushBlob('a/b', digestOf(bytes), bytes);
  }
  await eventually(() => store.requests.length >= 12);
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.requests.length, 12);
  release();
  await Promise.all(reads);
});

test('registry R75 an interactive pull’s manifest and blobs go before those of bulk imports', async (t) => {
  let release = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  const held = { kind: 'hold', until } as const;
  const first = Array.from({ length: 6 }, (_, index) => index + 1);
  await using registry = await startRegistry({
    faults: [
      { match: { kind: 'manifest' }, nth: [1, 2], do: held },
      { match: { kind: 'blob' }, nth: first, do: held },
    ],
  });
  const blobs = Array.from({ length: 8 }, (_, index) => testBytes(100, index + 1));
  for (const bytes of blobs) registry.pushBlob('now', digestOf(bytes), bytes);
  for (const bytes of blobs) registry.pushBlob('bulk', digestOf(bytes), bytes);
  const bulk = open(t, registry.push('bulk', '1', image), { priority: 'bulk' });
  const now = open(t, registry.push('now', '1', image), { client: bulk.client });
  const read = async (source: Opened['source'], bytes: Buffer, isBulk: () => boolean): Promise<Buffer> =>
    readRange(await openBlob(source, bytes, bytes.length, isBulk), 0, bytes.length);
  const all: Promise<unknown>[] = [
    ...Array.from({ length: 4 }, () => bulk.source.readTop(never)),
    ...blobs.map((bytes) => read(bulk.source, bytes, () => true)),
  ];
  await eventually(() => registry.requests.length === 8);
  all.push(
    now.source.readTop(never),
    read(now.source, blobs[0]!, () => false),
  );
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
  release();
  await Promise.all(all);
  const names = (kind: 'manifest' | 'blob'): string[] => registry.requestsOf(kind).map(({ url }) => url.split('/')[2]!);
  assert.deepEqual(names('manifest').slice(0, 3), ['bulk', 'bulk', 'now']);
  assert.deepEqual(names('blob').slice(0, 7), [...first.map(() => 'bulk'), 'now']);
});

// R48 to R53

for (const status of [301, 302, 303, 307, 308] as const) {
  test(`registry R48 a ${status} is followed, five times`, async (t) => {
    await using registry = await startRegistry();
    const { source } = open(t, registry.push('a/b', '1', image));
    const remove = registry.addFault(chain(5, status));
    const document = await source.readTop(never);
    assert.ok(Buffer.from(document.bytes).equals(image.manifest.bytes));
    assert.equal(await source.peekDigest(never), image.digest);
    remove();
    registry.addFault(chain(6, status));
    await assert.rejects(source.readTop(never), { code: 'REDIRECT_REFUSED' });
  });
}

test('registry R48 a circle is left at once', async (t) => {
  await using registry = await startRegistry({
    faults: [{ match: { kind: 'manifest' }, do: { kind: 'redirect-loop' } }],
  });
  const { source } = open(t, registry.push('a/b', '1', image));
  await assert.rejects(source.readTop(never), { code: 'REDIRECT_REFUSED' });
  assert.equal(registry.requests.length, 1);
});

for (const [what, action] of [
  ['300', { kind: 'reply', status: 300, headers: { location: '/elsewhere' } }],
  ['304', { kind: 'reply', status: 304, headers: { location: '/elsewhere' } }],
  ['a 307 without a place', { kind: 'redirect', location: null }],
  ['a 307 to no URL', { kind: 'redirect', location: 'http://[' }],
] as const satisfies readonly (readonly [string, FaultAction])[]) {
  test(`registry R48 ${what} leads nowhere`, async (t) => {
    await using registry = await startRegistry({ faults: [{ match: { kind: 'manifest' }, do: action }] });
    const { source } = open(t, registry.push('a/b', '1', image));
    await assert.rejects(source.readTop(never), { code: 'PROTOCOL_ERROR' });
    assert.equal(registry.requests.length, 1);
  });
}

test('registry R49 another origin sees no Authorization, the same one does', async (t) => {
  const places: Record<string, string> = {
    '/v2/a/b/manifests/1': '/moved',
    '/moved': 'https://registry.test:8443/there',
    '/there': 'https://registry.test/back',
  };
  const { client } = redirecting((path) => places[path], { isAuthorized: true });
  await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
  const followed = client.requests.filter(
    ({ url, headers }) =>
      url.pathname !== '/token' && (headers['authorization'] || url.pathname !== '/v2/a/b/manifests/1'),
  );
  assert.deepEqual(
    followed.map(({ url, headers }) => [url.href, headers['authorization'] !== undefined]),
    [
      ['https://registry.test/v2/a/b/manifests/1', true],
      ['https://registry.test/moved', true],
      ['https://registry.test:8443/there', false],
      ['https://registry.test/back', false],
    ],
  );
});

test('registry R49 a store that refuses Authorization serves the blob', async (t) => {
  const bytes = testBytes(1000);
  await using registry = await startRegistry({ auth: { kind: 'token' }, redirect: { to: 'server' } });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, `${registry.host}/a/b:1`);
  assert.ok((await readRange(await openBlob(source, bytes), 0, bytes.length)).equals(bytes));
  const [target] = registry.requestsOf('target');
  assert.equal(target?.server, 'target');
  assert.equal(target.headers.authorization, undefined);
});

const REFUSED: readonly (readonly [rule: string, host: string, location: string, plainHttp: string[]])[] = [
  ['R50', 'registry.test', 'http://registry.test/x', []],
  ['R50', 'registry.test', 'http://cdn.test/x', ['other.test']],
  ['R50', 'localhost', 'http://localhost:5000/x', []],
  ['R51', 'registry.test', 'file:///etc/passwd', []],
  ['R51', 'registry.test', 'data:text/plain,x', []],
  ['R51', 'registry.test', 'ftp://cdn.test/x', []],
  ['R51', 'registry.test', 'https://user:secret@cdn.test/x', []],
  ['R52', 'registry.test', 'https://169.254.169.254/latest/meta-data', []],
  ['R52', 'registry.test', 'https://[fe80::1]/x', []],
  ['R52', 'registry.test', 'https://0.0.0.0/x', []],
  ['R52', 'registry.test', 'https://[::]/x', []],
  ['R52', 'registry.test', 'https://127.0.0.1/x', []],
  ['R52', 'registry.test', 'https://[::1]/x', []],
  ['R52', 'registry.test', 'https://localhost/x', []],
  ['R52', 'registry.test', 'https://[::ffff:169.254.169.254]/x', []],
  ['R52', 'localhost:5000', 'http://169.254.169.254/x', []],
];

for (const [rule, host, location, plainHttp] of REFUSED) {
  test(`registry ${rule} from ${host} no redirect leads to ${location}`, async (t) => {
    const { client } = redirecting((path) => (path.startsWith('/v2/') ? `${location}?sentinel` : undefined));
    const { source, timing } = open(t, `${host}/a/b:1`, { client, plainHttp });
    await assert.rejects(source.readTop(never), (error: Error & { code: string; detail: { rule: string } }) => {
      assert.deepEqual([error.code, error.detail.rule], ['REDIRECT_REFUSED', `registry ${rule}`]);
      assert.doesNotMatch(JSON.stringify(error) + error.stack, /sentinel|secret/);
      return true;
    });
    assert.equal(client.requests.length, 1);
    assert.deepEqual(timing.sleeps, []);
  });
}

const FOLLOWED: readonly (readonly [rule: string, host: string, location: string, plainHttp: string[]])[] = [
  ['R50', 'registry.test', 'http://cdn.test/x', ['cdn.test']],
  ['R50', 'localhost:5000', 'https://cdn.test/x', []],
  ['R52', 'registry.test', 'https://10.0.0.7/x', []],
  ['R52', 'localhost:5000', 'http://127.0.0.1:5001/x', []],
];

for (const [rule, host, location, plainHttp] of FOLLOWED) {
  test(`registry ${rule} from ${host} a redirect may lead to ${location}`, async (t) => {
    const { client } = redirecting((path) => (path.startsWith('/v2/') ? location : undefined));
    await open(t, `${host}/a/b:1`, { client, plainHttp }).source.readTop(never);
    assert.equal(client.requests.at(-1)?.url.href, location);
  });
}

test('registry R52 the address a target’s name stands for is tested where it is connected to', async (t) => {
  const { client } = redirecting((path) => (path.startsWith('/v2/') ? 'https://cdn.test/x' : undefined));
  await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
  await open(t, 'localhost:5000/a/b:1', { client }).source.readTop(never);
  assert.deepEqual(
    client.requests.map(({ guard }) => guard),
    ['any', 'no-local', 'any', 'no-link-local'],
  );
});

test('registry R53 further ranges go straight to where the blob lies', async (t) => {
  const bytes = testBytes(5 * MIB);
  await using registry = await startRegistry({ auth: { kind: 'token' }, redirect: { to: 'server' } });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, `${registry.host}/a/b:1`);
  assert.ok((await readInParts(await openBlob(source, bytes), bytes.length, MIB)).equals(bytes));
  assert.deepEqual(
    registry.requests.map(({ kind, status }) => [kind, status]),
    [['blob', 401], ['token', 200], ['blob', 307], ...Array.from({ length: 5 }, () => ['target', 206])],
  );
});

test('registry R54 an address that expires is asked for again, at the same byte', async (t) => {
  const bytes = testBytes(3 * MIB);
  await using registry = await startRegistry({
    redirect: { to: 'server' },
    faults: [{ match: { kind: 'target' }, do: { kind: 'expire', fromByte: MIB } }],
  });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  assert.ok((await readInParts(await openBlob(source, bytes), bytes.length, MIB, 1)).equals(bytes));
  assert.equal(registry.requestsOf('blob').length, 2);
  assert.deepEqual(timing.sleeps, []);
});

test('registry R54 addresses that are all refused are asked for three times more', async (t) => {
  const bytes = testBytes(1000);
  await using registry = await startRegistry({
    redirect: { to: 'server' },
    faults: [{ match: { kind: 'target' }, do: { kind: 'expire', fromByte: 0, addresses: Infinity } }],
  });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, `${registry.host}/a/b:1`);
  await assert.rejects(readRange(await openBlob(source, bytes), 0, 1000), { code: 'ACCESS_DENIED' });
  assert.equal(registry.requestsOf('target').length, 4);
});

for (const status of [400, 401, 403, 404, 410]) {
  test(`registry R54 R33 a target that answers ${status} is forgotten, and shown no login`, async (t) => {
    const bytes = testBytes(1000);
    const basic = { 'www-authenticate': 'Basic realm="x"' };
    let served = 0;
    const client = fakeClient(({ url, headers }): CannedReply => {
      if (url.host === 'cdn.test') return served++ === 0 ? { status, headers: basic } : { body: bytes };
      if (headers['authorization'] === undefined) return { status: 401, headers: basic };
      return { status: 307, headers: { location: `https://cdn.test/${served}` } };
    });
    const credentials = { username: 'u', password: 'p' };
    const { source, timing } = open(t, 'registry.test/a/b:1', { client, credentials });
    assert.ok((await readRange(await openBlob(source, bytes), 0, bytes.length)).equals(bytes));
    assert.deepEqual(
      client.requests.map(({ url, headers }) => [url.host, headers['authorization'] !== undefined]),
      [
        ['registry.test', false],
        ['registry.test', true],
        ['cdn.test', false],
        ['registry.test', true],
        ['cdn.test', false],
      ],
    );
    assert.deepEqual(timing.sleeps, []);
  });
}

test('registry R54 refusals count between gains alone', async (t) => {
  const bytes = testBytes(8 * MIB);
  let asked = 0;
  const client = fakeClient(({ url, headers }): CannedReply => {
    if (url.host !== 'cdn.test') return { status: 307, headers: { location: `https://cdn.test/${asked}` } };
    if (asked++ % 2 === 0) return { status: 403 };
    const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '') ?? assert.fail('no range');
    const range = `bytes ${start}-${last}/${bytes.length}`;
    return { status: 206, headers: { 'content-range': range }, body: bytes.subarray(Number(start), Number(last) + 1) };
  });
  const { source } = open(t, 'registry.test/a/b:1', { client });
  const reader = await openBlob(source, bytes);
  for (let at = 0; at < 8; at++) {
    const part = await readRange(reader, at * MIB, (at + 1) * MIB);
    assert.ok(part.equals(bytes.subarray(at * MIB, (at + 1) * MIB)));
  }
  assert.equal(asked, 16);
});

function chain(hops: number, status: RedirectStatus): { match: { kind: 'manifest' }; do: FaultAction } {
  return { match: { kind: 'manifest' }, do: { kind: 'redirect-chain', hops, status } };
}

/** Registries and stores everywhere, without a network, that redirect by path. */
function redirecting(
  placeOf: (path: string) => string | undefined,
  options: { readonly isAuthorized?: boolean } = {},
): { client: ReturnType<typeof fakeClient> } {
  const challenge = { 'www-authenticate': 'Bearer realm="https://registry.test/token"' };
  const client = fakeClient(({ url, headers }): CannedReply => {
    if (url.pathname === '/token') return { body: '{"token":"t"}' };
    const isRegistry = url.pathname.startsWith('/v2/');
    if (options.isAuthorized && isRegistry && headers['authorization'] === undefined) {
      return { status: 401, headers: challenge };
    }
    const location = placeOf(url.pathname);
    return location === undefined ? { body: '{}' } : { status: 307, headers: { location } };
  });
  return { client };
}

function requestFor(text: string): HttpRequest {
  const url = new URL(text);
  return { method: 'GET', url, firstUrl: url, headers: {}, wanted: 'manifest', host: 'x', guard: 'any' };
}

test('registry R87 when ranges are refused at their target, one asks the registry anew and the others wait', async (t) => {
  const bytes = testBytes(6 * MIB);
  await using registry = await startRegistry({ redirect: { to: 'server' } });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  registry.addFault({ match: { kind: 'target' }, do: { kind: 'expire', fromByte: MIB } });
  const { source, timing } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, bytes);
  const first = await readRange(reader, 0, MIB);
  const parts = [1, 2, 3, 4, 5].map((at) => readRange(reader, at * MIB, (at + 1) * MIB));
  assert.ok(Buffer.concat([first, ...(await Promise.all(parts))]).equals(bytes));
  assert.equal(registry.requestsOf('blob').length, 2);
  assert.deepEqual(timing.sleeps, []);
});
