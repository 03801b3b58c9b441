import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { crc32c } from './script.js';

test('extraction N1 xattrs are bytes, and a last symlink is not followed', (t) => {
  const { xattrGet, xattrList, xattrRemove, xattrSet } = native();
  const base = temporaryDirectory(t);
  const path = Buffer.from(join(base, 'f'));
  writeFileSync(path, 'x');
  const name = Buffer.from([...Buffer.from('user.'), 0xff, 0x0a]);
  const value = Buffer.from([0, 1, 2, 255, 0]);
  assert.equal(xattrGet(path, name), null);
  xattrSet(path, name, value);
  xattrSet(path, Buffer.from('user.empty'), new Uint8Array(0));
  assert.deepEqual(xattrGet(path, name), value);
  assert.deepEqual(xattrGet(path, Buffer.from('user.empty')), Buffer.alloc(0));
  assert.deepEqual(xattrList(path).sort(Buffer.compare), [Buffer.from('user.empty'), name]);
  symlinkSync(path.toString(), join(base, 'l'));
  const link = Buffer.from(join(base, 'l'));
  assert.equal(xattrGet(link, name), null);
  assert.deepEqual(xattrList(link), []);
  assert.throws(() => xattrSet(link, name, value), { code: 'EPERM', syscall: 'lsetxattr', errno: -1 });
  assert.equal(xattrRemove(path, name), true);
  assert.equal(xattrRemove(path, name), false);
  assert.throws(() => xattrGet(Buffer.from(join(base, 'none')), name), { code: 'ENOENT', syscall: 'lgetxattr' });
  assert.throws(() => xattrSet(path, Buffer.from('bogus'), value), { code: 'ENOTSUP' });
  assert.throws(() => xattrSet(path, Buffer.from('user.\0x'), value), RangeError);
});

test('the checksum of a file is that of its bytes, holes and all', (t) => {
  const path = join(temporaryDirectory(t), 'f');
  const size = 3_000_000;
  const content = Buffer.alloc(size);
  content.write('first', 0);
  content.write('middle', 1_500_000);
  writeFileSync(path, content.subarray(0, 5));
  const file = openSync(path, 'r+');
  writeSync(file, 'middle', 1_500_000);
  ftruncateSync(file, size);
  assert.equal(native().crc32cOf(file).toString(16).padStart(8, '0'), crc32c(content));
  ftruncateSync(file, 0);
  assert.equal(native().crc32cOf(file), 0);
  closeSync(file);
  assert.throws(() => native().crc32cOf(file), { code: 'EBADF', syscall: 'fstat' });
});

test('flock holds between two open files, and ends with them', (t) => {
  const { flock } = native();
  const path = join(temporaryDirectory(t), 'lock');
  const first = openSync(path, 'w');
  const second = openSync(path, 'r');
  assert.equal(flock(first, true), true);
  assert.equal(flock(first, true), true);
  assert.equal(flock(second, true), false);
  assert.equal(flock(second, false), false);
  assert.equal(flock(first, false), true);
  assert.equal(flock(second, false), true);
  closeSync(first);
  assert.equal(flock(second, true), true);
  closeSync(second);
  assert.throws(() => flock(second, true), { code: 'EBADF', syscall: 'flock' });
  assert.throws(() => flock(-1, true), RangeError);
});

test('syncfs and hasOpenat2 answer', (t) => {
  const fd = openSync(temporaryDirectory(t), 'r');
  native().syncfs(fd);
  closeSync(fd);
  assert.throws(() => native().syncfs(fd), { code: 'EBADF', syscall: 'syncfs' });
  assert.equal(typeof native().hasOpenat2(), 'boolean');
});

