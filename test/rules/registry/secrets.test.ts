import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import type { Credentials } from '../../../src/index.js';
import { type Fault, type RegistryAuth, startRegistry } from '../../../src/testing/index.js';
import { createCommandLine, smallImage } from '../../cli/command.js';
import { openLab } from '../../helpers/sluice.js';

/** Stands in every secret; base64 of it begins alike wherever it stands. */
const SECRET = 'S3NTINEL';
const SENTINEL = new RegExp([SECRET, btoa(`u:${SECRET}`).slice(0, 12), btoa(SECRET).slice(0, 10)].join('|'));
const image = smallImage('one', 'two');
const password = { username: 'u', password: `${SECRET}-password` };

const USERS: readonly (readonly [what: string, credentials: Credentials, auth: RegistryAuth])[] = [
  ['a password by Basic', password, { kind: 'basic', credentials: password }],
  ['a password for tokens', password, { kind: 'token', credentials: password }],
  [
    'an identity token',
    { identityToken: `${SECRET}-identity` },
    { kind: 'token', identityToken: `${SECRET}-identity` },
  ],
  ['a registry token', { registryToken: `${SECRET}-registry` }, { kind: 'token' }],
  ['a wrong password', { username: 'u', password: `${SECRET}-wrong` }, { kind: 'token', credentials: password }],
];

const TOKEN = { kind: 'token' } as const;
const BLOB = { kind: 'blob' } as const;
const secretUrl = `https://u:${SECRET}@elsewhere.test/x?sig=${SECRET}`;
const FAULTS: readonly (readonly [what: string, fault: Fault])[] = [
  ['nothing', { match: { path: 'no such path' }, do: { kind: 'hold' } }],
  ['a 403', { match: { kind: 'manifest' }, do: { kind: 'refuse', status: 403 } }],
  ['a 401 that stays', { match: BLOB, do: { kind: 'refuse', status: 401 } }],
  ['a token server that fails', { match: TOKEN, do: { kind: 'reply', status: 418, body: secretUrl } }],
  ['no token in the reply', { match: TOKEN, do: { kind: 'reply', status: 200, body: `{"tok":"${SECRET}"}` } }],
  ['a token with a blank', { match: TOKEN, do: { kind: 'reply', status: 200, body: `{"token":"${SECRET} x"}` } }],
  ['a redirect with a user', { match: BLOB, do: { kind: 'redirect', location: secretUrl } }],
  ['a redirect to plain HTTP', { match: BLOB, do: { kind: 'redirect', location: `http://[::]/x?sig=${SECRET}` } }],
  ['a redirect of a file', { match: BLOB, do: { kind: 'redirect', location: `file:///x?sig=${SECRET}` } }],
  ['a redirect that refuses', { match: BLOB, do: { kind: 'redirect', location: `/target/no/such?sig=${SECRET}` } }],
  ['a redirect of the token', { match: TOKEN, do: { kind: 'redirect', location: secretUrl } }],
  [
    'a challenge with secrets',
    { match: { kind: 'manifest' }, do: { kind: 'refuse', status: 401, challenge: `Bearer realm="${secretUrl}"` } },
  ],
  [
    'a warning',
    { match: { kind: 'manifest' }, do: { kind: 'headers', headers: { warning: `299 - "see ${secretUrl}"` } } },
  ],
  [
    'a wrong Docker-Content-Digest',
    { match: { kind: 'manifest' }, do: { kind: 'headers', headers: { 'docker-content-digest': secretUrl } } },
  ],
  ['a reset', { match: BLOB, do: { kind: 'reply', status: 404, body: `Authorization: Bearer ${SECRET}` } }],
];

for (const [who, credentials, auth] of USERS) {
  test(`registry R35 no error, event or channel shows anything of ${who}`, async (t) => {
    const lab = await openLab(t, { registry: { auth, headers: { 'set-cookie': `c=${SECRET}` } } });
    const seen: unknown[] = [];
    const keep = (message: unknown): void => void seen.push(message);
    subscribe('sluice:event', keep);
    t.after(() => void unsubscribe('sluice:event', keep));
    let failures = 0;
    for (const [at, [what, fault]] of FAULTS.entries()) {
      const remove = lab.registry.addFault(fault);
      const reference = lab.registry.push(`a/b${at}`, '1', image);
      const error: unknown = await lab.pull(reference, { credentials, policy: 'always' }).catch((e: unknown) => e);
      if (error instanceof Error) failures++;
      for (let part: unknown = error; part instanceof Error; part = part.cause) {
        assert.doesNotMatch(`${part.message}\n${part.stack}`, SENTINEL, what);
      }
      assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), SENTINEL, what);
      assert.doesNotMatch(JSON.stringify(error), SENTINEL, what);
      remove();
      // What was extracted once is not asked for again.
      for (const { descriptor } of image.layers) await forgetLayer(lab.home, descriptor.digest);
    }
    assert.ok(failures >= 3, `${failures} pulls failed`);
    assert.ok(lab.events.length > 0 && seen.length > 0);
    assert.doesNotMatch(inspect([lab.events, seen], { depth: 9, maxArrayLength: null }), SENTINEL);
  });
}

