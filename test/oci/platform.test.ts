import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatPlatform, hostPlatform, isPlatformMatch, parsePlatform } from '../../src/oci/platform.js';

test('a platform is read and printed', () => {
  for (const [text, printed] of [
    ['linux/amd64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['Linux/ARM64', 'linux/arm64/v8'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/s390x', 'linux/s390x'],
    ['windows/amd64', 'windows/amd64'],
  ] as const)
    assert.equal(formatPlatform(parsePlatform(text)), printed, text);
});

test('what is no platform is refused', () => {
  for (const text of [
    '',
    'amd64',
    'any',
    'linux/',
    '/amd64',
    'linux/arm/v7/x',
    'linux/arm/',
    'linux/a b',
    'linux/amd64#x',
    'linux//v1',
  ])
    assert.throws(() => parsePlatform(text), { code: 'CONFIG_INVALID' }, text);
});

test('the default platform and the same one written out are equal', () => {
  assert.deepEqual(parsePlatform('linux/amd64'), hostPlatform('x64'));
  assert.deepEqual(parsePlatform('linux/arm64'), hostPlatform('arm64'));
});

test('a config without a field matches whatever is wanted of it', () => {
  const wanted = parsePlatform('linux/amd64');
  assert.ok(isPlatformMatch(wanted, { os: '', architecture: 'x86_64' }));
  assert.ok(isPlatformMatch(wanted, { os: 'Linux', architecture: '' }));
  assert.ok(!isPlatformMatch(wanted, { os: 'linux', architecture: '386' }));
  assert.ok(!isPlatformMatch(wanted, { os: 'windows', architecture: 'amd64' }));
});
