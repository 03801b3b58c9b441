import assert from 'node:assert/strict';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { buildImage, buildIndex, jsonBlob, layer, randomImage, startRegistry } from '../../src/testing/index.js';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { startDockerRegistry } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { createSkopeo } from '../helpers/skopeo.js';
import { temporaryDirectory } from '../helpers/temporary.js';

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function get(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string; agent?: Agent } = {},
): Promise<Got> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, rest, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

const image = randomImage({ seed: 1 });
const blob = image.layers[0]!;

test('manifests by tag and by digest, GET and HEAD', async () => {
  await using registry = await startRegistry();
  assert.equal(registry.push('org/app', '1', image), `${registry.host}/org/app:1`);
  assert.equal(registry.push('org/app', null, image), `${registry.host}/org/app@${image.digest}`);
  for (const what of ['1', image.digest]) {
    const reply = await get(`${registry.url}/v2/org/app/manifests/${what}`);
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.body, image.manifest.bytes);
    assert.equal(reply.headers['content-type'], 'application/vnd.oci.image.manifest.v1+json');
    assert.equal(reply.headers['docker-content-digest'], image.digest);
    const head = await get(`${registry.url}/v2/org/app/manifests/${what}`, { method: 'HEAD' });
    assert.equal(head.body.length, 0);
    assert.equal(head.headers['content-length'], String(image.manifest.bytes.length));
  }
});

test('what is not there is a typed 404', async () => {
  await using registry = await startRegistry();
  registry.push('org/app', '1', image);
  const codeOf = async (path: string): Promise<string> => {
    const { status, body } = await get(`${registry.url}${path}`);
    assert.equal(status, 404);
    return (JSON.parse(body.toString()) as { errors: { code: string }[] }).errors[0]!.code;
  };
  assert.equal(await codeOf('/v2/other/manifests/1'), 'NAME_UNKNOWN');
  assert.equal(await codeOf('/v2/org/app/manifests/2'), 'MANIFEST_UNKNOWN');
  assert.equal(await codeOf('/v2/org/app/blobs/sha256:00'), 'BLOB_UNKNOWN');
  assert.equal(await codeOf('/nothing'), 'UNSUPPORTED');
  registry.remove('org/app', blob.descriptor.digest);
  assert.equal(await codeOf(`/v2/org/app/blobs/${blob.descriptor.digest}`), 'BLOB_UNKNOWN');
});

test('blobs with ranges', async () => {
  await using registry = await startRegistry();
  registry.push('org/app', '1', image);
  const size = blob.bytes.length;
  const ask = (range?: string, method = 'GET'): Promise<Got> =>
    get(`${registry.url}/v2/org/app/blobs/${blob.descriptor.digest}`, { method, headers: range ? { range } : {} });
  assert.deepEqual((await ask()).body, blob.bytes);
  assert.equal((await ask(undefined, 'HEAD')).headers['content-length'], String(size));
  for (const [range, start, end] of [
    ['bytes=0-9', 0, 10],
    ['bytes=5-', 5, size],
    ['bytes=-7', size - 7, size],
    [`bytes=${size - 3}-${size + 100}`, size - 3, size],
  ] as const) {
    const reply = await ask(range);
    assert.equal(reply.status, 206, range);
    assert.equal(reply.headers['content-range'], `bytes ${start}-${end - 1}/${size}`);
    assert.deepEqual(reply.body, blob.bytes.subarray(start, end));
  }
  const behind = await ask(`bytes=${size}-`);
  assert.equal(behind.status, 416);
  assert.equal(behind.headers['content-range'], `bytes */${size}`);
  assert.equal((await ask('bytes=0-1,3-4')).status, 200);
});

test('a registry without ranges sends everything', async () => {
  await using registry = await startRegistry({ hasRanges: false });
  registry.push('org/app', '1', image);
  const reply = await get(`${registry.url}/v2/org/app/blobs/${blob.descriptor.digest}`, {
    headers: { range: 'bytes=3-' },
  });
  assert.equal(reply.status, 200);
  assert.deepEqual(reply.body, blob.bytes);
});

test('connections are kept, requests are logged', async () => {
  await using registry = await startRegistry({ headers: { 'x-all': 'yes' } });
  registry.push('org/app', '1', image);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let count = 0; count < 20; count++) {
    const { headers } = await get(`${registry.url}/v2/`, { agent, headers: { 'x-test': String(count) } });
    assert.equal(headers['x-all'], 'yes');
  }
  await get(`${registry.url}/v2/org/app/blobs/${image.config.descriptor.digest}?ns=x`, { agent });
  agent.destroy();
  assert.equal(registry.requests.length, 21);
  assert.ok(registry.requests.every(({ connection }) => connection === 1));
  const last = registry.requests.at(-1)!;
  assert.deepEqual(
    [last.kind, last.status, last.bytesSent, last.isFinished],
    ['config', 200, image.config.bytes.length, true],
  );
  assert.match(last.url, /\?ns=x$/);
  assert.equal(registry.requestsOf('ping')[3]!.headers['x-test'], '3');
  registry.clearRequests();
  assert.equal(registry.requests.length, 0);
});

