import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../../../src/oci/digest.js';
import type { Credential } from '../../../src/source/registry/credentials/credential.js';
import { findCredential, type CredentialPlaces } from '../../../src/source/registry/credentials/find-credential.js';
import { forgetCredential, keepCredential } from '../../../src/source/registry/credentials/keep-credential.js';
import { createHelperMemory } from '../../../src/source/registry/credentials/helper-memory.js';
import { containersAuthPaths } from '../../../src/source/registry/credentials/places.js';
import { buildImage, file, layer, startRegistry } from '../../../src/testing/index.js';
import { eventually, fakeTiming, never, open, openBlob, readRange } from '../../source/registry/setup.js';
import { isolateEnvironment } from '../../helpers/temporary.js';

const image = buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] });
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const user = (name: string): Credential => ({ kind: 'password', username: name, password: 'pw' });
const entry = (name: string): { auth: string } => ({ auth: base64(`${name}:pw`) });

/** A machine with all six places, of which a test takes away one after the other. */
interface Machine {
  readonly home: string;
  write(path: string, value: unknown): void;
  /** @param script of a POSIX shell; `$1` is the action */
  addHelper(name: string, script: string): void;
  /** Inputs of all helpers' calls so far. */
  calls(): readonly string[];
}

function openMachine(t: TestContext): Machine {
  const home = isolateEnvironment(t);
  const bin = join(home, 'bin');
  const log = join(home, 'calls');
  mkdirSync(bin);
  writeFileSync(log, '');
  process.env['PATH'] = `${bin}:${process.env['PATH']}`;
  return {
    home,
    write: (path, value) => {
      const full = join(home, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, typeof value === 'string' ? value : JSON.stringify(value));
    },
    addHelper: (name, script) => {
      const path = join(bin, `docker-credential-${name}`);
      writeFileSync(path, `#!/bin/sh\nread server || exit 9\necho "${name} $1 $server" >> ${log}\n${script}\n`);
      chmodSync(path, 0o755);
    },
    calls: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
  };
}

const says = (name: string): string => `echo '{"ServerURL":"x","Username":"${name}","Secret":"pw"}'`;

interface Asked extends Partial<Pick<CredentialPlaces, 'given'>> {
  readonly host?: string;
  readonly repository?: string;
  readonly isFresh?: boolean;
}

function finder(t: TestContext, timing = fakeTiming(), timeoutMs = 10_000) {
  const helpers = createHelperMemory(timing, timeoutMs);
  t.after(() => helpers.close());
  return ({ host = 'host.test', repository = 'a/b', given, isFresh = false }: Asked = {}) =>
    findCredential({ given, helpers }, { host, repository, isFresh, signal: never });
}

test('registry R26 the first place that has something wins', async (t) => {
  const machine = openMachine(t);
  const find = finder(t);
  const auths = { 'host.test': entry('docker-auths') };
  machine.addHelper('one', says('docker-helper'));
  machine.addHelper('two', says('docker-store'));
  machine.addHelper('three', says('podman-helper'));
  machine.write('.docker/config.json', { auths, credHelpers: { 'host.test': 'one' }, credsStore: 'two' });
  machine.write('.config/containers/auth.json', {
    auths: { 'host.test': entry('podman-auths') },
    credHelpers: { 'host.test': 'three' },
  });
  Object.assign(process.env, { SLUICE_USERNAME: 'environment', SLUICE_PASSWORD: 'pw', SLUICE_REGISTRY: 'host.test' });
  const names: (string | null)[] = [];
  const ask = async (given?: Asked['given']): Promise<void> => {
    const { credential, problems } = await find({ given });
    assert.deepEqual(problems, []);
    names.push(credential?.kind === 'password' ? credential.username : null);
  };
  await ask({ username: 'call', password: 'pw' });
  await ask(() => Promise.resolve({ username: 'function', password: 'pw' }));
  await ask(() => null);
  delete process.env['SLUICE_USERNAME'];
  delete process.env['SLUICE_PASSWORD'];
  await ask();
  machine.write('.docker/config.json', {
    auths: { 'host.test': {} },
    credHelpers: { 'host.test': 'one' },
    credsStore: 'two',
  });
  await ask();
  machine.write('.docker/config.json', { credHelpers: { 'other.test': 'one' }, credsStore: 'two' });
  await ask();
  machine.write('.docker/config.json', {});
  await ask();
  machine.write('.config/containers/auth.json', { credHelpers: { 'host.test': 'three' } });
  await ask();
  machine.write('.config/containers/auth.json', {});
  await ask();
  assert.deepEqual(names, [
    'call',
    'function',
    'environment',
    'docker-auths',
    'docker-helper',
    'docker-store',
    'podman-auths',
    'podman-helper',
    null,
  ]);
});

