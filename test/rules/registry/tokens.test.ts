import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { SluiceError } from '../../../src/errors.js';
import { digestOf } from '../../../src/oci/digest.js';
import type { HttpRequest } from '../../../src/source/registry/http.js';
import { createRegistryClient } from '../../../src/source/registry/registry-client.js';
import { buildImage, type Fault, file, layer, startRegistry } from '../../../src/testing/index.js';
import {
  eventually,
  fakeClient,
  fakeTiming,
  type CannedReply,
  never,
  open,
  openBlob,
  readRange,
  testBytes,
} from '../../source/registry/setup.js';

const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });

test('registry R13 the first request has no answer to a challenge, later ones carry it at once', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const { source } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
  await source.readDocument(image.config.descriptor, 'config', never);
  assert.deepEqual(
    registry.requests.map(({ kind, headers }) => [kind, typeof headers.authorization]),
    [
      ['manifest', 'undefined'],
      ['token', 'undefined'],
      ['manifest', 'string'],
      ['config', 'string'],
    ],
  );
});

const CHALLENGES: readonly (readonly [what: string, header: string | string[], expected: string])[] = [
  ['Basic and no credentials', 'Basic realm="x"', 'AUTH_REQUIRED'],
  ['schemes nobody speaks', ['Negotiate', 'NTLM, Digest realm="x"'], 'AUTH_UNSUPPORTED'],
  ['Bearer without a realm', 'Bearer service="x"', 'AUTH_UNSUPPORTED'],
  ['no challenge at all', [], 'AUTH_REQUIRED'],
];

for (const [what, header, expected] of CHALLENGES) {
  test(`registry R14 a 401 with ${what} is ${expected}`, async (t) => {
    const client = fakeClient(() => ({ status: 401, headers: { 'www-authenticate': header } }));
    const { source } = open(t, 'registry.test/a/b:1', { client });
    await assert.rejects(source.readTop(never), ({ code, message }) => {
      assert.equal(code, expected);
      if (expected === 'AUTH_UNSUPPORTED' && Array.isArray(header)) assert.match(message, /negotiate, ntlm, digest/);
      return true;
    });
    assert.equal(client.requests.length, 1);
  });
}

test('registry R14 Bearer wins over Basic, in whatever order they come', async (t) => {
  const { client, tokenRequests } = tokenServer({
    challenge: ['Basic realm="x"', 'Negotiate', 'Bearer realm="https://auth.test/token"'],
  });
  await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
  assert.equal(tokenRequests().length, 1);
});

test('registry R15 the token is asked for with service and scope, the query of the realm being kept', async (t) => {
  const challenge = 'Bearer realm="https://auth.test/token?tenant=7",service="reg is",scope="repository:a/b:pull"';
  const { client, tokenRequests } = tokenServer({ challenge });
  await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
  const [request] = tokenRequests();
  assert.ok(request);
  assert.equal(request.method, 'GET');
  assert.equal(request.headers['authorization'], undefined);
  assert.deepEqual(
    [...request.url.searchParams],
    [
      ['tenant', '7'],
      ['service', 'reg is'],
      ['scope', 'repository:a/b:pull'],
    ],
  );
});

test('registry R15 a reply with access_token alone works', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token', field: 'access_token' } });
  const { source } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
});

for (const body of ['{}', 'no json', '{"token":"a b"}']) {
  test(`registry R15 a reply without a token is AUTH_FAILED: ${body}`, async (t) => {
    const { client } = tokenServer({ token: () => ({ body }) });
    await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), ({ code, detail }) => {
      assert.equal(code, 'AUTH_FAILED');
      assert.equal(detail.asked, 'token');
      return true;
    });
  });
}

test('registry R98 a token reply that never ends is cut at its cap', async (t) => {
  await using registry = await startRegistry({
    auth: { kind: 'token' },
    faults: [{ match: { kind: 'token' }, do: { kind: 'endless', start: '{"token":"', filler: 'x' } }],
  });
  const { source } = open(t, registry.push('a/b', '1', image), { caps: { maxTokenBytes: 10_000 } });
  await assert.rejects(source.readTop(never), ({ code, detail }) => {
    assert.equal(code, 'TOO_LARGE');
    assert.deepEqual(detail.limit, { option: 'maxTokenBytes', value: 10_000 });
    return true;
  });
});

