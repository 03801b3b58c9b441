import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createCommandLine, smallImage } from '../cli/command.js';
import { createAuthority } from '../helpers/certificates.js';
import { pushImage, startDockerRegistry, type DockerRegistry } from '../helpers/docker-registry.js';
import { needs } from '../helpers/needs.js';
import { createSkopeo } from '../helpers/skopeo.js';
import { openSluice } from '../helpers/sluice.js';
import { isolateEnvironment, temporaryDirectory } from '../helpers/temporary.js';

const run = promisify(execFile);
const image = smallImage('one', 'two');
const credentials = { username: 'user', password: 'pass word:ü' };
const authorization = `Basic ${Buffer.from('user:pass word:ü').toString('base64')}`;
const skip = needs('docker-registry') || needs('htpasswd');

/** A docker-registry with one user, and an image `a/b:1` in it. */
async function startWithPasswords(t: TestContext, http?: Record<string, unknown>): Promise<DockerRegistry> {
  const file = join(temporaryDirectory(t), 'htpasswd');
  const { stdout } = await run('htpasswd', ['-nbB', credentials.username, credentials.password]);
  writeFileSync(file, stdout);
  const auth = { htpasswd: { realm: 'test', path: file } };
  return startDockerRegistry(t, { auth, ...(http && { http }) });
}

async function push(registry: DockerRegistry): Promise<string> {
  await pushImage(registry.url, { repository: 'a/b', tag: '1', image }, { authorization });
  return `${registry.host}/a/b:1`;
}

test('registry R19 R26 a docker-registry with htpasswd: the right password, a wrong one, none', { skip }, async (t) => {
  isolateEnvironment(t);
  const reference = await push(await startWithPasswords(t));
  const sluice = await openSluice(t, { home: join(temporaryDirectory(t), 'home') });
  await assert.rejects(sluice.pull(reference), { code: 'AUTH_REQUIRED' });
  const wrong = { ...credentials, password: 'wrong' };
  await assert.rejects(sluice.pull(reference, { credentials: wrong }), { code: 'AUTH_FAILED' });
  assert.equal((await sluice.pull(reference, { credentials })).digest, image.digest);
});

test(
  'compat U8 registry R34 R28 sluice login, and the environment, at a docker-registry with htpasswd',
  { skip },
  async (t) => {
    const registry = await startWithPasswords(t);
    const reference = await push(registry);
    const command = createCommandLine(t);
    const login = ['login', registry.host, '-u', credentials.username, '--password-stdin'];
    assert.equal((await command.run(login, { input: 'wrong' })).status, 1);
    const environment = {
      SLUICE_USERNAME: credentials.username,
      SLUICE_PASSWORD: credentials.password,
      SLUICE_REGISTRY: registry.host,
    };
    assert.equal((await command.run(['pull', reference])).status, 1);
    assert.equal((await command.run(['pull', reference], { environment })).status, 0);
    assert.equal((await command.run(login, { input: credentials.password })).status, 0);
    assert.equal((await command.run(['pull', '--policy', 'always', reference])).status, 0);
    assert.equal((await command.run(['logout', registry.host])).status, 0);
    assert.equal((await command.run(['pull', '--policy', 'always', reference])).status, 1);
  },
);

test(
  'registry R29 R34 what skopeo login wrote is used, and what sluice login wrote is used by skopeo',
  { skip: skip || needs('skopeo') },
  async (t) => {
    const registry = await startWithPasswords(t);
    const reference = await push(registry);
    const command = createCommandLine(t);
    const folder = dirname(command.home);
    const skopeo = createSkopeo(folder);
    const [theirs, ours] = [join(folder, 'skopeo.json'), join(folder, 'sluice.json')];
    const user = ['--tls-verify=false', '--username', credentials.username, '--password', credentials.password];
    await skopeo.run('login', '--authfile', theirs, ...user, registry.host);
    const pulled = await command.run(['pull', reference], { environment: { REGISTRY_AUTH_FILE: theirs } });
    assert.equal(pulled.status, 0, pulled.stderr);
    await skopeo.run('login', ...user, registry.host);
    const environment = { XDG_RUNTIME_DIR: folder };
    assert.equal((await command.run(['pull', '--policy', 'always', reference], { environment })).status, 0);
    assert.equal((await command.run(['pull', '--policy', 'always', reference])).status, 1);
    const words = ['login', registry.host, '-u', credentials.username, '--password-stdin', '--authfile', ours];
    assert.equal((await command.run(words, { input: credentials.password })).status, 0);
    const inspected = await skopeo.run(
      'inspect',
      '--tls-verify=false',
      '--raw',
      '--authfile',
      ours,
      `docker://${reference}`,
    );
    assert.equal(inspected, image.manifest.bytes.toString());
    await skopeo.run('logout', '--authfile', ours, registry.host);
    const [docker] = [join(folder, '.docker', 'config.json')];
    assert.equal((await command.run(words.slice(0, 5), { input: credentials.password })).status, 0);
    await skopeo.run('inspect', '--tls-verify=false', '--raw', '--authfile', docker, `docker://${reference}`);
  },
);

test(
  'registry R41 R38 R40 a docker-registry with TLS under an authority of its own, with a login',
  { skip: skip || needs('openssl') },
  async (t) => {
    const authority = await createAuthority(t);
    const { certificateFile: certificate, keyFile: key } = await authority.issue('IP:127.0.0.1');
    const registry = await startWithPasswords(t, { tls: { certificate, key } });
    const command = createCommandLine(t);
    const [host, ca] = [registry.host, ['--tls-ca', authority.certificateFile]];
    const login = ['login', host, '-u', credentials.username, '--password-stdin'];
    const input = credentials.password;
    const plain = await command.run(login, { input });
    assert.equal(plain.status, 1);
    const other = await createAuthority(t);
    const unknown = await command.run([...login, '--tls-ca', other.certificateFile], { input });
    assert.match(unknown.stderr, /error\[TLS_FAILED\].*unknown authority[^]*hint: .*--tls-ca/);
    assert.equal((await command.run([...login, ...ca], { input })).status, 0);
    const reference = `${host}/a/b:1`;
    const refused = await command.run(['pull', reference, ...ca]);
    assert.match(refused.stderr, /error\[(MANIFEST|NAME)_UNKNOWN\]/);
    const { status, stderr } = await command.run([...login, '--tls-skip-verify'], { input });
    assert.equal(status, 0);
    assert.match(stderr, /warning: the certificate of .* is not verified/);
    const unverified = await command.run(['pull', reference, '--tls-skip-verify']);
    assert.match(unverified.stderr, /is not verified[^]*error\[(MANIFEST|NAME)_UNKNOWN\]/);
  },
);
