import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createRandom, dir, file, layer, parseLayer, symlink } from '../../src/testing/index.js';
import { extract, listTree, verdict } from '../helpers/extract.js';

// What comes of each kind of entry is test/rules/extraction.

const CHUNKS = [511, 512, 65_536, 2 ** 20];

test('contents that go on over many pushes and batches arrive whole', (t) => {
  const contents = Array.from({ length: 700 }, (_, i) => createRandom(i).bytes(i * 7));
  const tar = layer(
    ...contents.flatMap((bytes, i) => [dir(`d${i % 9}`), file(`d${i % 9}/f${i}`, bytes), symlink(`s${i}`, 'x')]),
  );
  for (const chunkBytes of CHUNKS) {
    const { tree, ...rest } = extract(t, tar, { chunkBytes });
    assert.equal(verdict({ tree, ...rest }), 'done');
    contents.forEach((bytes, i) => assert.ok(readFileSync(join(tree, `d${i % 9}/f${i}`)).equals(bytes), `f${i}`));
  }
});

test('names and attributes that are larger than a batch’s room are written, and so are those after them', (t) => {
  const name = `${'n'.repeat(250)}/`.repeat(15);
  const big = Array.from({ length: 6 }, (_, i) => `xattr:security.big${i}=zero*60000`).join(' ');
  const text = Array.from({ length: 40 }, (_, i) => `sym ${name}${i} -> ${'t'.repeat(4000)}`).join('\n');
  const tar = parseLayer(`file before "1"\nfile f "2" ${big}\n${text}\nfile after "3"`);
  for (const chunkBytes of CHUNKS) {
    const extraction = extract(t, tar, { chunkBytes });
    assert.equal(verdict(extraction), 'done');
    const kept = extraction.lines().filter((line) => line.startsWith('#sluice.xattr kept security.big'));
    assert.equal(kept.length, 6);
    assert.equal(extraction.lines().filter((line) => line.includes(' type=link ')).length, 40);
    assert.ok(listTree(extraction.tree).includes('after file "3" 0644 0:0:0100644'));
  }
});

test('entries are those of the archive, whatever becomes of them', (t) => {
  const tar = parseLayer('pax uid=1\nfile a/b "1"\nlink c -> d\nwh e\nfile f "x" type=V\ndir ./\nglobal comment=x');
  const { outcome } = extract(t, tar);
  assert.ok(outcome.kind === 'done');
  assert.deepEqual([outcome.facts.entries, outcome.facts.composeRequired], [5, true]);
});