const SCOPES = [
  ['scope="aws"', ['aws']],
  ['scope="repository:a/b:pull repository:c:pull,push"', ['repository:a/b:pull', 'repository:c:pull,push']],
  ['scope="  b  a "', ['b', 'a']],
  ['service="x"', ['repository:a/b:pull']],
] as const;

for (const [parameter, expected] of SCOPES) {
  test(`registry R15 R16 the scopes of a challenge with ${parameter}`, async (t) => {
    const { client, tokenRequests } = tokenServer({ challenge: `Bearer realm="https://auth.test/token",${parameter}` });
    await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
    assert.deepEqual(tokenRequests()[0]?.url.searchParams.getAll('scope'), expected);
  });
}

test('registry R17 an identity token is exchanged by POST', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token', identityToken: 'idt', field: 'access_token' } });
  const { source } = open(t, registry.push('a/b', '1', image), { credentials: { identityToken: 'idt' } });
  await source.readTop(never);
  const [request] = registry.requestsOf('token');
  assert.deepEqual(
    [request?.method, request?.url, request?.headers['content-type'], request?.headers.authorization],
    ['POST', '/token', 'application/x-www-form-urlencoded', undefined],
  );
  assert.deepEqual(Object.fromEntries(new URLSearchParams(request?.body)), {
    grant_type: 'refresh_token',
    refresh_token: 'idt',
    client_id: 'sluice',
    service: 'registry.test',
    scope: 'repository:a/b:pull',
  });
});

test('registry R17 a new identity token is used from then on, and the first again when it is refused', async (t) => {
  const forms: string[] = [];
  const timing = fakeTiming();
  const client = fakeClient((request) => {
    if (request.wanted !== 'token') return answerTo(request, 'Bearer realm="https://auth.test/token"');
    const shown = new URLSearchParams(request.body).get('refresh_token') ?? '';
    forms.push(shown);
    if (forms.length === 3) return { status: 401 };
    return { body: JSON.stringify({ access_token: 't', expires_in: 100, refresh_token: `${shown}+` }) };
  }, timing);
  const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { identityToken: 'first' } });
  for (let round = 0; round < 3; round++) {
    await source.readTop(never);
    timing.time += 99_000;
  }
  assert.deepEqual(forms, ['first', 'first+', 'first++', 'first']);
});

for (const status of [404, 405]) {
  test(`registry R17 a token server that answers ${status} to an identity token wants a password`, async (t) => {
    const { client } = tokenServer({ token: () => ({ status }) });
    const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { identityToken: 'idt' } });
    await assert.rejects(source.readTop(never), (error: SluiceError) => {
      assert.equal(error.code, 'AUTH_UNSUPPORTED');
      assert.match(error.hint, /a user name and a password/);
      return true;
    });
  });
}

test('registry R15 R17 user and password are shown by GET, as Basic', async (t) => {
  const credentials = { username: 'üser', password: 'pass:wörd' };
  await using registry = await startRegistry({ auth: { kind: 'token', credentials } });
  const { source } = open(t, registry.push('a/b', '1', image), { credentials });
  await source.readTop(never);
  assert.deepEqual(
    registry.requests.map(({ kind, method, headers }) => [kind, method, headers.authorization?.split(' ')[0]]),
    [
      ['manifest', 'GET', undefined],
      ['token', 'GET', 'Basic'],
      ['manifest', 'GET', 'Bearer'],
    ],
  );
  const shown = registry.requestsOf('token')[0]?.headers.authorization ?? '';
  assert.equal(Buffer.from(shown.slice(6), 'base64').toString('utf8'), 'üser:pass:wörd');
});

