import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { foldsNames, keepsUserXattrs } from '../../src/store/probe.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { openTestStore } from './fixtures.js';

test('a location is tried out when it is opened, and nothing is left behind', async (t) => {
  const store = await openTestStore(t);
  for (const location of [await store.location(), await store.location(temporaryDirectory(t))]) {
    const { facts } = location;
    assert.ok(facts);
    assert.equal(facts.hasOpenat2, native().hasOpenat2());
    assert.equal(typeof facts.hasUserXattrs, 'boolean');
    assert.equal(facts.foldsNames, false);
    assert.deepEqual(readdirSync(location.staging), []);
  }
  assert.deepEqual(await store.takeTrash(), []);
});

for (const [form, twin] of [
  ['case', 'A'],
  ['normal form', 'e\u0301'],
] as const)
  test(`extraction E15 names that differ in ${form} alone and are one file are noticed`, async (t) => {
    const folder = temporaryDirectory(t);
    assert.equal(await foldsNames(temporaryDirectory(t)), false);
    writeFileSync(join(folder, twin), '');
    assert.equal(await foldsNames(folder), true);
  });

test('extraction M10 a file system without user xattrs is a fact, other trouble an error', async (t) => {
  const addon = createRequire(import.meta.url)('xattr-native') as { xattrSet: () => void };
  const failWith = (code: string): void => {
    t.mock.method(addon, 'xattrSet', () => {
      throw Object.assign(new Error(code), { code });
    });
  };
  failWith('ENOTSUP');
  assert.equal(await keepsUserXattrs(temporaryDirectory(t)), false);
  failWith('EIO');
  await assert.rejects(keepsUserXattrs(temporaryDirectory(t)), { code: 'EIO' });
});
