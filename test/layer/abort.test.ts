import assert from 'node:assert/strict';
import {
  constants,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { OP, WORD } from '../../src/layer/commands.js';
import { Tree } from '../../src/layer/tree.js';
import { createWarnings } from '../../src/layer/warnings.js';
import { native, type Native } from '../../src/native.js';
import { createRandom, parseLayer } from '../../src/testing/index.js';
import { openControl } from '../../src/transfer/control.js';
import { extract, verdict } from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { composeLayersOf, extractLayerOf, judged } from '../rootfs/compose-layers.js';

const MIB = 1024 * 1024;

interface BigFile {
  readonly root: string;
  readonly tree: Tree;
  readonly content: Buffer;
}

/** A root with a file `big` of 20 MiB of data, 10 MiB of hole after the first, and 1 MiB at its end. */
function openBig(t: TestContext): BigFile {
  const base = temporaryDirectory(t);
  const root = join(base, 'tree');
  mkdirSync(root);
  const writer = native().writerOpen(Buffer.from(root), Buffer.from(base), false, process.umask(), false, 0);
  t.after(() => native().writerClose(writer));
  const data = Buffer.from(createRandom(5).bytes(MIB));
  const content = Buffer.concat([
    data,
    Buffer.alloc(10 * MIB),
    ...Array.from({ length: 19 }, () => data),
    Buffer.alloc(MIB),
  ]);
  writeFileSync(join(root, 'big'), data);
  truncateSync(join(root, 'big'), 11 * MIB);
  writeFileSync(join(root, 'big'), content.subarray(11 * MIB, -MIB), { flag: 'a' });
  truncateSync(join(root, 'big'), content.length);
  return { root, tree: new Tree(native(), writer, createWarnings(), 0), content };
}

/** Whether a copy costs nothing, so that it has no steps. */
function sharesBlocks(t: TestContext): boolean {
  const from = join(temporaryDirectory(t), 'from');
  writeFileSync(from, 'x');
  try {
    copyFileSync(from, `${from}-too`, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    return false;
  }
}

test('extraction H6 H10 a large file is copied in steps, holes and all', (t) => {
  const { root, tree, content } = openBig(t);
  let steps = 0;
  tree.throwIfAborted = () => void steps++;
  tree.copy(Buffer.from('big'), Buffer.from('copy'));
  assert.equal(steps, sharesBlocks(t) ? 0 : 2, '8 MiB of data each');
  assert.ok(readFileSync(join(root, 'copy')).equals(content));
  const [big, copy] = [statSync(join(root, 'big')), statSync(join(root, 'copy'))];
  assert.deepEqual([copy.blocks, copy.mtimeMs], [big.blocks, big.mtimeMs]);
});

test('extraction H6 H10 a copy that nobody wants any more ends between two steps, and holds no descriptor', (t) => {
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  const { root, tree } = openBig(t);
  const stop = new Error('enough');
  tree.throwIfAborted = () => {
    throw stop;
  };
  if (sharesBlocks(t)) return tree.copy(Buffer.from('big'), Buffer.from('copy'));
  assert.throws(() => tree.copy(Buffer.from('big'), Buffer.from('copy')), stop);
  assert.equal(statSync(join(root, 'copy')).size, 18 * MIB, 'the hole, and 8 MiB of data');
  assert.throws(() => tree.remove(Buffer.from('big')), /EBUSY/);
  t.after(() => assert.equal(descriptors(), before));
});

test('extraction H6 composing is cancelled while it copies what a link leads to', (t) => {
  const layers = [extractLayerOf(t, 'file big zero*20M'), extractLayerOf(t, 'link l -> big')];
  const control = openControl();
  let copies = 0;
  const addon = createRequire(import.meta.url)('xattr-native') as Pick<Native, 'writerRun'>;
  const { writerRun } = addon;
  t.mock.method(addon, 'writerRun', (...args: Parameters<Native['writerRun']>) => {
    if (args[3][WORD.OP] === OP.COPY && copies++ === 0) control.abort();
    return writerRun(...args);
  });
  assert.equal(judged(composeLayersOf(t, layers, { control: control.buffer })), 'ABORTED');
  assert.equal(copies, 1, 'the first step is the last');
});

test('extraction H4 a layer is cancelled while its links are made', (t) => {
  const control = openControl();
  const tar = parseLayer('link b -> a\nfile a "1"');
  const extraction = extract(t, tar, { control, chunkBytes: tar.length, onChunk: control.abort });
  assert.equal(verdict(extraction), 'ABORTED');
  assert.deepEqual(readdirSync(extraction.staging), []);
});