test('registry R18 a registry token is the Bearer itself', async (t) => {
  const { client, tokenRequests } = tokenServer({ accepts: (token) => token === 'mine' });
  const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { registryToken: 'mine' } });
  await source.readTop(never);
  assert.deepEqual(tokenRequests(), []);
  assert.deepEqual(
    client.requests.map(({ headers }) => headers['authorization']),
    [undefined, 'Bearer mine'],
  );
});

test('registry R18 R22 a registry token that is refused is final', async (t) => {
  const { client } = tokenServer({ accepts: () => false });
  const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { registryToken: 'mine' } });
  await assert.rejects(source.readTop(never), { code: 'AUTH_FAILED' });
  assert.equal(client.requests.length, 2);
  await assert.rejects(source.readTop(never), { code: 'AUTH_FAILED' });
  assert.equal(client.requests.length, 3);
});

test('registry R19 R13 Basic is remembered for the whole host', async (t) => {
  const credentials = { username: 'u', password: 'p' };
  await using registry = await startRegistry({ auth: { kind: 'basic', credentials } });
  const { source, client } = open(t, registry.push('a/b', '1', image), { credentials });
  await source.readTop(never);
  const other = open(t, registry.push('c/d', '1', image), { client, credentials });
  await other.source.readTop(never);
  assert.deepEqual(
    registry.requests.map(({ status, headers }) => [status, headers.authorization]),
    [
      [401, undefined],
      [200, `Basic ${Buffer.from('u:p').toString('base64')}`],
      [200, `Basic ${Buffer.from('u:p').toString('base64')}`],
    ],
  );
});

test('registry R19 who has no password is not kept from what others of the host need none for', async (t) => {
  const client = fakeClient(({ url, headers }) =>
    url.pathname.startsWith('/v2/public/') || headers['authorization'] !== undefined
      ? { body: '{}' }
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
  );
  const credentials = { username: 'u', password: 'p' };
  await open(t, 'registry.test/private/a:1', { client, credentials }).source.readTop(never);
  await open(t, 'registry.test/public/a:1', { client }).source.readTop(never);
  await open(t, 'registry.test/public/a:1', { client, credentials: { registryToken: 'r' } }).source.readTop(never);
  await assert.rejects(open(t, 'registry.test/private/a:1', { client }).source.readTop(never), {
    code: 'AUTH_REQUIRED',
  });
});

test('registry R19 Basic with a wrong password is asked once, and is AUTH_FAILED', async (t) => {
  const auth = { kind: 'basic', credentials: { username: 'u', password: 'p' } } as const;
  await using registry = await startRegistry({ auth });
  const credentials = { username: 'u', password: 'wrong' };
  const { source, timing } = open(t, registry.push('a/b', '1', image), { credentials });
  await assert.rejects(source.readTop(never), { code: 'AUTH_FAILED' });
  assert.equal(registry.requests.length, 2);
  assert.deepEqual(timing.sleeps, []);
});

test('registry R19 Basic and nothing but a token is AUTH_UNSUPPORTED', async (t) => {
  const client = fakeClient(() => ({ status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }));
  for (const credentials of [{ identityToken: 'i' }, { registryToken: 'r' }]) {
    const { source } = open(t, 'registry.test/a/b:1', { client, credentials });
    await assert.rejects(source.readTop(never), { code: 'AUTH_UNSUPPORTED' });
  }
});

test('registry R20 R119 two users of one process get a token each, and never the other’s', async (t) => {
  const { client, tokenRequests } = tokenServer({});
  const users = [{ username: 'a', password: 'p' }, { username: 'b', password: 'p' }, undefined];
  for (const credentials of [...users, ...users]) {
    const { source } = open(t, 'registry.test/a/b:1', { client, ...(credentials && { credentials }) });
    await source.readTop(never);
  }
  assert.deepEqual(
    tokenRequests().map(({ headers }) => headers['authorization']),
    [`Basic ${btoa('a:p')}`, `Basic ${btoa('b:p')}`, undefined],
  );
});

