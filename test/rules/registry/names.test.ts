import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '../../../src/oci/digest.js';
import { parseReference } from '../../../src/oci/reference.js';
import { chooseEndpoint } from '../../../src/source/registry/hosts.js';
import { blobUrl, manifestUrl } from '../../../src/source/registry/urls.js';
import { buildImage, file, layer, startRegistry } from '../../../src/testing/index.js';
import { fakeClient, fakeTiming, never, open, openBlob, readRange, testBytes } from '../../source/registry/setup.js';

const ACCEPT =
  'application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, ' +
  'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json';

/** Nothing is said of any host. */
const SCHEMES = { plainHttp: [], hasTls: () => false };
const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });

for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
  test(`registry R1 ${host} is asked at registry-1.docker.io and named docker.io`, async (t) => {
    const client = fakeClient(() => ({ status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' }));
    const { source } = open(t, `${host}/library/alpine:3`, { client });
    await assert.rejects(source.readTop(never), ({ code, message, detail }) => {
      assert.deepEqual([code, detail.host], ['MANIFEST_UNKNOWN', 'docker.io']);
      assert.doesNotMatch(message, /registry-1/);
      return true;
    });
    const [request] = client.requests;
    assert.equal(request?.url.href, 'https://registry-1.docker.io/v2/library/alpine/manifests/3');
  });
}

const STAND_INS = [
  ['sandboxes.io/alpine', 'library/alpine', 'info'],
  ['sandboxes.io/library/alpine', 'library/alpine', 'info'],
  ['sandboxes.io/org/app', 'org/app', 'warn'],
] as const;

for (const [reference, path, level] of STAND_INS) {
  test(`registry R2 ${reference} is served by docker.io, with one notice (${level})`, async (t) => {
    const client = fakeClient(() => ({ body: '{}' }));
    const { source, notices } = open(t, reference, { client });
    const document = await source.readTop(never);
    await source.readTop(never);
    assert.equal(document.host, 'docker.io');
    assert.equal(client.requests[0]?.url.href, `https://registry-1.docker.io/v2/${path}/manifests/latest`);
    assert.deepEqual(
      notices.map((notice) => [notice.level, notice.host]),
      [[level, 'docker.io']],
    );
    assert.match(notices[0]?.message ?? '', /sandboxes\.io.*docker\.io/);
  });
}

test('registry R2 sandboxes.io is asked with what there is for docker.io', async (t) => {
  const asked: string[] = [];
  const client = fakeClient(({ headers }) =>
    headers['authorization'] === undefined
      ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
      : { body: '{}' },
  );
  const credentials = (host: string): { username: string; password: string } => {
    asked.push(host);
    return { username: 'u', password: 'p' };
  };
  await open(t, 'sandboxes.io/org/app', { client, credentials }).source.readTop(never);
  assert.deepEqual(asked, ['docker.io']);
});

const HOSTS = [
  ['registry.corp', 'https://registry.corp'],
  ['Registry.Corp:5000', 'https://registry.corp:5000'],
  ['GHCR.IO', 'https://ghcr.io'],
  ['10.1.2.3:5000', 'https://10.1.2.3:5000'],
  ['[2001:db8::1]', 'https://[2001:db8::1]'],
  ['[2001:DB8::1]:5000', 'https://[2001:db8::1]:5000'],
] as const;

for (const [host, origin] of HOSTS) {
  test(`registry R3 any host works: ${host}`, () => {
    assert.equal(chooseEndpoint(parseReference(`${host}/a/b:1`), SCHEMES).origin, origin);
    assert.equal(manifestUrl(chooseEndpoint(parseReference(`${host}/a/b:1`), SCHEMES), '1').origin, origin);
  });
}

test('registry R4 every request says who asks, and that it wants no encoding; there is no ping', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token' }, redirect: { to: 'server' } });
  const { source } = open(t, registry.push('a/b', '1', image));
  await source.peekDigest(never);
  await source.readTop(never);
  await source.readDocument(image.config.descriptor, 'config', never);
  const [one] = image.layers;
  assert.ok(one);
  await readRange(await openBlob(source, one.bytes), 0, one.bytes.length);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.deepEqual(
    new Set(registry.requests.map(({ kind }) => kind)),
    new Set(['manifest', 'token', 'config', 'target', 'blob']),
  );
  for (const { headers, url } of registry.requests) {
    assert.equal(headers['user-agent'], `sluice/${version}`, url);
    assert.equal(headers['accept-encoding'], 'identity', url);
    assert.equal(typeof headers.accept, 'string', url);
  }
});

test('registry R5 manifests are asked for with all four types in one header', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  await source.peekDigest(never);
  await source.readTop(never);
  await source.readDocument(image.descriptor, 'manifest', never);
  const requests = registry.requestsOf('manifest');
  assert.deepEqual(
    requests.map(({ method }) => method),
    ['HEAD', 'GET', 'GET'],
  );
  for (const { headers } of requests) assert.equal(headers.accept, ACCEPT);
});

