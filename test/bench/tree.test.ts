import assert from 'node:assert/strict';
import { linkSync, mkdirSync, symlinkSync, utimesSync, writeFileSync, chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { digestTrees } from '../../bench/tree/digest-trees.js';
import { temporaryDirectory } from '../helpers/temporary.js';

/** Files by path; a value that starts with `->` is a symlink. */
type Files = Readonly<Record<string, string>>;

function write(directory: string, files: Files): string {
  mkdirSync(directory, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const full = join(directory, path);
    mkdirSync(dirname(full), { recursive: true });
    if (content.startsWith('->')) symlinkSync(content.slice(2), full);
    else writeFileSync(full, content);
  }
  return directory;
}

const LOWER: Files = { 'etc/a': '1', 'etc/b': '2', 'lib/x/y': '3', 'lib/z': '4', link: '->etc/a' };
const UPPER: Files = { 'etc/.wh.a': '', 'etc/c': '5', 'lib/.wh..wh..opq': '', 'lib/new': '6', 'link/in': '7' };
const COMPOSED: Files = { 'etc/b': '2', 'etc/c': '5', 'lib/new': '6', 'link/in': '7' };

test('layers that are kept apart have the digest of their composed root', (t) => {
  const folder = temporaryDirectory(t);
  const layers = [write(join(folder, 'lower'), LOWER), write(join(folder, 'upper'), UPPER)];
  const root = write(join(folder, 'root'), COMPOSED);
  const apart = digestTrees([layers]);
  const composed = digestTrees([[root]]);
  assert.equal(apart.digest, composed.digest);
  assert.deepEqual([apart.entries, apart.bytes], [8 + 8, 7]);
  assert.deepEqual([composed.entries, composed.bytes], [7, 4]);
});

test('whoever writes less, more or other things has another digest', (t) => {
  const folder = temporaryDirectory(t);
  const digestOf = (name: string, files: Files): string => digestTrees([[write(join(folder, name), files)]]).digest;
  const expected = digestOf('expected', LOWER);
  const { link: _link, ...without } = LOWER;
  const others: readonly Files[] = [
    { ...LOWER, 'etc/a': '9' },
    { ...LOWER, 'etc/a': '11' },
    { ...LOWER, more: '' },
    { ...LOWER, link: '->etc/b' },
    { ...without, link: 'etc/a' },
    without,
    {},
  ];
  for (const [at, files] of others.entries())
    assert.notEqual(digestOf(String(at), files), expected, JSON.stringify(files));
});

test('times and modes, which not every contender can keep, do not count, and a hard link’s bytes count once', (t) => {
  const folder = temporaryDirectory(t);
  const plain = write(join(folder, 'plain'), { a: 'xyz', b: 'xyz' });
  const linked = write(join(folder, 'linked'), { a: 'xyz' });
  linkSync(join(linked, 'a'), join(linked, 'b'));
  chmodSync(join(linked, 'a'), 0o600);
  utimesSync(join(linked, 'a'), 1, 1);
  const [first, second] = [digestTrees([[plain]]), digestTrees([[linked]])];
  assert.equal(first.digest, second.digest);
  assert.deepEqual([first.bytes, second.bytes], [6, 3]);
});

test('images count in their order, and a tree that they share is counted once', (t) => {
  const folder = temporaryDirectory(t);
  const [a, b] = [write(join(folder, 'a'), { x: '1' }), write(join(folder, 'b'), { y: '2' })];
  assert.notEqual(digestTrees([[a], [b]]).digest, digestTrees([[b], [a]]).digest);
  assert.equal(digestTrees([[a], [a, b]]).entries, 2);
});
