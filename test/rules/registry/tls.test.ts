import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { rootCertificates, type TLSSocket } from 'node:tls';
import type { SluiceError } from '../../../src/errors.js';
import { NO_AUTHORITIES, readAuthorities, trustedCertificates } from '../../../src/source/registry/tls.js';
import { buildImage, file, layer, startRegistry, type TestRegistry } from '../../../src/testing/index.js';
import { createAuthority, type Authority, type KeyPair } from '../../helpers/certificates.js';
import { needs } from '../../helpers/needs.js';
import { isolateEnvironment, temporaryDirectory } from '../../helpers/temporary.js';
import { never, open, openBlob, readRange, testBytes } from '../../source/registry/setup.js';

const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });
const skip = needs('openssl');

async function startTls(
  t: TestContext,
  { key, cert }: KeyPair,
): Promise<{ registry: TestRegistry; reference: string }> {
  const registry = await startRegistry({ tls: { key, cert } });
  t.after(() => registry.close());
  return { registry, reference: registry.push('a/b', '1', image) };
}

test(
  'registry R36 R41 a loopback host with an authority of the user’s is HTTPS, and verified by it',
  { skip },
  async (t) => {
    const authority = await createAuthority(t);
    const { reference } = await startTls(t, await authority.issue('IP:127.0.0.1'));
    const { source } = open(t, reference, { tlsCa: [authority.certificateFile] });
    await source.readTop(never);
  },
);

interface Failing {
  readonly what: string;
  issue(authority: Authority): Promise<KeyPair>;
  /** Whether the authority is named. */
  readonly isNamed: boolean;
  readonly message: RegExp;
  readonly hint: RegExp;
}

const FAILING: readonly Failing[] = [
  {
    what: 'an unknown authority',
    issue: (authority) => authority.issue('IP:127.0.0.1'),
    isNamed: false,
    message: /unknown authority/,
    hint: /--tls-ca/,
  },
  {
    what: 'another name',
    issue: (authority) => authority.issue('DNS:other.test'),
    isNamed: true,
    message: /for another name/,
    hint: /issue one for this name/,
  },
  {
    what: 'an expired certificate',
    issue: (authority) => authority.issue('IP:127.0.0.1', -1),
    isNamed: true,
    message: /has expired/,
    hint: /clock/,
  },
];

for (const { what, issue, isNamed, message, hint } of FAILING) {
  test(`registry R38 ${what} is TLS_FAILED, is not tried again, and the hint says what to do`, { skip }, async (t) => {
    const [authority, other] = [await createAuthority(t), await createAuthority(t)];
    const { registry, reference } = await startTls(t, await issue(authority));
    const tlsCa = [(isNamed ? authority : other).certificateFile];
    const { source, timing } = open(t, reference, { tlsCa });
    await assert.rejects(source.readTop(never), (error: SluiceError) => {
      assert.equal(error.code, 'TLS_FAILED');
      assert.match(error.message, message);
      assert.match(error.hint, hint);
      assert.doesNotMatch(error.hint, /skip/);
      return true;
    });
    assert.deepEqual(timing.sleeps, []);
    assert.deepEqual(registry.requests, []);
  });
}

test('registry R38 R37 a registry without TLS is said to be one, and no plain HTTP is spoken', { skip }, async (t) => {
  const authority = await createAuthority(t);
  await using registry = await startRegistry();
  const { source } = open(t, registry.push('a/b', '1', image), { tlsCa: [authority.certificateFile] });
  await assert.rejects(source.readTop(never), (error: SluiceError) => {
    assert.equal(error.code, 'TLS_FAILED');
    assert.match(error.hint, /--plain-http/);
    return true;
  });
  assert.deepEqual(registry.requests, []);
});

test('registry R40 R36 a host that is named is not verified, with one warning', { skip }, async (t) => {
  const authority = await createAuthority(t);
  const { registry, reference } = await startTls(t, await authority.issue('DNS:other.test', -1));
  const { source, notices } = open(t, reference, { skipVerify: [registry.host] });
  await source.readTop(never);
  await source.readTop(never);
  assert.equal(notices.length, 1);
  assert.match(notices[0]!.message, /is not verified/);
  const neighbour = open(t, reference, { skipVerify: ['127.0.0.1', 'localhost'], tlsCa: [authority.certificateFile] });
  await assert.rejects(neighbour.source.readTop(never), { code: 'TLS_FAILED' });
});

