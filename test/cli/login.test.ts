import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startRegistry } from '../../src/testing/index.js';
import { needs } from '../helpers/needs.js';
import { createCommandLine, errorOf, jsonLines, smallImage, type CommandLine } from './command.js';

const credentials = { username: 'user', password: 'sentinel:pass' };
const basic = { kind: 'basic', credentials } as const;
const auth = Buffer.from('user:sentinel:pass').toString('base64');

interface Place {
  readonly command: CommandLine;
  /** Folder of the user. */
  readonly folder: string;
  readonly config: string;
  readConfig(): Record<string, unknown>;
  writeConfig(value: unknown): void;
  /** Adds a helper program that keeps its calls in a file. */
  addHelper(name: string, script: string): Record<string, string>;
}

function openPlace(t: TestContext): Place {
  const command = createCommandLine(t);
  const folder = dirname(command.home);
  const config = join(folder, '.docker', 'config.json');
  return {
    command,
    folder,
    config,
    readConfig: () => JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>,
    writeConfig: (value) => {
      mkdirSync(dirname(config), { recursive: true });
      writeFileSync(config, typeof value === 'string' ? value : JSON.stringify(value), { mode: 0o644 });
    },
    addHelper: (name, script) => {
      const path = join(folder, `docker-credential-${name}`);
      writeFileSync(path, `#!/bin/sh\n(echo "$1"; cat; echo) >> ${join(folder, 'calls')}\n${script}\n`);
      chmodSync(path, 0o755);
      return { PATH: `${folder}:${process.env['PATH']}` };
    },
  };
}

const words = (host: string): string[] => ['login', host, '--username', 'user', '--password-stdin'];

for (const auths of [basic, { kind: 'token', credentials } as const]) {
  test(`registry R34 login checks (${auths.kind}), keeps, and is used by pull; logout forgets`, async (t) => {
    const { command, config, readConfig } = openPlace(t);
    await using registry = await startRegistry({ auth: auths });
    const reference = registry.push('a/b', '1', smallImage('one'));
    const before = await command.run(['pull', reference]);
    assert.match(before.stderr, /error\[AUTH_REQUIRED\][^]*hint: .*sluice login/);
    const { status, stdout, stderr } = await command.run(words(registry.host), { input: 'sentinel:pass\n' });
    assert.deepEqual([status, stdout, stderr], [0, `Logged in to ${registry.host}; kept in ${config}\n`, '']);
    assert.deepEqual(readConfig(), { auths: { [registry.host]: { auth } } });
    assert.equal(statSync(config).mode & 0o777, 0o600);
    assert.equal(statSync(dirname(config)).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(dirname(config)), ['config.json']);
    assert.equal((await command.run(['pull', reference])).status, 0);
    assert.equal((await command.run(['logout', registry.host])).stdout, `Logged out of ${registry.host}\n`);
    assert.deepEqual(readConfig(), { auths: {} });
    assert.equal((await command.run(['logout', registry.host])).stdout, `Not logged in to ${registry.host}\n`);
  });

  test(`registry R34 a wrong password is not kept (${auths.kind})`, async (t) => {
    const { command, config } = openPlace(t);
    await using registry = await startRegistry({ auth: auths });
    const { status, stdout, stderr } = await command.run(words(registry.host), { input: 'sentinel-wrong' });
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^error\[AUTH_FAILED\]: logging in to 127\.0\.0\.1/);
    assert.doesNotMatch(stderr, /sentinel/);
    assert.ok(!existsSync(config));
  });
}

test('registry R34 every other key stays, a link stays a link, and the file is replaced at once', async (t) => {
  const { command, folder, config, readConfig, writeConfig } = openPlace(t);
  await using registry = await startRegistry({ auth: basic });
  const others = { HttpHeaders: { 'X-Meta': 'v' }, psFormat: 'table', auths: { 'ghcr.io': { auth: 'eDp5' } } };
  writeConfig(others);
  const real = join(folder, 'dotfiles.json');
  writeFileSync(real, readFileSync(config));
  const inode = statSync(real).ino;
  rmSync(config);
  symlinkSync(real, config);
  assert.equal((await command.run(words(registry.host), { input: 'sentinel:pass' })).status, 0);
  assert.deepEqual(readConfig(), { ...others, auths: { ...others.auths, [registry.host]: { auth } } });
  assert.ok(lstatSync(config).isSymbolicLink());
  assert.notEqual(statSync(real).ino, inode);
  assert.equal(statSync(real).mode & 0o777, 0o600);
  assert.equal((await command.run(['logout', registry.host])).status, 0);
  assert.deepEqual(readConfig(), others);
});

test('registry R34 a malformed file is left as it is, before anything is asked', async (t) => {
  const { command, config, writeConfig } = openPlace(t);
  await using registry = await startRegistry({ auth: basic });
  writeConfig('{"auths": sentinel');
  const { status, stderr } = await command.run(words(registry.host), { input: 'sentinel:pass' });
  assert.equal(status, 2);
  assert.match(stderr, /config\.json: no JSON at 1:11/);
  assert.doesNotMatch(stderr, /sentinel/);
  assert.equal(readFileSync(config, 'utf8'), '{"auths": sentinel');
  assert.deepEqual(registry.requests, []);
});