test('registry R26 nothing is looked for before a registry wants a login', async (t) => {
  await using registry = await startRegistry();
  let asked = 0;
  const { source } = open(t, registry.push('a/b', '1', image), {
    credentials: () => {
      asked++;
      return null;
    },
  });
  await source.readTop(never);
  assert.equal(asked, 0);
});

test('registry R26 one pull looks for credentials once, however much it asks for', async (t) => {
  const credentials = { username: 'u', password: 'p' };
  await using registry = await startRegistry({ auth: { kind: 'basic', credentials } });
  let asked = 0;
  const { source } = open(t, registry.push('a/b', '1', image), {
    credentials: async () => {
      asked++;
      return credentials;
    },
  });
  for (let round = 0; round < 5; round++) await source.readTop(never);
  assert.equal(asked, 1);
  assert.equal(registry.requests.length, 6);
});

test('registry R26 the function is told host and repository', async (t) => {
  openMachine(t);
  const told: unknown[] = [];
  await finder(t)({
    given: (...words) => {
      told.push(words);
      return undefined;
    },
  });
  assert.deepEqual(told, [['host.test', 'a/b']]);
});

for (const [what, given] of [
  ['something else', () => ({ user: 'sentinel' }) as never],
  ['a name with a colon', () => ({ username: 'a:sentinel', password: 'x' })],
  [
    'an exception',
    () => {
      throw new Error('sentinel');
    },
  ],
] as const) {
  test(`registry R26 R35 a function that answers with ${what} is wrong, and nothing of it is shown`, async (t) => {
    openMachine(t);
    await assert.rejects(finder(t)({ given }), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /sentinel/);
      return true;
    });
  });
}

test('registry R27 the Hub is found by all its names, with its paths', async (t) => {
  const machine = openMachine(t);
  const find = finder(t);
  for (const key of ['docker.io', 'https://index.docker.io/v1/', 'index.docker.io', 'registry-1.docker.io']) {
    machine.write('.docker/config.json', { auths: { [key]: entry('hub') } });
    assert.deepEqual((await find({ host: 'docker.io' })).credential, user('hub'));
    assert.equal((await find({ host: 'host.test' })).credential, null);
  }
  machine.write('.docker/config.json', { auths: { 'docker.io': entry('hub'), 'docker.io/a': entry('a') } });
  assert.deepEqual((await find({ host: 'docker.io' })).credential, user('a'));
});

const PAIRS: readonly (readonly [environment: Record<string, string>, host: string, isOffered: boolean])[] = [
  [{}, 'docker.io', true],
  [{}, 'ghcr.io', false],
  [{ OCI_REGISTRY_DOMAIN: 'ghcr.io' }, 'ghcr.io', true],
  [{ OCI_REGISTRY_DOMAIN: 'ghcr.io' }, 'docker.io', false],
  [{ SLUICE_REGISTRY: 'host.test:5000', OCI_REGISTRY_DOMAIN: 'ghcr.io' }, 'host.test:5000', true],
  [{ SLUICE_REGISTRY: 'host.test:5000' }, 'host.test', false],
  [{ SLUICE_REGISTRY: 'https://HOST.test/' }, 'host.test', true],
  [{ SLUICE_REGISTRY: 'index.docker.io' }, 'docker.io', true],
];