test('registry R6 configs and layers are blobs', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  const config = await source.readDocument(image.config.descriptor, 'config', never);
  assert.ok(Buffer.from(config.bytes).equals(image.config.bytes));
  assert.deepEqual(config.expected, { digest: image.config.descriptor.digest, size: image.config.bytes.length });
  const [one] = image.layers;
  assert.ok(one);
  assert.ok((await readRange(await openBlob(source, one.bytes), 0, one.bytes.length)).equals(one.bytes));
  assert.deepEqual(
    registry.requests.map(({ method, url, headers }) => [method, url, headers.accept]),
    [
      ['GET', `/v2/a/b/blobs/${image.config.descriptor.digest}`, '*/*'],
      ['GET', `/v2/a/b/blobs/${one.descriptor.digest}`, '*/*'],
    ],
  );
});

test('registry R7 every part of a path is encoded', () => {
  const reference = parseReference('registry.test/a/b:1');
  const unit = fc.constantFrom(...'ab?#/%@\\ .:é\0"<');
  fc.assert(
    fc.property(fc.string({ unit, minLength: 1 }), fc.string({ unit, minLength: 1 }), (segment, tag) => {
      fc.pre(!/^\.{1,2}$/.test(tag) && !segment.split('/').some((part) => /^\.{0,2}$/.test(part)));
      const endpoint = { ...chooseEndpoint(reference, SCHEMES), repository: segment };
      const url = manifestUrl(endpoint, tag);
      assert.equal(url.host, 'registry.test');
      assert.equal(url.search + url.hash, '');
      const parts = url.pathname.split('/').slice(2).map(decodeURIComponent);
      assert.deepEqual(parts, [...segment.split('/'), 'manifests', tag]);
    }),
  );
});

for (const [repository, tag] of [
  ['..', '1'],
  ['a/../../b', '1'],
  ['a', '..'],
  ['a', '.'],
  ['a//b', '1'],
  ['a', ''],
] as const) {
  test(`registry R7 no URL is built of ${JSON.stringify([repository, tag])}`, () => {
    const endpoint = { ...chooseEndpoint(parseReference('registry.test/a:1'), SCHEMES), repository };
    assert.throws(() => manifestUrl(endpoint, tag), TypeError);
  });
}

test('registry R7 the colon of a digest stays as every registry expects it', () => {
  const digest = digestOf(Buffer.from('x'));
  const endpoint = chooseEndpoint(parseReference('registry.test/a/b:1'), SCHEMES);
  assert.equal(blobUrl(endpoint, digest).pathname, `/v2/a/b/blobs/${digest}`);
});

test('registry R8 the first sight of a tag is one round trip', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  const document = await source.readTop(never);
  assert.ok(Buffer.from(document.bytes).equals(image.manifest.bytes));
  assert.equal(document.contentType, image.descriptor.mediaType);
  assert.deepEqual(document.expected, { digest: image.digest });
  assert.deepEqual(
    registry.requests.map(({ method, url }) => [method, url]),
    [['GET', '/v2/a/b/manifests/1']],
  );
});