test('registry R20 all requests of a repository share one token', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const { source } = open(t, registry.push('a/b', '1', image));
  await Promise.all([
    source.readTop(never),
    source.readTop(never),
    source.readDocument(image.config.descriptor, 'config', never),
  ]);
  await source.readTop(never);
  assert.equal(registry.requestsOf('token').length, 1);
});

test('registry R20 two pulls with one client share it too', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const reference = registry.push('a/b', '1', image);
  const first = open(t, reference);
  await first.source.readTop(never);
  await open(t, reference, { client: first.client }).source.readTop(never);
  assert.equal(registry.requestsOf('token').length, 1);
});

test('registry R20 whoever leaves ends nobody else’s token request', async (t) => {
  let go = (): void => undefined;
  const until = new Promise<void>((resolve) => {
    go = resolve;
  });
  await using registry = await startRegistry({
    auth: { kind: 'token' },
    faults: [{ match: { kind: 'token' }, do: { kind: 'hold', until } }],
  });
  const base = createRegistryClient();
  t.after(() => base.close());
  let waiting = 0;
  const find: typeof base.tokens.find = (...all) => (waiting++, base.tokens.find(...all));
  const client = { ...base, tokens: { ...base.tokens, find } };
  const { source } = open(t, registry.push('a/b', '1', image), { client });
  const controller = new AbortController();
  const leaving = assert.rejects(source.readTop(controller.signal), { code: 'ABORTED' });
  const staying = source.readTop(never);
  await eventually(() => registry.requestsOf('token').length > 0 && waiting === 2);
  controller.abort();
  await leaving;
  go();
  await staying;
  assert.equal(registry.requestsOf('token').length, 1);
});

test('registry R21 a token that is about to end is renewed before use', async (t) => {
  await using registry = await startRegistry({ auth: { kind: 'token', expiresInSeconds: 100 } });
  const { source, timing } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
  timing.time += 89_000;
  await source.readTop(never);
  assert.equal(registry.requestsOf('token').length, 1);
  timing.time += 2000;
  await source.readTop(never);
  assert.equal(registry.requestsOf('token').length, 2);
  assert.ok(registry.requests.slice(3).every(({ status }) => status === 200));
});

test('registry R22 a 401 in the middle of a blob costs one token, no try, and no byte', async (t) => {
  const bytes = testBytes(20_000);
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const { source, timing } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  registry.addFault({ match: { kind: 'blob' }, nth: 1, do: { kind: 'cut', atByte: 7000, by: 'fin' } });
  const reader = await openBlob(source, bytes);
  const reading = readRange(reader, 0, bytes.length);
  await eventually(() => registry.requestsOf('blob').length > 0);
  registry.revokeTokens();
  assert.ok((await reading).equals(bytes));
  assert.equal(registry.requestsOf('token').length, 2);
  assert.equal(timing.sleeps.length, 1);
  const ranges = registry.requestsOf('blob').map(({ headers, status }) => [headers.range, status]);
  assert.deepEqual(ranges, [
    [undefined, 200],
    ['bytes=7000-19999', 401],
    ['bytes=7000-19999', 206],
  ]);
});

test('registry R22 a second 401 with the fresh token is final', async (t) => {
  const { client, tokenRequests } = tokenServer({ accepts: () => false });
  const { source, timing } = open(t, 'registry.test/a/b:1', { client });
  await assert.rejects(source.readTop(never), ({ code, message }) => {
    assert.equal(code, 'AUTH_REQUIRED');
    assert.match(message, /does not exist, or needs a login/);
    return true;
  });
  assert.equal(tokenRequests().length, 1);
  assert.deepEqual(timing.sleeps, []);
});

test('registry R22 with credentials the second 401 is AUTH_FAILED', async (t) => {
  const { client } = tokenServer({ accepts: () => false });
  const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { username: 'u', password: 'p' } });
  await assert.rejects(source.readTop(never), { code: 'AUTH_FAILED' });
});

