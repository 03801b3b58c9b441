import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildImage, file, layer } from '../../src/testing/index.js';
import { pushImage, startDockerRegistry, type DockerRegistry } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { startTokenServer, type TokenServer } from '../helpers/token-server.js';
import { never, open, openBlob, readInParts, testBytes } from '../source/registry/setup.js';

const MIB = 1024 * 1024;
const image = buildImage({ layers: [{ tar: layer(file('big', testBytes(6 * MIB))), compression: 'none' }] });
const bytes = image.layers[0]!.bytes;
const user = { username: 'user', password: 'pass', identityToken: 'identity' };
const skip = needs('docker-registry') || needs('openssl');

async function start(t: Parameters<typeof startTokenServer>[0]): Promise<{
  readonly tokens: TokenServer;
  readonly registry: DockerRegistry;
  readonly reference: string;
}> {
  const tokens = await startTokenServer(t, user);
  const registry = await startDockerRegistry(t, { auth: tokens.auth });
  const authorization = `Bearer ${tokens.issue('a/b', ['pull', 'push'])}`;
  await pushImage(registry.url, { repository: 'a/b', tag: '1', image }, { authorization });
  return { tokens, registry, reference: `${registry.host}/a/b:1` };
}

for (const [what, credentials] of [
  ['user and password', { username: user.username, password: user.password }],
  ['an identity token', { identityToken: user.identityToken }],
] as const) {
  test(
    `registry R15 R17 R20 a docker-registry with tokens, by ${what}: one token for a repository`,
    { skip },
    async (t) => {
      const { tokens, reference } = await start(t);
      const { source, client } = open(t, reference, { credentials });
      await source.readTop(never);
      await source.readDocument(image.config.descriptor, 'config', never);
      assert.ok((await readInParts(await openBlob(source, bytes), bytes.length, MIB)).equals(bytes));
      const again = open(t, reference, { credentials, client });
      await again.source.readTop(never);
      assert.deepEqual(
        tokens.requests.map(({ method, scopes }) => [method, scopes]),
        [[what === 'an identity token' ? 'POST' : 'GET', ['repository:a/b:pull']]],
      );
    },
  );
}

test('registry R22 a docker-registry whose token dies in mid pull is shown a new one', { skip }, async (t) => {
  const { tokens, registry, reference } = await start(t);
  const { source } = open(t, reference, { credentials: { username: user.username, password: user.password } });
  tokens.lifetimeSeconds = -58;
  await source.readTop(never);
  const reader = await openBlob(source, bytes);
  const first = await readInParts(reader, MIB, MIB);
  await untilRefused(registry, tokens.tokens[0]!);
  tokens.lifetimeSeconds = 3600;
  const rest: Buffer[] = [];
  await reader.read(MIB, bytes.length - MIB, (chunk) => rest.push(Buffer.from(chunk)), never);
  assert.ok(Buffer.concat([first, ...rest]).equals(bytes));
  assert.equal(tokens.requests.length, 2);
});

test(
  'registry R22 R25 a docker-registry and a token that is no good, a wrong password, nobody',
  { skip },
  async (t) => {
    const { tokens, reference } = await start(t);
    const read = (credentials?: { username: string; password: string }): Promise<unknown> =>
      open(t, reference, credentials ? { credentials } : {}).source.readTop(never);
    await assert.rejects(read({ username: 'user', password: 'wrong' }), { code: 'AUTH_FAILED' });
    await assert.rejects(read(), { code: 'AUTH_REQUIRED' });
    tokens.lifetimeSeconds = -120;
    const before = tokens.requests.length;
    await assert.rejects(read({ username: 'user', password: 'pass' }), { code: 'AUTH_FAILED' });
    assert.equal(tokens.requests.length, before + 1);
  },
);

/** Asks with the token until the registry says that it has ended, which takes two seconds. */
async function untilRefused({ url }: DockerRegistry, token: string): Promise<void> {
  for (let asked = 0; asked < 100_000; asked++) {
    const headers = { authorization: `Bearer ${token}` };
    const { status } = await fetch(`${url}/v2/a/b/manifests/1`, { method: 'HEAD', headers });
    if (status === 401) return;
  }
  throw new Error('the token never ended');
}