test('registry R9 a HEAD tells the digest of a tag', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  assert.equal(await source.peekDigest(never), image.digest);
  assert.deepEqual(
    registry.requests.map(({ method, url }) => [method, url]),
    [['HEAD', '/v2/a/b/manifests/1']],
  );
});

for (const status of [400, 401, 403, 404, 405, 501]) {
  test(`registry R9 a HEAD that is refused with ${status} tells nothing`, async (t) => {
    await using registry = await startRegistry({
      auth: { kind: 'token' },
      faults: [{ match: { method: 'HEAD' }, do: { kind: 'reply', status } }],
    });
    const { source, timing } = open(t, registry.push('a/b', '1', image));
    assert.equal(await source.peekDigest(never), null);
    assert.deepEqual(timing.sleeps, []);
    await source.readTop(never);
  });
}

for (const value of [null, 'sha256:short', 'nothing of the kind']) {
  test(`registry R9 a HEAD with Docker-Content-Digest ${JSON.stringify(value)} tells nothing`, async (t) => {
    const headers = { 'docker-content-digest': value };
    await using registry = await startRegistry({
      faults: [{ match: { method: 'HEAD' }, do: { kind: 'headers', headers } }],
    });
    const { source } = open(t, registry.push('a/b', '1', image));
    assert.equal(await source.peekDigest(never), null);
  });
}

test('registry R94 a malformed Docker-Content-Digest is worth a warning, and nothing else', async (t) => {
  const headers = { 'docker-content-digest': 'sha256:short\u001b' };
  const client = fakeClient(() => ({ body: '{}', headers }));
  const { source, notices } = open(t, 'registry.test/a/b:1', { client });
  const { expected } = await source.readTop(never);
  assert.equal(expected, undefined);
  assert.deepEqual(
    notices.map(({ level, message }) => [level, message]),
    [['warn', 'the registry sends a malformed Docker-Content-Digest: sha256:short']],
  );
});

test('registry R9 R66 a HEAD that may pass is tried again, and one that stays so is an error', async (t) => {
  let left = 1;
  const headers = { 'docker-content-digest': image.digest };
  const timing = fakeTiming();
  const client = fakeClient(() => (left-- > 0 ? { status: 503 } : { headers }), timing);
  const { source } = open(t, 'registry.test/a/b:1', { client, timing });
  assert.equal(await source.peekDigest(never), image.digest);
  assert.equal(timing.sleeps.length, 1);
  left = Number.POSITIVE_INFINITY;
  await assert.rejects(source.peekDigest(never), { code: 'SERVER_ERROR' });
});

test('registry R9 a HEAD that nobody answers is an error, and no answer', async (t) => {
  const registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image));
  await registry.close();
  await assert.rejects(source.peekDigest(never), { code: 'REGISTRY_UNREACHABLE' });
});

for (const suffix of ['', ':1']) {
  test(`registry R10 name${suffix}@digest is asked for by digest alone`, async (t) => {
    await using registry = await startRegistry();
    registry.push('a/b', '1', image);
    const { source } = open(t, `${registry.host}/a/b${suffix}@${image.digest}`);
    assert.equal(await source.peekDigest(never), image.digest);
    assert.deepEqual(registry.requests, []);
    const document = await source.readTop(never);
    assert.deepEqual(document.expected, { digest: image.digest });
    assert.deepEqual(
      registry.requests.map(({ url }) => url),
      [`/v2/a/b/manifests/${image.digest}`],
    );
  });
}

test('registry R11 warnings and rate limits become notices, each once', async (t) => {
  await using registry = await startRegistry({
    warnings: ['this repository \u001b[31mmoves', 'soon "gone"'],
    rateLimit: { limit: 100, remaining: 76, windowSeconds: 21_600 },
  });
  const { source, notices } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
  await source.readTop(never);
  assert.deepEqual(notices, [
    { level: 'warn', message: String.raw`the registry warns: this repository u001b[31mmoves`, host: registry.host },
    { level: 'warn', message: 'the registry warns: soon "gone"', host: registry.host },
    { level: 'info', message: '76 of 100 pulls in 21600 s are left', host: registry.host },
  ]);
});