test('registry R22 credentials that changed in the middle of a pull are found anew', async (t) => {
  let password = 'old';
  let accepted = 'old';
  const client = fakeClient((request) => {
    if (request.wanted !== 'token') return answerTo(request, 'Bearer realm="https://auth.test/token"', accepted);
    const shown = atob((request.headers['authorization'] ?? '').slice(6));
    return shown === `u:${accepted}` ? { body: JSON.stringify({ token: accepted }) } : { status: 401 };
  });
  const credentials = (): { username: string; password: string } => ({ username: 'u', password });
  const { source } = open(t, 'registry.test/a/b:1', { client, credentials });
  await source.readTop(never);
  password = accepted = 'new';
  await source.readTop(never);
});

for (const [passwords, outcome, asked] of [
  [['old', 'new'], null, 2],
  [['old', 'old'], 'AUTH_FAILED', 1],
] as const) {
  test(`registry R31 R22 credentials that a token server refuses are looked for once more: ${passwords.join(', ')}`, async (t) => {
    const { client, tokenRequests } = tokenServer({
      token: () =>
        tokenRequests().at(-1)?.headers['authorization'] === `Basic ${btoa('u:new')}`
          ? { body: '{"token":"t"}' }
          : { status: 401 },
    });
    const left: string[] = [...passwords];
    const credentials = (): { username: string; password: string } => ({ username: 'u', password: left.shift() ?? '' });
    const reading = open(t, 'registry.test/a/b:1', { client, credentials }).source.readTop(never);
    if (outcome === null) await reading;
    else await assert.rejects(reading, { code: outcome });
    assert.equal(tokenRequests().length, asked);
    assert.deepEqual(left, []);
  });
}

test('registry R22 the new challenge counts, not the old one', async (t) => {
  let round = 0;
  const { client, tokenRequests } = tokenServer({
    challenge: () => `Bearer realm="https://auth.test/token",scope="round-${round}"`,
    accepts: (token) => token === `token-round-${round}`,
  });
  const { source } = open(t, 'registry.test/a/b:1', { client });
  await source.readTop(never);
  round++;
  await source.readTop(never);
  assert.deepEqual(
    tokenRequests().map(({ url }) => url.searchParams.get('scope')),
    ['round-0', 'round-1'],
  );
});

for (const status of [400, 403] as const) {
  test(`registry R23 a ${status} to a cached token draws a new challenge, once`, async (t) => {
    await using registry = await startRegistry({ auth: { kind: 'token' } });
    const { source } = open(t, registry.push('a/b', '1', image));
    await source.readTop(never);
    registry.clearRequests();
    const fault: Fault = { match: { kind: 'manifest' }, nth: 1, do: { kind: 'refuse', status } };
    const remove = registry.addFault(fault);
    await source.readTop(never);
    assert.deepEqual(
      registry.requests.map(({ kind, status: got, headers }) => [kind, got, headers.authorization !== undefined]),
      [
        ['manifest', status, true],
        ['manifest', 401, false],
        ['token', 200, false],
        ['manifest', 200, true],
      ],
    );
    remove();
    registry.clearRequests();
    registry.addFault({ ...fault, nth: 'every' });
    await assert.rejects(source.readTop(never), { code: status === 400 ? 'PROTOCOL_ERROR' : 'ACCESS_DENIED' });
    assert.equal(registry.requests.length, 2);
  });

  test(`registry R23 a ${status} without a token is final`, async (t) => {
    await using registry = await startRegistry({
      faults: [{ match: { kind: 'manifest' }, do: { kind: 'refuse', status } }],
    });
    const { source } = open(t, registry.push('a/b', '1', image));
    await assert.rejects(source.readTop(never), { code: status === 400 ? 'PROTOCOL_ERROR' : 'ACCESS_DENIED' });
    assert.equal(registry.requests.length, 1);
  });
}