async function forgetLayer(home: string, digest: string): Promise<void> {
  const folder = join(home, 'layers');
  const hex = digest.slice('sha256:'.length);
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.includes(hex)) await rm(join(folder, name), { recursive: true });
  }
}

interface Printing {
  readonly what: string;
  readonly config: unknown;
  readonly environment?: Readonly<Record<string, string>>;
  readonly helper?: string;
}

const PRINTING: readonly Printing[] = [
  { what: 'the file', config: { auths: { HOST: { auth: btoa(`u:${SECRET}`) } } } },
  { what: 'a malformed file', config: `{"auths": {"HOST": {"auth": "${SECRET}" ` },
  { what: 'a malformed entry', config: { auths: { HOST: { auth: SECRET } } } },
  { what: 'an identity token', config: { auths: { HOST: { identitytoken: SECRET } } } },
  { what: 'a helper', config: { credsStore: 'h' }, helper: `echo '{"Username":"u","Secret":"${SECRET}"}'` },
  { what: 'a helper that fails', config: { credsStore: 'h' }, helper: `echo ${SECRET}; echo ${SECRET} >&2; exit 1` },
  { what: 'the environment', config: {}, environment: { SLUICE_USERNAME: 'u', SLUICE_PASSWORD: SECRET } },
  { what: 'half of the environment', config: {}, environment: { SLUICE_PASSWORD: SECRET } },
];

for (const { what, config, environment = {}, helper } of PRINTING) {
  test(`registry R35 nothing of ${what} is printed, with --json and without`, async (t) => {
    await using registry = await startRegistry({ auth: { kind: 'token', credentials: password } });
    const reference = registry.push('a/b', '1', image);
    const { folder, command } = place(t);
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    writeFileSync(join(folder, '.docker', 'config.json'), text.replaceAll('HOST', registry.host));
    if (helper !== undefined) {
      const path = join(folder, 'docker-credential-h');
      writeFileSync(path, `#!/bin/sh\n${helper}\n`);
      chmodSync(path, 0o755);
    }
    const env = { SLUICE_REGISTRY: registry.host, PATH: `${folder}:${process.env['PATH']}`, ...environment };
    const trace = join(folder, 'trace.json');
    for (const words of [
      ['--log-level', 'debug', '--trace', trace],
      ['--json', '--log-level', 'debug', '--trace', trace],
    ]) {
      const { status, stdout, stderr } = await command.run(['pull', reference, ...words], { environment: env });
      assert.ok(status === 1 || status === 2);
      assert.match(stdout + stderr, /AUTH_FAILED|AUTH_REQUIRED|AUTH_UNSUPPORTED|CONFIG_INVALID/);
      assert.doesNotMatch(stdout + stderr, SENTINEL);
      // What is wrong usage ends before the file is made.
      if (existsSync(trace)) assert.doesNotMatch(readFileSync(trace, 'utf8'), SENTINEL);
    }
  });
}

test('registry R35 neither trace nor output of pulls that log in and follow secret addresses hold anything of them', async (t) => {
  const auth = { kind: 'token', credentials: password } as const;
  await using registry = await startRegistry({ auth, headers: { 'set-cookie': `c=${SECRET}` } });
  const { folder, command } = place(t);
  const trace = join(folder, 'trace.json');
  const environment = { SLUICE_REGISTRY: registry.host, SLUICE_USERNAME: 'u', SLUICE_PASSWORD: password.password };
  const pull = async (name: string): Promise<number | null> => {
    const words = ['pull', registry.push(name, '1', image), '--policy', 'always', '--log-level', 'debug', '--json'];
    const { status, stdout, stderr } = await command.run([...words, '--trace', trace], { environment });
    assert.doesNotMatch(stdout + stderr, SENTINEL);
    const written = readFileSync(trace, 'utf8');
    assert.match(written, /"resolve"/);
    assert.doesNotMatch(written, SENTINEL);
    return status;
  };
  const to = (location: string): Fault => ({ match: BLOB, do: { kind: 'redirect', location } });
  const remove = registry.addFault(to(`/target/a?sig=${SECRET}`));
  assert.equal(await pull('a'), 1);
  remove();
  registry.addFault({ match: BLOB, nth: 1, do: { kind: 'redirect', location: `{path}?sig=${SECRET}` } });
  assert.equal(await pull('b'), 0);
});

function place(t: TestContext): { readonly folder: string; readonly command: ReturnType<typeof createCommandLine> } {
  const command = createCommandLine(t);
  const folder = dirname(command.home);
  mkdirSync(join(folder, '.docker'));
  return { folder, command };
}
