import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { startRegistry } from '../../src/testing/index.js';
import { createCommandLine, smallImage } from '../cli/command.js';
import { needs } from '../helpers/needs.js';

const run = promisify(execFile);
const credentials = { username: 'user', password: 'pass word:ü' };
const skip = needs('docker-credential-pass') || needs('pass') || needs('gpg');

/** A password store with a key of its own, which nothing locks. */
async function createPasswordStore(t: TestContext, folder: string): Promise<Record<string, string>> {
  const environment = { GNUPGHOME: join(folder, 'gnupg'), PASSWORD_STORE_DIR: join(folder, 'passwords') };
  mkdirSync(environment.GNUPGHOME, { mode: 0o700 });
  const env = { ...process.env, HOME: folder, ...environment };
  t.after(async () => void (await run('gpgconf', ['--kill', 'gpg-agent'], { env })));
  await run('gpg', ['--batch', '--quiet', '--passphrase', '', '--quick-gen-key', 'sluice@test'], { env });
  await run('pass', ['init', 'sluice@test'], { env });
  return environment;
}

test(
  'registry R26 R31 R32 R34 docker-credential-pass keeps, gives and forgets a login; of what it does not know nothing is said',
  { skip },
  async (t) => {
    const command = createCommandLine(t);
    const folder = dirname(command.home);
    const environment = await createPasswordStore(t, folder);
    await using registry = await startRegistry({ auth: { kind: 'basic', credentials } });
    const reference = registry.push('a/b', '1', smallImage('one'));
    const config = join(folder, '.docker', 'config.json');
    mkdirSync(dirname(config));
    const pull = (): ReturnType<typeof command.run> =>
      command.run(['pull', '--policy', 'always', reference], { environment });
    for (const settings of [{ credsStore: 'pass' }, { credHelpers: { [registry.host]: 'pass' } }]) {
      writeFileSync(config, JSON.stringify(settings));
      const before = await pull();
      assert.equal(before.status, 1);
      assert.match(before.stderr, /AUTH_REQUIRED/);
      assert.doesNotMatch(before.stderr, /docker-credential/);
      const words = ['login', registry.host, '-u', credentials.username, '--password-stdin'];
      const login = await command.run(words, { input: credentials.password, environment });
      assert.deepEqual([login.status, login.stderr], [0, '']);
      assert.match(login.stdout, /kept in docker-credential-pass/);
      assert.deepEqual(JSON.parse(readFileSync(config, 'utf8')), { ...settings, auths: { [registry.host]: {} } });
      assert.equal((await pull()).status, 0);
      assert.equal((await command.run(['logout', registry.host], { environment })).status, 0);
      assert.equal((await pull()).status, 1);
    }
  },
);
