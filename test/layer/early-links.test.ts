import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { file, hardlink, layer, parseLayer } from '../../src/testing/index.js';
import { extract, verdict } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { treeText } from '../helpers/tree-text.js';

const VALUE = 'v'.repeat(900_000);
/** More bytes of attributes than may wait: the links so far are made. */
const FILLER = layer(
  file('~filler'),
  ...Array.from({ length: 19 }, (_, index) =>
    hardlink(`~filler${index}`, '~filler', { records: { 'SCHILY.xattr.kept.x': VALUE } }),
  ),
).subarray(0, -1024);

/** What stands before the links are made, and what comes after that. */
const CASES: readonly (readonly [string, string, string])[] = [
  ['the name is a file later', 'file a 0600 "1"\nlink b 0640 2:2 -> a mtime=7', 'file b "2"'],
  ['the name is a directory later', 'file a 0600 "1"\nlink b 0640 -> a xattr:user.a="1"', 'dir b\nfile b/c "2"'],
  ['the name is on a later way', 'file a 0600 "1"\nlink b 0640 -> a', 'file b/c "2"'],
  ['the name is a link to another file later', 'file a 0600 "1"\nfile c "2"\nlink b 0640 -> a', 'link b 0620 -> c'],
  [
    'the name is a link to the same file later',
    'file a 0600 "1"\nlink b 0640 -> a xattr:user.a="1"',
    'link b 0620 -> a',
  ],
  ['the name is a forward link later', 'file a 0600 "1"\nlink b 0640 2:2 -> a', 'link b 0620 -> c\nfile c "2"'],
  ['the target is a file later', 'file a 0600 "1"\nlink b 0640 -> a', 'file a "2"'],
  ['the target is a link later', 'file a 0600 "1"\nfile c "2"\nlink b 0640 -> a', 'link a 0620 -> c'],
  ['the target is a link to its own name later', 'file a 0600 "1"\nlink b 0640 -> a', 'link a 0620 3:3 -> b'],
  ['the directory of both goes', 'file d/a 0600 "1"\nlink d/b 0640 -> d/a\nlink c 0620 -> d/a', 'file d "2"'],
  ['a symlink gives way', 'sym a -> x\nlink b 0700 2:2 -> a mtime=7', 'file b "2"'],
  ['a placeholder gives way', 'char a 0600 1,3\nlink b 0640 2:2 -> a', 'fifo b'],
  ['a way leads through the link', 'dir d\nsym a -> d\nlink b 0700 2:2 -> a', 'file b/f "1"\nfile b "2"'],
];

function extractText(t: TestContext, before: string, filler: Uint8Array, after: string): readonly string[] {
  const staging = temporaryDirectory(t, 'sluice-layer');
  const start = parseLayer(`${before}\nend 0`);
  const tar = Buffer.concat([start, filler, parseLayer(after)]);
  const seen: number[] = [];
  const extraction = extract(t, tar, {
    staging,
    chunkBytes: [start.length + filler.length, tar.length],
    onChunk: () => void seen.push(readdirSync(join(staging, 'tree')).filter((name) => name.startsWith('~')).length),
  });
  assert.equal(verdict(extraction), 'done');
  if (filler.length > 0) assert.equal(seen[0], 20, 'the links so far are made by then');
  return treeText(extraction.tree, extraction.sidecar()).filter((line) => !line.includes('~filler'));
}

for (const [title, before, after] of CASES) {
  test(`extraction H3 H7 links made early leave what they leave when they are made late: ${title}`, (t) => {
    assert.deepEqual(extractText(t, before, FILLER, after), extractText(t, before, Buffer.alloc(0), after));
  });
}