for (const [environment, host, isOffered] of PAIRS) {
  test(`registry R28 with ${JSON.stringify(environment)} ${host} is ${isOffered ? '' : 'not '}offered the pair`, async (t) => {
    openMachine(t);
    Object.assign(process.env, { SLUICE_USERNAME: 'u', SLUICE_PASSWORD: 'pw', ...environment });
    assert.deepEqual((await finder(t)({ host })).credential, isOffered ? user('u') : null);
  });
}

for (const name of ['SLUICE_USERNAME', 'SLUICE_PASSWORD']) {
  test(`registry R28 ${name} alone is an error`, async (t) => {
    openMachine(t);
    process.env[name] = 'sentinel';
    await assert.rejects(finder(t)(), ({ code, message }: Error & { code: string }) => {
      assert.equal(code, 'CONFIG_INVALID');
      assert.match(message, /is not set/);
      assert.doesNotMatch(message, /sentinel/);
      return true;
    });
  });
}

test('registry R29 files lie where docker and podman put them', async (t) => {
  const machine = openMachine(t);
  const find = finder(t);
  const named = async (): Promise<string | null> => {
    const { credential } = await find();
    return credential?.kind === 'password' ? credential.username : null;
  };
  const at = (path: string, name: string): void => machine.write(path, { auths: { 'host.test': entry(name) } });
  at('.config/containers/auth.json', 'config');
  assert.equal(await named(), 'config');
  at('runtime/containers/auth.json', 'runtime');
  process.env['XDG_RUNTIME_DIR'] = join(machine.home, 'runtime');
  assert.equal(await named(), 'runtime');
  machine.write('runtime/containers/auth.json', { auths: {} });
  assert.equal(await named(), 'config');
  at('named.json', 'named');
  process.env['REGISTRY_AUTH_FILE'] = join(machine.home, 'named.json');
  assert.equal(await named(), 'named');
  machine.write('named.json', {});
  assert.equal(await named(), null);
  at('.docker/config.json', 'home');
  assert.equal(await named(), 'home');
  at('elsewhere/config.json', 'elsewhere');
  process.env['DOCKER_CONFIG'] = join(machine.home, 'elsewhere');
  assert.equal(await named(), 'elsewhere');
});

const HOME_FILE = join('/home/u', '.config/containers/auth.json');
const PODMAN_FILES: readonly (readonly [environment: NodeJS.ProcessEnv, userId: number, files: readonly string[]])[] = [
  [{}, 0, ['/run/containers/0/auth.json', HOME_FILE]],
  [{ XDG_RUNTIME_DIR: '' }, 1000, ['/run/containers/1000/auth.json', HOME_FILE]],
  [{ XDG_RUNTIME_DIR: '/run/user/7' }, 7, ['/run/user/7/containers/auth.json', HOME_FILE]],
  [{ XDG_CONFIG_HOME: '/c' }, 0, ['/run/containers/0/auth.json', '/c/containers/auth.json']],
  [{ REGISTRY_AUTH_FILE: '/a.json', XDG_RUNTIME_DIR: '/run/user/7' }, 7, ['/a.json']],
];

for (const [environment, userId, files] of PODMAN_FILES) {
  test(`registry R29 podman’s files with ${JSON.stringify(environment)} for user ${userId}`, (t) => {
    isolateEnvironment(t, { HOME: '/home/u' });
    assert.deepEqual(containersAuthPaths(environment, userId), files);
  });
}

test('registry R29 what is absent or no file is nothing, what is malformed is one warning', async (t) => {
  const machine = openMachine(t);
  mkdirSync(join(machine.home, '.docker/config.json'), { recursive: true });
  machine.write('.config/containers/auth.json', '{"auths": {sentinel');
  await using registry = await startRegistry({ auth: { kind: 'token' } });
  const { source, notices } = open(t, registry.push('a/b', '1', image));
  await source.readTop(never);
  await source.readTop(never);
  assert.deepEqual(
    notices.map(({ level, message }) => [level, message]),
    [['warn', `${machine.home}/.config/containers/auth.json: no JSON at 1:12`]],
  );
});

