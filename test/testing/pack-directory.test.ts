import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packDirectory } from '../../src/testing/index.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';

test('packs files, directories and symlinks, sorted, owned by root', { skip: needs('tar') }, async (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, 'usr/lib'), { recursive: true });
  writeFileSync(join(root, 'usr/lib/b'), 'bb');
  writeFileSync(join(root, 'usr/lib/a'), 'a', { mode: 0o600 });
  chmodSync(join(root, 'usr/lib/b'), 0o664);
  writeFileSync(join(root, 'usr/large'), Buffer.alloc(5000));
  symlinkSync('/usr/lib', join(root, 'lib'));
  execFileSync('mkfifo', [join(root, 'usr/pipe')]);
  const tar = await packDirectory({ root, paths: ['/usr', 'lib', 'missing'], maxBytes: 1000 });
  const listing = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input: tar, encoding: 'utf8' });
  assert.deepEqual(
    listing
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/ +\d{4}-\d\d-\d\d \d\d:\d\d/, '').replace(/ +/g, ' '))
      .map((line) => line.replace(/^d\S+/, 'd')),
    [
      'd 0/0 0 usr',
      'lrwxrwxrwx 0/0 0 lib -> /usr/lib',
      'd 0/0 0 usr/lib',
      '-rw------- 0/0 1 usr/lib/a',
      '-rw-rw-r-- 0/0 2 usr/lib/b',
    ],
  );
});

test('an empty list is an empty layer', async (t) => {
  const tar = await packDirectory({ root: temporaryDirectory(t), paths: [] });
  assert.ok(tar.every((byte) => byte === 0));
});
