import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../src/layer/batch.js';
import { LONGEST_PLAIN_BYTES, PlainMembers } from '../../src/layer/plain.js';
import { native } from '../../src/native.js';
import { createRandom, dir, file, layer, parseLayer, symlink } from '../../src/testing/index.js';
import { mutateTar } from '../fuzz/mutate-tar.js';
import { chooseSeedLayer } from '../fuzz/seed-layers.js';
import { AMPLE, extract, verdict } from '../helpers/extract.js';
import { assertPlainAgrees } from './tar/plain-agrees.js';

test('what the addon takes for plain comes to the same by the rules, whatever the archive', () => {
  let plain = 0;
  for (let seed = 0; seed < 3000; seed++) {
    const random = createRandom(seed);
    plain += assertPlainAgrees(mutateTar(chooseSeedLayer(random), random, chooseSeedLayer(random)));
  }
  assert.ok(plain > 1000, `${plain} members of 3000 archives were plain`);
});

const PLAIN: readonly string[] = [
  'file a "1"',
  'file ./a/b/ ""',
  'file /a//b/./c "1" 07777 2097151:2097150 mtime=8589934591',
  'dir a',
  'dir ./a/',
  'sym a -> b',
  'sym a -> ../../..',
  'file .a "1"',
  'file ... "1"',
  'file .wha "1"',
  'file a.wh.b "1"',
  'file é "1" fmt=gnu',
  'file a "1" fmt=gnu',
  `file ${'d/'.repeat(50)} "1" prefix=./${'e'.repeat(152)}/`,
];

const NOT_PLAIN: readonly string[] = [
  'dir ./',
  'dir a/..',
  'file a/../b "1"',
  'file .wh.a "1"',
  'file a/.wh.b/c "1"',
  'file .wh..wh.plnk/1 "1"',
  'link a -> b',
  'char a 1,2',
  'fifo a',
  'file a "1" type=7',
  'file a "1" fmt=v7',
  'file a "1" 2097152:0 fmt=gnu',
  'file a "1" mtime=-1 fmt=gnu',
  `sym a -> ${'b'.repeat(101)}`,
  'file a "1" xattr:user.a=b',
  'global comment=x',
  'sparse a data@512="1"',
  'file a "1" fmt=star',
  'file .. "1"',
  'file b "1" prefix=a/..',
  'file b "1" prefix=.wh.a',
  'sym a -> ""',
  'dir a size=1',
  'sym a -> b size=1',
];

test('what layers consist of is plain', () => {
  for (const text of PLAIN) assert.equal(assertPlainAgrees(parseLayer(text)), 1, text);
});

test('what a rule has to look at is not', () => {
  for (const text of NOT_PLAIN) assert.equal(assertPlainAgrees(parseLayer(text)), 0, text);
});

test('a member is plain with its header, content and padding at hand', () => {
  const tar = layer(file('a', 'x'.repeat(600)), dir('d'));
  const plain = new PlainMembers(native(), 0);
  const read = (length: number): readonly number[] => {
    const end = plain.read(new Batch(), tar.subarray(0, length), 0, 0, 0);
    return [end, plain.entries, plain.fileBytes, plain.largestFileBytes];
  };
  for (const length of [0, 511, 512, 1111, 1112, 1535]) assert.deepEqual(read(length), [0, 0, 0, 0], `${length}`);
  for (const length of [1536, 1537, 2047]) assert.deepEqual(read(length), [1536, 1, 600, 600], `${length}`);
  assert.deepEqual(read(2048), [2048, 2, 600, 600]);
});

test('a batch takes what it has room for, and keeps what it holds', () => {
  const prefix = 'p'.repeat(150);
  const name = (i: number): string => `${prefix}/${'n'.repeat(90)}${i}`;
  const tar = layer(...Array.from({ length: 600 }, (_, i) => symlink(name(i).slice(151), 't'.repeat(100), { prefix })));
  const plain = new PlainMembers(native(), 0);
  const batch = new Batch();
  let at = 0;
  let entries = 0;
  for (; at < tar.length; entries += plain.entries) {
    const next = plain.read(batch, tar, at, 7, entries);
    if (next === at) break;
    const isFull = batch.isFull || !batch.fits(LONGEST_PLAIN_BYTES);
    assert.ok(isFull || entries + plain.entries === 600, 'it ends for want of room');
    for (let i = 0; i < batch.count; i++) {
      assert.equal(Buffer.from(batch.path(i)).toString(), name(entries + i));
      assert.equal(batch.offsets[i], 7 + (entries + i) * 512);
    }
    at = next;
    batch.reset();
  }
  assert.equal(entries, 600);
});

test('extraction B2 B3 B4 the entry that exceeds a limit is named, however plain those around it', (t) => {
  const tar = layer(...Array.from({ length: 20 }, (_, i) => file(`f${i}`, 'x'.repeat(i + 1))));
  const run = (budget: Partial<typeof AMPLE>): string => {
    const extraction = extract(t, tar, { budget });
    if (extraction.outcome.kind === 'done') return 'done';
    const { entry, offset } = extraction.outcome.error.detail;
    return `${verdict(extraction)} ${entry} @${offset}`;
  };
  assert.equal(run({ maxFileBytes: 20, maxEntries: 20 }), 'done');
  assert.equal(run({ maxFileBytes: 19 }), 'BUDGET_EXCEEDED B3 f19 @19456');
  assert.equal(run({ maxFileBytes: 9 }), 'BUDGET_EXCEEDED B3 f9 @9216');
  assert.equal(run({ maxEntries: 12 }), 'BUDGET_EXCEEDED B4 undefined @12288');
});