for (const status of [401, 400, 403] as const) {
  test(`registry R22 R23 R20 a token that another repository drew, answered with ${status}, is renewed`, async (t) => {
    const challenge = 'Bearer realm="https://auth.test/token",scope="aws"';
    let issued = 0;
    let newest = 1;
    const client = fakeClient((request) => {
      if (request.wanted === 'token') return { body: `{"token":"t${++issued}"}` };
      const reply = answerTo(request, challenge, `t${newest}`);
      return reply.status === 401 && request.headers['authorization'] !== undefined && status !== 401
        ? { status }
        : reply;
    });
    await open(t, 'registry.test/a/b:1', { client }).source.readTop(never);
    newest = 2;
    await open(t, 'registry.test/c/d:1', { client }).source.readTop(never);
    assert.equal(issued, 2);
  });
}

for (const status of [400, 403] as const) {
  for (const [what, challenge, asked] of [
    ['a token that was just made', 'Bearer realm="https://auth.test/token"', ['manifest', 'token', 'manifest']],
    ['a password', 'Basic realm="x"', ['manifest', 'manifest']],
  ] as const) {
    test(`registry R23 a ${status} to ${what} is final`, async (t) => {
      const client = fakeClient(({ wanted, headers }) => {
        if (wanted === 'token') return { body: '{"token":"t"}' };
        return headers['authorization'] === undefined
          ? { status: 401, headers: { 'www-authenticate': challenge } }
          : { status };
      });
      const { source } = open(t, 'registry.test/a/b:1', { client, credentials: { username: 'u', password: 'p' } });
      await assert.rejects(source.readTop(never), { code: status === 400 ? 'PROTOCOL_ERROR' : 'ACCESS_DENIED' });
      assert.deepEqual(
        client.requests.map(({ wanted }) => wanted),
        asked,
      );
    });
  }
}

for (const realm of ['http://auth.test/token', 'https://169.254.169.254/token', 'https://localhost/token']) {
  test(`registry R24 a realm that may not be asked is not: ${realm}`, async (t) => {
    const { client, tokenRequests } = tokenServer({ challenge: `Bearer realm="${realm}"` });
    await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), {
      code: 'AUTH_REALM_REFUSED',
    });
    assert.deepEqual(tokenRequests(), []);
  });
}

test('registry R24 a redirect of the token request passes the same test', async (t) => {
  const { client } = tokenServer({
    token: () => ({ status: 307, headers: { location: 'https://10.0.0.7/token' } }),
  });
  await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), {
    code: 'AUTH_REALM_REFUSED',
  });
});

test('registry R24 R33 neither a password nor an identity token follows a redirect to another origin', async (t) => {
  const redirecting = (): ReturnType<typeof tokenServer> => {
    let asked = 0;
    return tokenServer({
      token: () =>
        asked++ === 0
          ? { status: 307, headers: { location: 'https://elsewhere.test/token' } }
          : { body: '{"token":"t"}' },
    });
  };
  const byGet = redirecting();
  const credentials = { username: 'u', password: 'p' };
  await open(t, 'registry.test/a/b:1', { client: byGet.client, credentials }).source.readTop(never);
  assert.deepEqual(
    byGet.tokenRequests().map(({ url, headers }) => [url.host, headers['authorization'] !== undefined]),
    [
      ['auth.test', true],
      ['elsewhere.test', false],
    ],
  );
  const byPost = redirecting();
  const { source } = open(t, 'registry.test/a/b:1', { client: byPost.client, credentials: { identityToken: 'idt' } });
  await assert.rejects(source.readTop(never), { code: 'AUTH_REALM_REFUSED' });
  assert.equal(byPost.tokenRequests().length, 1);
});

test('registry R33 a token server is shown what there is for the registry that names it', async (t) => {
  const asked: string[] = [];
  const credentials = (host: string): { username: string; password: string } => {
    asked.push(host);
    return { username: 'user', password: `of ${host}` };
  };
  const { client, tokenRequests } = tokenServer({});
  await open(t, 'registry.test/a/b:1', { client, credentials }).source.readTop(never);
  assert.deepEqual(asked, ['registry.test']);
  assert.equal(tokenRequests()[0]?.headers['authorization'], `Basic ${btoa('user:of registry.test')}`);
});