test('registry R40 a redirect’s target on another host is verified all the same', { skip }, async (t) => {
  const authority = await createAuthority(t);
  const { key, cert } = await authority.issue('IP:127.0.0.1');
  await using registry = await startRegistry({ tls: { key, cert }, redirect: { to: 'server' } });
  const bytes = testBytes(100);
  const reference = registry.push('a/b', '1', buildImage({ layers: [{ tar: bytes, compression: 'none' }] }));
  const read = async (options: Parameters<typeof open>[2]): Promise<Buffer> =>
    readRange(await openBlob(open(t, reference, options).source, bytes), 0, bytes.length);
  await assert.rejects(read({ skipVerify: [registry.host] }), { code: 'TLS_FAILED' });
  assert.ok((await read({ skipVerify: [registry.host], tlsCa: [authority.certificateFile] })).equals(bytes));
  assert.ok((await read({ skipVerify: [registry.host, new URL(registry.targetUrl!).host] })).equals(bytes));
});

test(
  'registry R41 Node’s, the system’s, the environment’s and the user’s authorities are all trusted',
  { skip },
  async (t) => {
    const home = isolateEnvironment(t);
    const [system, extra, named] = [await createAuthority(t), await createAuthority(t), await createAuthority(t)];
    Object.assign(process.env, { SSL_CERT_FILE: system.certificateFile, NODE_EXTRA_CA_CERTS: extra.certificateFile });
    for (const authority of [system, extra, named]) {
      const { reference } = await startTls(t, await authority.issue('IP:127.0.0.1'));
      const { source } = open(t, reference, { tlsCa: [named.certificateFile] });
      await source.readTop(never);
    }
    const all = trustedCertificates(readAuthorities([named.certificateFile]));
    assert.equal(all.length, rootCertificates.length + 3);
    process.env['SSL_CERT_FILE'] = join(home, 'absent');
    delete process.env['NODE_EXTRA_CA_CERTS'];
    assert.equal(trustedCertificates(NO_AUTHORITIES).length, rootCertificates.length);
  },
);

test('registry R41 a file of authorities that is absent, or holds none, is CONFIG_INVALID and names the file', (t) => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'none.pem');
  writeFileSync(path, 'no certificate');
  for (const [file_, why] of [
    [path, /none\.pem": it holds no certificate/],
    [join(directory, 'absent.pem'), /absent\.pem": ENOENT/],
    [directory, /EISDIR/],
  ] as const) {
    assert.throws(
      () => readAuthorities([file_]),
      ({ code, message }: SluiceError) => {
        assert.equal(code, 'CONFIG_INVALID');
        assert.match(message, why);
        return true;
      },
    );
  }
});

test('registry R43 pulls with the same settings share connections, those with others do not', { skip }, async (t) => {
  const authority = await createAuthority(t);
  const { registry, reference } = await startTls(t, await authority.issue('IP:127.0.0.1'));
  const first = open(t, reference, { tlsCa: [authority.certificateFile] });
  const { client } = first;
  await first.source.readTop(never);
  await open(t, reference, { client, tlsCa: [authority.certificateFile] }).source.readTop(never);
  await open(t, reference, { client, skipVerify: [registry.host] }).source.readTop(never);
  await open(t, reference, { client, skipVerify: [registry.host] }).source.readTop(never);
  assert.deepEqual(
    registry.requests.map(({ connection }) => connection),
    [1, 1, 2, 2],
  );
});

test('registry R47 HTTP/2 is not offered', { skip }, async (t) => {
  const authority = await createAuthority(t);
  const { key, cert } = await authority.issue('IP:127.0.0.1');
  const offered: (string | false | null)[] = [];
  const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
    offered.push((request.socket as TLSSocket).alpnProtocol);
    response.setHeader('content-type', 'application/json');
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const reference = `127.0.0.1:${(server.address() as AddressInfo).port}/a/b:1`;
  await open(t, reference, { tlsCa: [authority.certificateFile] }).source.readTop(never);
  assert.equal(offered.length, 1);
  assert.notEqual(offered[0], 'h2');
});
