import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRealm } from '../../../src/source/registry/realm.js';

const TABLE: readonly (readonly [registry: string, realm: string, isAllowed: boolean])[] = [
  ['https://ghcr.io', 'https://ghcr.io/token', true],
  ['https://registry.gitlab.com', 'https://gitlab.com/jwt/auth?account=x', true],
  ['https://ghcr.io', 'http://ghcr.io/token', false],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', true],
  ['http://127.0.0.1:5000', 'https://auth.test/token', true],
  ['http://127.0.0.1:5000', 'http://auth.test/token', true],
  ['http://127.0.0.1:5000', 'http://localhost:5001/token', true],
  ['http://localhost:5000', 'http://[::1]:5001/token', true],
  ['http://registry.corp', 'http://127.0.0.1/token', false],
  ['https://registry.test', 'https://localhost/token', false],
  ['https://registry.test', 'https://x.localhost/token', false],
  ['https://registry.test', 'https://127.0.0.1/token', false],
  ['https://registry.test', 'https://127.1/token', false],
  ['https://registry.test', 'https://2130706433/token', false],
  ['https://registry.test', 'https://[::ffff:127.0.0.1]/token', false],
  ['https://registry.test', 'https://169.254.169.254/latest', false],
  ['https://registry.test', 'https://[fe80::1]/token', false],
  ['https://registry.test', 'https://10.0.0.1/token', false],
  ['https://registry.test', 'https://172.31.0.1/token', false],
  ['https://registry.test', 'https://192.168.1.1/token', false],
  ['https://registry.test', 'https://[fd00::1]/token', false],
  ['https://registry.test', 'https://0.0.0.0/token', false],
  ['https://registry.test', 'https://[::]/token', false],
  ['https://registry.test', 'https://93.184.216.34/token', true],
  ['https://10.0.0.1:5000', 'https://10.0.0.1/token', true],
  ['https://10.0.0.1:5000', 'https://10.0.0.2/token', false],
  ['https://registry.test', 'https://user:pw@auth.test/token', false],
  ['https://registry.test', 'ftp://auth.test/token', false],
  ['https://registry.test', 'file:///etc/passwd', false],
  ['https://registry.test', '/token', false],
  ['https://registry.test', '', false],
];

for (const [registry, realm, isAllowed] of TABLE) {
  test(`registry R24 ${registry} may ${isAllowed ? '' : 'not '}send to ${JSON.stringify(realm)}`, () => {
    const parse = (): URL => parseRealm(realm, new URL(registry));
    if (isAllowed) assert.equal(parse().href, new URL(realm).href);
    else assert.throws(parse, { code: 'AUTH_REALM_REFUSED' });
  });
}