test('tokens: challenge, scope, count, expiry, revocation', async () => {
  await using registry = await startRegistry({ auth: { kind: 'token', service: 'my service', field: 'access_token' } });
  registry.push('org/app', '1', image);
  registry.push('org/other', '1', image);
  const url = `${registry.url}/v2/org/app/manifests/1`;
  const refused = await get(url);
  assert.equal(refused.status, 401);
  const challenge = refused.headers['www-authenticate']!;
  assert.equal(challenge, `Bearer realm="${registry.url}/token",service="my service",scope="repository:org/app:pull"`);
  const reply = await get(`${registry.url}/token?service=x&scope=repository:org/app:pull`);
  const { access_token: token } = JSON.parse(reply.body.toString()) as { access_token: string };
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await get(url, { headers })).status, 200);
  assert.equal((await get(`${registry.url}/v2/org/other/manifests/1`, { headers })).status, 401);
  assert.equal(registry.requestsOf('token').length, 1);
  registry.revokeTokens();
  assert.equal((await get(url, { headers })).status, 401);
});

test('tokens for those with credentials, in every form', async () => {
  const credentials = { username: 'me', password: 'sec:ret' };
  const auth = { kind: 'token', credentials, identityToken: 'id', expiresInSeconds: 0 } as const;
  await using registry = await startRegistry({ auth });
  registry.push('org/app', '1', image);
  const status = async (options: Parameters<typeof get>[1]): Promise<number> =>
    (await get(`${registry.url}/token?scope=repository:org/app:pull`, options)).status;
  assert.equal(await status({}), 401);
  const authorization = `Basic ${Buffer.from('me:sec:ret').toString('base64')}`;
  assert.equal(await status({ headers: { authorization } }), 200);
  assert.equal(await status({ method: 'POST', body: 'grant_type=password&username=me&password=sec%3Aret' }), 200);
  assert.equal(await status({ method: 'POST', body: 'grant_type=refresh_token&refresh_token=id' }), 200);
  assert.equal(await status({ method: 'POST', body: 'grant_type=refresh_token&refresh_token=no' }), 401);
  assert.match(registry.requests.at(-1)!.body, /refresh_token=no/);
});