for (const key of ['credsStore', 'credHelpers'] as const) {
  test(`registry R34 with ${key} the helper program keeps and forgets the secret`, async (t) => {
    const { command, folder, readConfig, writeConfig, addHelper } = openPlace(t);
    await using registry = await startRegistry({ auth: basic });
    const settings = key === 'credsStore' ? { credsStore: 'box' } : { credHelpers: { [registry.host]: 'box' } };
    writeConfig({ ...settings, auths: { [registry.host]: { auth: 'b2xkOnB3' } } });
    const environment = addHelper('box', '');
    const { status, stdout } = await command.run(words(registry.host), { input: 'sentinel:pass', environment });
    assert.deepEqual([status, stdout], [0, `Logged in to ${registry.host}; kept in docker-credential-box\n`]);
    assert.deepEqual(readConfig(), { ...settings, auths: { [registry.host]: {} } });
    assert.equal((await command.run(['logout', registry.host], { environment })).status, 0);
    assert.deepEqual(readConfig(), { ...settings, auths: {} });
    const [store, secret, erase, server] = readFileSync(join(folder, 'calls'), 'utf8').split('\n');
    assert.deepEqual([store, erase, server], ['store', 'erase', registry.host]);
    assert.deepEqual(JSON.parse(secret!), {
      ServerURL: registry.host,
      Username: 'user',
      Secret: 'sentinel:pass',
    });
  });
}

test('registry R34 a helper program that fails keeps nothing anywhere', async (t) => {
  const { command, readConfig, writeConfig, addHelper } = openPlace(t);
  await using registry = await startRegistry({ auth: basic });
  writeConfig({ credsStore: 'box' });
  const environment = addHelper('box', 'echo sentinel; exit 1');
  const { status, stderr } = await command.run(words(registry.host), { input: 'sentinel:pass', environment });
  assert.equal(status, 2);
  assert.match(stderr, /docker-credential-box failed \(status 1\)[^]*hint: .*config\.json names this helper/);
  assert.doesNotMatch(stderr, /sentinel/);
  assert.deepEqual(readConfig(), { credsStore: 'box' });
});

test('registry R34 --authfile keeps the login where podman and skopeo look', async (t) => {
  const { command, folder, config } = openPlace(t);
  await using registry = await startRegistry({ auth: basic });
  const authfile = join(folder, 'auth.json');
  const login = [...words(registry.host), '--authfile', authfile, '--json'];
  const { stdout } = await command.run(login, { input: 'sentinel:pass' });
  assert.deepEqual(jsonLines(stdout), [
    { result: { host: registry.host, username: 'user', isChecked: true, file: authfile, helper: null } },
  ]);
  assert.ok(!existsSync(config));
  const reference = registry.push('a/b', '1', smallImage('one'));
  const pulled = await command.run(['pull', reference], { environment: { REGISTRY_AUTH_FILE: authfile } });
  assert.equal(pulled.status, 0);
});

test('registry R34 a registry that asks nobody is said to be one', async (t) => {
  const { command } = openPlace(t);
  await using registry = await startRegistry();
  const { status, stdout } = await command.run(words(registry.host), { input: 'x' });
  assert.equal(status, 0);
  assert.match(stdout, /nothing was checked/);
});

const WRONG: readonly (readonly [what: string, words: readonly string[], message: RegExp])[] = [
  ['a password among the words', ['login', 'host.test', '-u', 'u', '-p', 'sentinel'], /--password-stdin/],
  ['no terminal', ['login', 'host.test', '-u', 'u'], /no terminal/],
  ['no user', ['login', 'host.test', '--password-stdin'], /needs --username/],
  ['an empty password', ['login', 'host.test', '-u', 'u', '--password-stdin'], /no password/],
  ['a name that is no host', ['login', 'library', '-u', 'u', '--password-stdin'], /reading the host/],
  ['a path', ['logout', 'host.test/path'], /reading the host/],
];

for (const [what, line, message] of WRONG) {
  test(`registry R34 ${what} is wrong usage`, async (t) => {
    const input = what === 'a name that is no host' ? 'pw' : '';
    const { status, stdout, stderr } = await openPlace(t).command.run(line, { input });
    assert.equal(status, 2);
    assert.match(stderr, message);
    assert.doesNotMatch(stdout + stderr, /sentinel/);
  });
}

test(
  'registry R34 on a terminal user and password are asked for, the password unseen',
  { skip: needs('python3') },
  async (t) => {
    const { command, readConfig } = openPlace(t);
    await using registry = await startRegistry({ auth: basic });
    const typed = [
      [`Username for ${registry.host}: `, 'usex\u007fr\r'],
      ['Password: ', 'wrong\u0015sentinel:pass\r'],
    ] as const;
    const { status, stdout } = await command.runOnTerminal(['login', registry.host], { typed });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /usex/);
    assert.doesNotMatch(stdout, /sentinel|wrong/);
    assert.deepEqual(readConfig(), { auths: { [registry.host]: { auth } } });
  },
);

test('registry R34 Ctrl-C at the prompt ends the command', { skip: needs('python3') }, async (t) => {
  const { command } = openPlace(t);
  const { status, stdout } = await command.runOnTerminal(['login', 'host.test', '-u', 'u'], {
    interruptAfter: 'Password: ',
  });
  assert.equal(status, 130);
  assert.match(stdout, /error\[ABORTED\]/);
});

test('registry R34 --json prints what failed', async (t) => {
  await using registry = await startRegistry({ auth: basic });
  const { stdout } = await openPlace(t).command.run([...words(registry.host), '--json'], { input: 'sentinel-no' });
  const { code, asked, status } = errorOf(stdout);
  assert.deepEqual([code, asked, status], ['AUTH_FAILED', 'login', 401]);
  assert.doesNotMatch(stdout, /sentinel/);
});