test('registry R24 a realm whose name leads to this machine is refused', async (t) => {
  const { client, tokenRequests } = tokenServer({
    token: () => {
      throw new SluiceError('REDIRECT_REFUSED', { message: 'the name leads to 127.0.0.1', rule: 'registry R52' });
    },
  });
  await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), {
    code: 'AUTH_REALM_REFUSED',
  });
  assert.equal(tokenRequests()[0]?.guard, 'no-local');
});

test('registry R24 a name that stands for loopback is refused when it is connected to', async (t) => {
  await using registry = await startRegistry();
  const { client } = open(t, registry.push('a/b', '1', image));
  const url = new URL(`http://localhost:${registry.port}/v2/`);
  const request = {
    method: 'GET',
    url,
    firstUrl: url,
    headers: {},
    wanted: 'token',
    host: 'x',
    guard: 'no-local',
  } as const;
  await assert.rejects(
    client.dispatch(request, () => () => undefined, never),
    { code: 'REDIRECT_REFUSED' },
  );
  await client.dispatch({ ...request, guard: 'any' }, () => () => undefined, never);
  assert.equal(registry.requests.length, 1);
});

for (const status of [401, 403]) {
  test(`registry R25 a token server that answers ${status} means a missing or private repository`, async (t) => {
    const { client, tokenRequests } = tokenServer({ token: () => ({ status }) });
    await assert.rejects(
      open(t, 'registry.test/a/b:1', { client }).source.readTop(never),
      ({ code, message, detail }) => {
        assert.equal(code, 'AUTH_REQUIRED');
        assert.match(message, /does not exist, or needs a login/);
        assert.equal(detail.asked, 'token');
        return true;
      },
    );
    assert.equal(tokenRequests().length, 1);
  });
}

const MISSING = [
  ['manifest', '{"errors":[{"code":"NAME_UNKNOWN"}]}', 'NAME_UNKNOWN'],
  ['manifest', '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', 'MANIFEST_UNKNOWN'],
  ['manifest', '<html>', 'MANIFEST_UNKNOWN'],
  ['config', '{"errors":[{"code":"BLOB_UNKNOWN"}]}', 'BLOB_UNKNOWN'],
  ['config', '', 'BLOB_UNKNOWN'],
] as const;

for (const [asked, body, code] of MISSING) {
  test(`registry R25 a 404 for a ${asked} that says ${JSON.stringify(body)} is ${code}`, async (t) => {
    const client = fakeClient(() => ({ status: 404, body }));
    const { source } = open(t, 'registry.test/a/b:1', { client });
    const descriptor = asked === 'manifest' ? image.descriptor : image.config.descriptor;
    await assert.rejects(source.readDocument(descriptor, asked, never), { code });
  });
}

test('registry R35 no error of authentication shows a token or the query of a realm', async (t) => {
  const challenge = 'Bearer realm="https://auth.test/token?key=sentinel"';
  for (const token of [{ status: 500 }, { status: 401 }, { body: '{"token":"sentinel and more"}' }]) {
    const { client } = tokenServer({ challenge, token: () => token });
    const error: unknown = await open(t, 'registry.test/a/b:1', { client })
      .source.readTop(never)
      .catch((e: unknown) => e);
    assert.doesNotMatch(inspect(error, { depth: 9 }), /sentinel/);
  }
});

/** Ways to repeat in an error what a request has shown. */
const ECHOES: readonly ((secret: string, authorization: string) => string)[] = [
  (_, authorization) => `${authorization} is no good`,
  (_, authorization) => `${authorization.split(' ')[1]} is no good`,
  (secret) => `${secret} is no good`,
  (secret) => JSON.stringify({ errors: [{ code: 'DENIED', message: `${secret} is no good` }] }),
  (secret) => `/?secret=${encodeURIComponent(secret)}&is no good`,
  (secret) => `${new URLSearchParams({ secret }).toString()} is no good`,
];

