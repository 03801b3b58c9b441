import assert from 'node:assert/strict';
import { SluiceError } from '../../../src/errors.js';
import { Batch } from '../../../src/layer/batch.js';
import { FLAG, KIND, OP, STRIDE, WORD } from '../../../src/layer/commands.js';
import { cleanName } from '../../../src/layer/path.js';
import { PlainMembers } from '../../../src/layer/plain.js';
import { decide, hasMarkerDirectory, isAufs, type Decision } from '../../../src/layer/rules.js';
import type { Entry } from '../../../src/layer/tar/entry.js';
import { createTarReader } from '../../../src/layer/tar/reader.js';
import { native } from '../../../src/native.js';

/** What a command says, names as latin1. */
interface Made {
  readonly kind: Decision['kind'];
  readonly path: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNs: number;
  readonly size: number;
  readonly offset: number;
  readonly entry: number;
}

const FLAGS = FLAG.LIBKRUN | FLAG.PRIVILEGED;
const TWO_32 = 2 ** 32;

/**
 * Reads an archive in one push by the tar reader, and whatever the addon calls plain by the addon as well.
 * @returns how many members were plain
 * @throws AssertionError when the rules make anything else of one of them
 */
export function assertPlainAgrees(tar: Uint8Array): number {
  const plain = new PlainMembers(native(), FLAGS);
  const expected: Made[] = [];
  let count = 0;
  let entries = 0;
  const handler = {
    takeMembers: (bytes: Uint8Array, at: number, offset: number): number => {
      if (expected.length > 0) return at;
      const batch = new Batch();
      const end = plain.read(batch, bytes, at, offset - at, entries);
      for (let i = 0; i < batch.count; i++) expected.push(madeBy(batch, i, bytes));
      assert.equal(end > at, batch.count > 0);
      assert.equal(plain.entries, batch.count);
      const sizes = expected.map(({ size }) => size);
      assert.equal(
        plain.fileBytes,
        sizes.reduce((sum, size) => sum + size, 0),
      );
      assert.equal(plain.largestFileBytes, Math.max(0, ...sizes));
      count += batch.count;
      return at;
    },
    entry: (entry: Entry): void => {
      const command = expected[0];
      if (command) assert.deepEqual(command, madeOf(entry, entries));
      entries++;
    },
    data: (): void => {},
    entryEnd: (): void => void expected.shift(),
    warn: (rule: string): void => assert.equal(expected.length, 0, `${rule} of what is plain`),
    header: (): void => {},
  };
  try {
    const reader = createTarReader(handler, 65_536);
    reader.push(tar);
    reader.end();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    assert.equal(expected.length, 0, `what is plain is refused: ${error.message}`);
  }
  return count;
}

const KINDS: Readonly<Record<number, Decision['kind']>> = {
  [KIND.FILE]: 'file',
  [KIND.DIR]: 'directory',
  [KIND.SYMLINK]: 'symlink',
};
const OPS: Readonly<Record<number, number>> = { [KIND.FILE]: OP.FILE, [KIND.DIR]: OP.DIR, [KIND.SYMLINK]: OP.SYMLINK };

function madeBy(batch: Batch, index: number, bytes: Uint8Array): Made {
  const word = (at: number): number => batch.words[index * STRIDE + at]!;
  const long = (at: number): number => word(at + 1) * TWO_32 + (word(at) >>> 0);
  const text = (at: number): string => latin1(batch.arena, word(at), word(at) + word(at + 1));
  const kind = word(WORD.KIND);
  const isFile = kind === KIND.FILE;
  assert.equal(word(WORD.OP), OPS[kind]);
  assert.equal(word(WORD.FLAGS), isFile ? FLAGS | FLAG.LAST : FLAGS);
  for (const unused of [WORD.XATTR_COUNT, WORD.DEV_MAJOR, WORD.DEV_MINOR, WORD.OFFSET]) assert.equal(word(unused), 0);
  const size = long(WORD.SIZE);
  const data = word(WORD.DATA);
  assert.equal(word(WORD.DATA_LENGTH), size);
  if (size > 0) assert.equal(data, batch.offsets[index]! + 512, 'the archive is one push');
  assert.ok(data + size <= bytes.length);
  return {
    kind: KINDS[kind]!,
    path: text(WORD.PATH),
    link: text(WORD.LINK),
    mode: word(WORD.MODE),
    uid: word(WORD.UID) >>> 0,
    gid: word(WORD.GID) >>> 0,
    mtime: long(WORD.MTIME),
    mtimeNs: word(WORD.MTIME_NS),
    size,
    offset: batch.offsets[index]!,
    entry: word(WORD.ENTRY),
  };
}

function madeOf(entry: Entry, number: number): Made {
  const path = new Uint8Array(entry.name.end - entry.name.start);
  const length = cleanName(entry.name, path, 0);
  assert.ok(!isAufs(path, 0, length) && !hasMarkerDirectory(path, 0, length), 'what is plain warns of nothing');
  assert.deepEqual([entry.xattrs.length, entry.sparse], [0, null]);
  const { kind } = decide(entry, path, 0, length);
  return {
    kind,
    path: latin1(path, 0, length),
    link: kind === 'symlink' ? latin1(entry.link.bytes, entry.link.start, entry.link.end) : '',
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtime,
    mtimeNs: entry.mtimeNs,
    size: kind === 'file' ? entry.size : 0,
    offset: entry.offset,
    entry: number,
  };
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(start, end)).toString('latin1');
}
