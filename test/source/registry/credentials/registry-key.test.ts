import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  dockerServerOf,
  keysOf,
  matchKeys,
  normalizeKey,
} from '../../../../src/source/registry/credentials/registry-key.js';

const KEYS: readonly (readonly [key: string, normal: string])[] = [
  ['ghcr.io', 'ghcr.io'],
  ['GHCR.io', 'ghcr.io'],
  ['https://ghcr.io', 'ghcr.io'],
  ['http://ghcr.io/', 'ghcr.io'],
  ['https://ghcr.io/v1/', 'ghcr.io'],
  ['https://ghcr.io/v2', 'ghcr.io'],
  ['ghcr.io:5000', 'ghcr.io:5000'],
  ['ghcr.io/org/app', 'ghcr.io/org/app'],
  ['ghcr.io/org/v2', 'ghcr.io/org'],
  ['[::1]:5000/a', '[::1]:5000/a'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['index.docker.io', 'docker.io'],
  ['registry-1.docker.io', 'docker.io'],
  ['docker.io/library', 'docker.io/library'],
];

for (const [key, normal] of KEYS) {
  test(`registry R27 the key ${key} stands for ${normal}`, () => assert.equal(normalizeKey(key), normal));
}

test('registry R27 the most specific key counts, then the first in the file', () => {
  assert.deepEqual(keysOf('Host:5000', 'a/b/c'), ['host:5000/a/b/c', 'host:5000/a/b', 'host:5000/a', 'host:5000']);
  const entries = { 'host:5000': 1, host: 2, 'host:5000/a/b': 3, 'https://host:5000/v1/': 4, 'host:5000/a/bc': 5 };
  const values = matchKeys(entries, 'host:5000', 'a/b/c').map(({ value }) => value);
  assert.deepEqual(values, [3, 1, 4]);
  assert.deepEqual(
    matchKeys(entries, 'host', '').map(({ value }) => value),
    [2],
  );
});

test('registry R31 helper programs know the Hub by the name docker gave it', () => {
  assert.equal(dockerServerOf('docker.io'), 'https://index.docker.io/v1/');
  assert.equal(dockerServerOf('GHCR.io:5000'), 'ghcr.io:5000');
});