for (const [what, secret, credentials] of [
  ['a password', 's3ntinel:"w\u00f6rd" &c', { username: 'user', password: 's3ntinel:"w\u00f6rd" &c' }],
  ['a registry token', 's3ntinel.token', { registryToken: 's3ntinel.token' }],
] as const) {
  test(`registry R35 R12 an error leaves out what the registry repeats of ${what}, and keeps the rest`, async (t) => {
    const challenge = what === 'a password' ? 'Basic realm="x"' : 'Bearer realm="https://auth.test/token"';
    const bytes = testBytes(10);
    for (const echo of ECHOES) {
      for (const status of [401, 403, 404] as const) {
        const client = fakeClient(({ headers: { authorization } }) => ({
          status: authorization === undefined ? 401 : status,
          headers: { 'www-authenticate': challenge },
          body: authorization === undefined ? '' : echo(secret, authorization),
        }));
        const { source } = open(t, 'registry.test/a/b:1', { client, credentials });
        const reader = await openBlob(source, bytes);
        for (const asked of [source.readTop(never), readRange(reader, 0, bytes.length)]) {
          const error: unknown = await asked.catch((e: unknown) => e);
          assert.ok(error instanceof SluiceError);
          assert.match(error.message, /….*is no good/);
          assert.doesNotMatch(inspect(error, { depth: 9 }), /s3ntinel|dXNlcjpzM250/);
        }
      }
    }
  });
}

for (const [what, secret, credentials] of [
  ['a password', 's3ntinel', { username: 'user', password: 's3ntinel' }],
  ['an identity token', 's3ntinel', { identityToken: 's3ntinel' }],
] as const) {
  test(`registry R35 of a token server’s error nothing is told when it was shown ${what}`, async (t) => {
    for (const status of [400, 401, 403, 429, 500]) {
      for (const body of [
        `no such user: ${secret}`,
        JSON.stringify({ errors: [{ code: secret, message: Buffer.from(secret).toString('hex') }] }),
      ]) {
        const { client } = tokenServer({ token: () => ({ status, body }) });
        const error: unknown = await open(t, 'registry.test/a/b:1', { client, credentials })
          .source.readTop(never)
          .catch((e: unknown) => e);
        assert.ok(error instanceof SluiceError);
        assert.equal(error.detail.status, status);
        assert.doesNotMatch(inspect(error, { depth: 9 }), /s3ntinel|73336e74/);
      }
    }
  });
}

test('registry R12 what a token server tells somebody without a login is told', async (t) => {
  const { client } = tokenServer({ token: () => ({ status: 429, body: 'too many pulls' }) });
  await assert.rejects(open(t, 'registry.test/a/b:1', { client }).source.readTop(never), {
    code: 'RATE_LIMITED',
    message: /too many pulls/,
  });
});

/** What a registry answers to a request with the token, and to one without. */
function answerTo({ headers }: HttpRequest, challenge: string, token = 't'): CannedReply {
  if (headers['authorization'] === `Bearer ${token}`) return { body: '{}' };
  return { status: 401, headers: { 'www-authenticate': challenge } };
}

interface TokenServerOptions {
  readonly challenge?: string | string[] | (() => string);
  readonly token?: () => CannedReply;
  readonly accepts?: (token: string) => boolean;
}

/** A registry at registry.test and a token server at auth.test, without a network. */
function tokenServer(options: TokenServerOptions): {
  client: ReturnType<typeof fakeClient>;
  tokenRequests: () => ReturnType<typeof fakeClient>['requests'];
} {
  const { challenge = 'Bearer realm="https://auth.test/token"', accepts = () => true } = options;
  const client = fakeClient(({ wanted, url, headers }) => {
    if (wanted === 'token') {
      const body = JSON.stringify({ token: `token-${encodeURIComponent(url.searchParams.get('scope') ?? '')}` });
      return options.token?.() ?? { body };
    }
    const token = /^Bearer (.*)$/.exec(headers['authorization'] ?? '')?.[1];
    if (token !== undefined && accepts(token)) return { body: '{}' };
    const header = typeof challenge === 'function' ? challenge() : challenge;
    return { status: 401, headers: { 'www-authenticate': header } };
  });
  return { client, tokenRequests: () => client.requests.filter(({ wanted }) => wanted === 'token') };
}