test('registry R31 a helper program is asked for its server, and its answer kept for five minutes', async (t) => {
  const machine = openMachine(t);
  const timing = fakeTiming();
  const find = finder(t, timing);
  machine.addHelper('my.helper-1', says('helper'));
  machine.write('.docker/config.json', { credsStore: 'my.helper-1' });
  const all = await Promise.all([find(), find(), find({ host: 'docker.io' }), find({ repository: 'other' })]);
  assert.deepEqual(
    all.map(({ credential }) => credential),
    Array.from({ length: 4 }, () => user('helper')),
  );
  assert.deepEqual(machine.calls().toSorted(), [
    'my.helper-1 get host.test',
    'my.helper-1 get https://index.docker.io/v1/',
  ]);
  timing.time += 299_000;
  await find();
  assert.equal(machine.calls().length, 2);
  await find({ isFresh: true });
  assert.equal(machine.calls().length, 3);
  timing.time += 301_000;
  await find();
  assert.equal(machine.calls().length, 4);
});

test('registry R31 a helper’s user <token> marks an identity token', async (t) => {
  const machine = openMachine(t);
  machine.addHelper('h', says('<token>'));
  machine.write('.docker/config.json', { credsStore: 'h' });
  assert.deepEqual((await finder(t)()).credential, { kind: 'identity-token', token: 'pw' });
});

const FAILING: readonly (readonly [what: string, name: string, script: string | null, problem: RegExp])[] = [
  ['is missing', 'gone', null, /^docker-credential-gone was not found$/],
  ['fails', 'h', 'echo sentinel; exit 3', /^docker-credential-h failed \(status 3\)$/],
  ['is killed', 'h', 'kill -9 $$', /^docker-credential-h failed \(SIGKILL\)$/],
  ['answers no JSON', 'h', 'echo sentinel', /^docker-credential-h answers with no user and secret$/],
  ['answers with no secret', 'h', `echo '{"Username":"sentinel"}'`, /^docker-credential-h answers with no user/],
  [
    'answers with a user alone',
    'h',
    `echo '{"Username":"sentinel","Secret":""}'`,
    /^docker-credential-h answers with no user/,
  ],
  [
    'never stops to answer',
    'h',
    'while :; do echo sentinel; done',
    /^docker-credential-h answers with more than 65536/,
  ],
  ['does not end', 'h', 'sleep 100', /^docker-credential-h did not answer within 0\.3 s$/],
  ['has a name that is a path', '../h', null, /^docker-credential-\.\.\/h has a name that no program has$/],
];

for (const [what, name, script, problem] of FAILING) {
  test(`registry R31 R32 a helper that ${what} is one problem, and the next place is asked`, async (t) => {
    const machine = openMachine(t);
    if (script !== null) machine.addHelper(name, script);
    machine.write('.docker/config.json', { credsStore: name });
    machine.write('.config/containers/auth.json', { auths: { 'host.test': entry('podman') } });
    const { credential, problems } = await finder(t, fakeTiming(), what === 'does not end' ? 300 : 10_000)();
    assert.deepEqual(credential, user('podman'));
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, problem);
  });
}

for (const script of [
  'echo "credentials not found in native keychain"; exit 1',
  `echo '{"ServerURL":"x","Username":"","Secret":""}'`,
]) {
  test(`registry R32 a helper that knows nothing of the host is no problem: ${script}`, async (t) => {
    const machine = openMachine(t);
    machine.addHelper('h', script);
    machine.write('.docker/config.json', { credsStore: 'h' });
    assert.deepEqual(await finder(t)(), { credential: null, problems: [] });
  });
}