const BODIES: readonly (readonly [what: string, body: string, registryCode: string | undefined, text: RegExp])[] = [
  ['the usual form', '{"errors":[{"code":"TEAPOT","message":"short and stout"}]}', 'TEAPOT', /TEAPOT: short and stout/],
  ['a code alone', '{"errors":[{"code":"TEAPOT"}]}', 'TEAPOT', /TEAPOT/],
  ['another JSON', '{"error":"no"}', undefined, /\{"error":"no"\}/],
  ['HTML', '<html>\r\n\t<b>No\u001b[31m</b>', undefined, /<html> <b>No \[31m<\/b>/],
  ['errors of other shapes', '{"errors":[7]}', undefined, /\{"errors":\[7\]\}/],
  ['a code of another kind', '{"errors":[{"code":7,"message":"odd"}]}', undefined, /: odd$/],
  ['a list without errors', '{"errors":[]}', undefined, /\{"errors":\[\]\}/],
  ['nothing', '', undefined, /HTTP 418$/],
];

for (const [what, body, registryCode, text] of BODIES) {
  test(`registry R12 an error body: ${what}`, async (t) => {
    const client = fakeClient(() => ({ status: 418, body }));
    const { source } = open(t, 'registry.test/a/b:1', { client });
    await assert.rejects(source.readTop(never), ({ code, message, detail }) => {
      assert.equal(code, 'PROTOCOL_ERROR');
      assert.equal(detail.status, 418);
      assert.equal(detail.registryCode, registryCode);
      assert.match(message, text);
      assert.doesNotMatch(message, /\p{Cc}/u);
      return true;
    });
  });
}

test('registry R12 an error body that never ends is read to its cap', async (t) => {
  await using registry = await startRegistry({
    faults: [{ match: {}, do: { kind: 'endless', status: 404, start: 'x', filler: 'x' } }],
  });
  const { source } = open(t, registry.push('a/b', '1', image));
  await assert.rejects(source.readTop(never), ({ code, message }) => {
    assert.equal(code, 'MANIFEST_UNKNOWN');
    assert.match(message, / x{300}$/);
    return true;
  });
});

test('registry R12 R98 of an error body 64 KiB are read', async (t) => {
  const read = async (length: number): Promise<string | undefined> => {
    const [start, end] = ['{"errors":[{"code":"TEAPOT","message":"', '"}]}'];
    const body = start + 'x'.repeat(length - start.length - end.length) + end;
    const { source } = open(t, 'registry.test/a/b:1', { client: fakeClient(() => ({ status: 418, body })) });
    return source.readTop(never).then(
      () => assert.fail('an error'),
      ({ detail }) => detail.registryCode,
    );
  };
  assert.equal(await read(64 * 1024), 'TEAPOT');
  assert.equal(await read(64 * 1024 + 1), undefined);
});

test('registry R12 the status decides, whatever the body says', async (t) => {
  const body = '{"errors":[{"code":"BLOB_UNKNOWN","message":"gone"}]}';
  const client = fakeClient(() => ({ status: 403, body }));
  const { source } = open(t, 'registry.test/a/b:1', { client });
  await assert.rejects(source.readTop(never), { code: 'ACCESS_DENIED' });
});

test('registry §12 an error says who was asked for what', async (t) => {
  await using registry = await startRegistry();
  const { source } = open(t, `${registry.host}/a/b:1`);
  const reader = await openBlob(source, testBytes(100));
  await assert.rejects(readRange(reader, 0, 100), ({ detail }) => {
    const { host, repository, asked, status, registryCode, tries, bytesSoFar } = detail;
    assert.deepEqual(
      { host, repository, asked, status, registryCode, tries, bytesSoFar },
      {
        host: registry.host,
        repository: 'a/b',
        asked: 'blob',
        status: 404,
        registryCode: 'BLOB_UNKNOWN',
        tries: 1,
        bytesSoFar: 0,
      },
    );
    return true;
  });
});