test('basic authentication', async () => {
  await using registry = await startRegistry({
    auth: { kind: 'basic', credentials: { username: 'a', password: 'b' } },
  });
  const refused = await get(`${registry.url}/v2/`);
  assert.equal(refused.headers['www-authenticate'], 'Basic realm="registry.test"');
  const headers = { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` };
  assert.equal((await get(`${registry.url}/v2/`, { headers })).status, 200);
});

for (const to of ['path', 'server'] as const) {
  test(`blobs are redirected to another ${to}`, async () => {
    await using registry = await startRegistry({ redirect: { to, status: 302 } });
    registry.push('org/app', '1', image);
    const first = await get(`${registry.url}/v2/org/app/blobs/${blob.descriptor.digest}`);
    assert.equal(first.status, 302);
    const location = new URL(first.headers.location!, registry.url);
    assert.equal(location.origin === registry.url, to === 'path');
    const reply = await get(location.href, { headers: { range: 'bytes=1-' } });
    assert.equal(reply.status, 206);
    assert.deepEqual(reply.body, blob.bytes.subarray(1));
    assert.equal((await get(location.href, { headers: { authorization: 'x' } })).status, 400);
    assert.deepEqual(registry.requests.map(({ kind, server }) => `${server} ${kind}`).slice(0, 2), [
      'registry blob',
      `${to === 'path' ? 'registry' : 'target'} target`,
    ]);
  });
}

test('warnings and rate limits come with manifests', async () => {
  const rateLimit = { limit: 100, remaining: 7, windowSeconds: 21600 };
  await using registry = await startRegistry({ warnings: ['old', 'a "b"'], rateLimit });
  registry.push('org/app', '1', image);
  const { headers } = await get(`${registry.url}/v2/org/app/manifests/1`);
  assert.equal(headers['warning'], '299 - "old", 299 - "a \\"b\\""');
  assert.equal(headers['ratelimit-limit'], '100;w=21600');
  assert.equal(headers['ratelimit-remaining'], '7;w=21600');
});

test('tags move, and any document can be pushed', async () => {
  await using registry = await startRegistry();
  const other = buildImage({ layers: [{ tar: layer() }] });
  registry.push('org/app', '1', image);
  registry.push('org/app', null, other);
  const digestOfTag = async (): Promise<unknown> =>
    (await get(`${registry.url}/v2/org/app/manifests/1`, { method: 'HEAD' })).headers['docker-content-digest'];
  registry.moveTag('org/app', '1', other);
  assert.equal(await digestOfTag(), other.digest);
  registry.moveTag('org/app', '1', image.digest);
  assert.equal(await digestOfTag(), image.digest);
  const strange = jsonBlob('application/strange', 'sha256', [1]);
  registry.pushManifest('org/app', strange, '1');
  assert.equal(await digestOfTag(), strange.descriptor.digest);
  assert.throws(() => registry.moveTag('org/app', '1', 'sha256:00' as typeof image.digest), /was not pushed/);
});

test('it stops, starts again on its port with its content, and resets connections', async () => {
  await using registry = await startRegistry({ redirect: { to: 'server' } });
  registry.push('org/app', '1', image);
  const url = `${registry.url}/v2/org/app/manifests/1`;
  await registry.stop();
  await assert.rejects(get(url), { code: /^ECONNRE(FUSED|SET)$/ });
  await registry.restart();
  assert.equal((await get(url)).status, 200);
  registry.addFault({ match: { kind: 'manifest' }, do: { kind: 'hold' } });
  const held = get(url);
  while (registry.requestsOf('manifest').length < 2) await new Promise(setImmediate);
  registry.resetConnections();
  await assert.rejects(held, { code: 'ECONNRESET' });
});

test('https, with a cut and a redirect to a server of its own', { skip: needs('openssl') }, async (t) => {
  const directory = temporaryDirectory(t);
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const names = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', [...words, '-keyout', key, '-out', cert, ...names], { stdio: 'pipe' });
  const tls = { key: readFileSync(key), cert: readFileSync(cert) };
  const read = (url: string): Promise<{ location: string | undefined; body: Buffer }> =>
    new Promise((resolve, reject) => {
      const request = httpsRequest(url, { ca: tls.cert, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
        response.on('end', () => resolve({ location: response.headers.location, body: Buffer.concat(chunks) }));
      });
      request.on('error', reject).end();
    });
  await using registry = await startRegistry({ tls, redirect: { to: 'server' } });
  registry.push('org/app', '1', image);
  const first = await read(`${registry.url}/v2/org/app/blobs/${blob.descriptor.digest}`);
  assert.ok(first.location!.startsWith(`${registry.targetUrl}/target/`));
  assert.match(registry.targetUrl!, /^https:/);
  assert.deepEqual((await read(first.location!)).body, blob.bytes);
  for (const by of ['fin', 'rst'] as const) {
    const takeOut = registry.addFault({ match: { kind: 'target' }, do: { kind: 'cut', atByte: 5, by } });
    await assert.rejects(read(first.location!), { code: 'ECONNRESET' });
    takeOut();
  }
});

test('closing ends what is held', async () => {
  const registry = await startRegistry({ faults: [{ match: {}, do: { kind: 'hold' } }] });
  const held = get(`${registry.url}/v2/`);
  held.catch(() => undefined);
  while (registry.requests.length === 0) await new Promise(setImmediate);
  await registry.close();
  await assert.rejects(held);
});

test('skopeo pulls from it, with tokens and redirects', { skip: needs('skopeo') }, async (t) => {
  const directory = temporaryDirectory(t);
  const skopeo = createSkopeo(directory);
  await using registry = await startRegistry({ auth: { kind: 'token' }, redirect: { to: 'server' } });
  const index = buildIndex([image, randomImage({ seed: 2, platform: 'linux/arm64/v8' })], { mediaTypes: 'docker' });
  const one = registry.push('org/app', '1', image);
  const many = registry.push('org/app', 'many', index);
  assert.deepEqual(await skopeo.inspectRaw(`docker://${one}`), image.manifest.bytes);
  assert.deepEqual(await skopeo.inspectRaw(`docker://${many}`), index.index.bytes);
  assert.equal((await skopeo.inspect(`docker://${one}`))['Digest'], image.digest);
  await skopeo.copy(`docker://${many}`, `dir:${directory}/many`, '--all');
  assert.deepEqual(await skopeo.listTags(`docker://${registry.host}/org/app`), ['1', 'many']);
  assert.ok(registry.requestsOf('target').every(({ headers }) => headers.authorization === undefined));
});

test(
  'skopeo copies between it and docker-registry without a change',
  { skip: needs('skopeo') || needs('docker-registry') },
  async (t) => {
    const real = await startDockerRegistry(t);
    const skopeo = createSkopeo(temporaryDirectory(t));
    await using registry = await startRegistry();
    const reference = registry.push('org/app', '1', image);
    await skopeo.copy(`docker://${reference}`, `docker://${real.host}/org/app:1`);
    assert.deepEqual(await skopeo.inspectRaw(`docker://${real.host}/org/app:1`), image.manifest.bytes);
    const { headers, body } = await get(`${real.url}/v2/org/app/blobs/${blob.descriptor.digest}`);
    const ours = await get(`${registry.url}/v2/org/app/blobs/${blob.descriptor.digest}`);
    assert.deepEqual(ours.body, body);
    for (const name of [
      'content-type',
      'docker-content-digest',
      'etag',
      'content-length',
      'docker-distribution-api-version',
    ]) {
      assert.equal(ours.headers[name], headers[name], name);
    }
    await real.stop();
    await assert.rejects(get(real.url), { code: /^ECONNRE(FUSED|SET)$/ });
  },
);