for (const auth of [
  { kind: 'token', credentials: { username: 'u', password: 'p' } },
  { kind: 'basic', credentials: { username: 'u', password: 'p' } },
] as const) {
  test(`registry R32 when the registry then refuses (${auth.kind}), the error names the helper’s failure`, async (t) => {
    const machine = openMachine(t);
    machine.write('.docker/config.json', { credsStore: 'gone' });
    await using registry = await startRegistry({ auth });
    const { source, notices } = open(t, registry.push('a/b', '1', image));
    await assert.rejects(source.readTop(never), ({ code, message }) => {
      assert.equal(code, 'AUTH_REQUIRED');
      assert.match(message, /docker-credential-gone was not found/);
      return true;
    });
    assert.deepEqual(
      notices.map(({ message }) => message),
      ['docker-credential-gone was not found'],
    );
  });
}

test('registry R77 a signal ends the wait for a helper, and the last one the helper', async (t) => {
  const machine = openMachine(t);
  machine.addHelper('h', `echo $$ > ${machine.home}/pid; exec sleep 100`);
  machine.write('.docker/config.json', { credsStore: 'h' });
  const helpers = createHelperMemory(fakeTiming());
  t.after(() => helpers.close());
  const controllers = [new AbortController(), new AbortController()];
  const findings = controllers.map(({ signal }) =>
    assert.rejects(
      findCredential({ given: undefined, helpers }, { host: 'host.test', repository: 'a', isFresh: false, signal }),
      { code: 'ABORTED' },
    ),
  );
  const pid = (): number => Number(existsSync(`${machine.home}/pid`) && readFileSync(`${machine.home}/pid`, 'utf8'));
  await eventually(() => pid() > 0);
  controllers[0]!.abort();
  await findings[0];
  assert.ok(isRunning(pid()));
  controllers[1]!.abort();
  await findings[1];
  await eventually(() => !isRunning(pid()));
  assert.equal(machine.calls().length, 1);
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

for (const [form, server] of [
  ['docker', 'https://index.docker.io/v1/'],
  ['containers', 'docker.io'],
] as const) {
  test(`registry R34 R27 a login of the Hub is kept and forgotten as ${form} calls it: ${server}`, async (t) => {
    const path = join(openMachine(t).home, 'file.json');
    const keeping = { path, host: 'docker.io', form, signal: never };
    await keepCredential(keeping, { username: 'user', password: 'pw' });
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { auths: { [server]: entry('user') } });
    assert.equal(await forgetCredential(keeping), true);
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), { auths: {} });
  });
}

test('registry R33 a redirect’s target sees no credentials, and those of one host never go to another', async (t) => {
  const asked: string[] = [];
  const credentials = (host: string): { username: string; password: string } => {
    asked.push(host);
    return { username: 'u', password: 'p' };
  };
  const auth = { kind: 'basic', credentials: { username: 'u', password: 'p' } } as const;
  await using registry = await startRegistry({ auth, redirect: { to: 'server' } });
  const bytes = Buffer.from('0123456789');
  const { source } = open(t, registry.push('a/b', '1', image), { credentials });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  assert.ok((await readRange(await openBlob(source, bytes), 0, bytes.length)).equals(bytes));
  assert.deepEqual(asked, [registry.host]);
  const targets = registry.requests.filter(({ server }) => server === 'target');
  assert.deepEqual(
    targets.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

test('registry R39 credentials over plain HTTP that was asked for are worth one warning', async (t) => {
  const credentials = { username: 'u', password: 'p' };
  await using registry = await startRegistry({ auth: { kind: 'basic', credentials } });
  const reference = registry.push('a/b', '1', image);
  const { source, notices } = open(t, reference, { credentials, plainHttp: [registry.host] });
  await source.readTop(never);
  await source.readTop(never);
  assert.deepEqual(
    notices.map(({ level, message }) => [level, message]),
    [['warn', `credentials go to ${registry.host} by plain HTTP, for everybody on the way to read`]],
  );
  const quiet = open(t, reference, { credentials });
  await quiet.source.readTop(never);
  assert.deepEqual(quiet.notices, []);
});