test('extraction M17 M18 times are exact to the nanosecond, clamped, and a last symlink is not followed', (t) => {
  const { setTimes } = native();
  const base = temporaryDirectory(t);
  writeFileSync(join(base, 'f'), 'x');
  symlinkSync('f', join(base, 'l'));
  const link = Buffer.from(join(base, 'l'));
  const timeOf = (name: string): bigint => lstatSync(join(base, name), { bigint: true }).mtimeNs;
  const before = timeOf('f');
  setTimes(link, -2, 500_000_001);
  assert.deepEqual([timeOf('l'), timeOf('f')], [-1_499_999_999n, before]);
  setTimes(link, 2 ** 50, 7);
  assert.equal(timeOf('l'), 15_032_385_535n * 1_000_000_000n);
  assert.throws(() => setTimes(link, 0.5, 0), RangeError);
  assert.throws(() => setTimes(link, 0, 1_000_000_000), RangeError);
  assert.throws(() => setTimes(Buffer.from(join(base, 'none')), 0, 0), { code: 'ENOENT', syscall: 'utimensat' });
});

/** A tree with what makes removing hard: `base/gone`, and beside it what must stay. */
function hardTree(base: string): void {
  mkdirSync(join(base, 'stays'));
  writeFileSync(join(base, 'stays', 'canary'), 'canary');
  let path = join(base, 'gone');
  mkdirSync(path);
  for (let i = 0; i < 5000; i++) writeFileSync(join(path, `file ${i}`), '');
  for (let i = 0; i < 150; i++) {
    symlinkSync(join(base, 'stays'), join(path, 'link'));
    mkdirSync(join(path, 'empty'));
    path = join(path, 'deeper');
    mkdirSync(path);
    writeFileSync(join(path, 'f'), 'x');
  }
}

test('removeTree removes deep trees and follows nothing', (t) => {
  const base = temporaryDirectory(t);
  hardTree(base);
  native().removeTree(Buffer.from(join(base, 'gone/')));
  assert.equal(existsSync(join(base, 'gone')), false);
  assert.equal(readFileSync(join(base, 'stays', 'canary'), 'utf8'), 'canary', 'HOST PATH WAS CHANGED');
  native().removeTree(Buffer.from(join(base, 'gone')));
  symlinkSync(join(base, 'stays'), join(base, 'link'));
  native().removeTree(Buffer.from(join(base, 'link/')));
  assert.equal(existsSync(join(base, 'link')), false);
  assert.equal(existsSync(join(base, 'stays', 'canary')), true, 'HOST PATH WAS CHANGED');
  native().removeTree(Buffer.from(join(base, 'stays', 'canary')));
  assert.equal(existsSync(join(base, 'stays', 'canary')), false);
  assert.throws(() => native().removeTree(Buffer.from('/')), { code: 'EBUSY' });
});

test('removeTree makes directories usable that their owner closed', (t) => {
  const base = temporaryDirectory(t);
  chmodSync(base, 0o777);
  const addon = JSON.stringify(new URL('../../src/native.js', import.meta.url).href);
  const text = `
    import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
    import { native } from ${addon};
    process.chdir(${JSON.stringify(base)});
    mkdirSync('t/a/b/c', { recursive: true });
    writeFileSync('t/a/b/f', 'x');
    for (const path of ['t/a/b', 't/a', 't']) chmodSync(path, 0);
    native().removeTree(Buffer.from('t'));
    if (existsSync('t')) throw new Error('t is still there');
  `;
  const isRoot = process.getuid?.() === 0;
  const options = isRoot ? { uid: 65534, gid: 65534 } : {};
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
    ...options,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
});

test('memory is given back at once, and its views end', () => {
  const { freeBuffer } = native();
  const buffer = new ArrayBuffer(100_000);
  const view = new Uint8Array(buffer, 10, 20);
  freeBuffer(buffer);
  assert.deepEqual([buffer.byteLength, view.length], [0, 0]);
  freeBuffer(buffer);
  for (const wrong of [view, new SharedArrayBuffer(8), undefined, {}])
    assert.throws(() => freeBuffer(wrong as unknown as ArrayBuffer), { code: 'ERR_INVALID_ARG_TYPE' });
});
