import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readRootfsFile } from '../../src/index.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';
import { compose } from './compose-layers.js';

/** A root with what is beside it: `outside/passwd`, which nobody may read. */
function makeRoot(t: Cleanup): string {
  const base = temporaryDirectory(t);
  mkdirSync(join(base, 'outside'));
  writeFileSync(join(base, 'outside/passwd'), 'HOST');
  const root = join(base, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  mkdirSync(join(root, 'outside'));
  writeFileSync(join(root, 'outside/passwd'), 'image');
  writeFileSync(join(root, 'etc/hosts'), 'hosts');
  return root;
}

const read = (root: string, path: string | Uint8Array): string | null => readRootfsFile(root, path)?.toString() ?? null;

for (const target of ['../../outside/passwd', '/outside/passwd', '/../../../outside/passwd', './../outside/./passwd']) {
  test(`extraction E25 etc/f → ${target} stays in the root`, (t) => {
    const root = makeRoot(t);
    symlinkSync(target, join(root, 'etc/f'));
    assert.equal(read(root, 'etc/f'), 'image', 'A HOST FILE WAS READ');
  });
}

test('compat K18 a symlink to a file that the image does not have gives nothing, whatever the host has there', (t) => {
  const root = makeRoot(t);
  for (const [at, target] of [
    ['etc/resolv.conf', '/etc/passwd'],
    ['etc/up', '../../../../../../../../../etc/passwd'],
    ['dir', '/proc/self/root/etc'],
    ['magic', '/proc/self/cwd'],
  ] as const) {
    symlinkSync(target, join(root, at));
  }
  const asked = ['etc/resolv.conf', 'etc/up', 'dir/passwd', 'magic/package.json', '../../etc/passwd', '/etc/passwd'];
  assert.deepEqual(
    asked.map((path) => read(root, path)),
    asked.map(() => null),
    'A HOST FILE WAS READ',
  );
});

test('compat K18 a symlink to a file of the image gives the image’s file', (t) => {
  const { tree } = compose(t, [
    'file etc/passwd "image"\nsym etc/resolv.conf -> /etc/passwd\nsym l -> etc\nfile .x "dot"',
    'file hex:ff2f61 "bytes"',
  ]);
  assert.equal(read(tree, 'etc/resolv.conf'), 'image');
  assert.equal(read(tree, '/l/../etc/./passwd'), 'image');
  assert.equal(read(tree, '.x'), 'dot');
  assert.equal(read(tree, Buffer.from([0xff, 0x2f, 0x61])), 'bytes');
});

test('extraction E25 what is no regular file, or is not there, gives null', (t) => {
  const root = makeRoot(t);
  symlinkSync('loose', join(root, 'loose-end'));
  for (const path of ['', '/', 'etc', 'none', 'none/x', 'etc/hosts/x', 'loose-end', 'n'.repeat(300), '..'])
    assert.equal(read(root, path), null, path);
});

test('extraction E25 at most 1 MiB is read', (t) => {
  const root = makeRoot(t);
  writeFileSync(join(root, 'exact'), Buffer.alloc(1024 * 1024));
  writeFileSync(join(root, 'more'), Buffer.alloc(1024 * 1024 + 1));
  assert.equal(readRootfsFile(root, 'exact')?.length, 1024 * 1024);
  assert.throws(() => readRootfsFile(root, 'more'), { code: 'TOO_LARGE' });
});

test('extraction X4 E25 40 symlinks are followed, one more is not', (t) => {
  const root = makeRoot(t);
  symlinkSync('etc/hosts', join(root, 's1'));
  for (let i = 2; i <= 41; i++) symlinkSync(`s${i - 1}`, join(root, `s${i}`));
  symlinkSync('loop', join(root, 'loop'));
  assert.equal(read(root, 's40'), 'hosts');
  for (const path of ['s41', 'loop']) assert.throws(() => read(root, path), { code: 'NAME_REFUSED' });
});

test('a root that is a symlink, or absent, is an error and never followed', (t) => {
  const root = makeRoot(t);
  symlinkSync(root, `${root}-link`);
  assert.throws(() => read(`${root}-link`, 'etc/hosts'), { code: 'STORE_FAILED' });
  assert.throws(() => read(`${root}-none`, 'etc/hosts'), { code: 'STORE_FAILED' });
});
