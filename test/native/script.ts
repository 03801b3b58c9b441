import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { FLAG, KIND, OP, RESULT, STATUS, STRIDE, SYSCALLS, WORD, XATTR } from '../../src/layer/commands.js';
import { native, type WriterHandle } from '../../src/native.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

export { FLAG, KIND, OP, STATUS, XATTR };

export type Bytes = string | Uint8Array;
export type Xattr = readonly [flag: number, name: string, value: Bytes];

/** Words of a command that differ from 0; times are in seconds. */
export interface Words {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: bigint | number;
  readonly mtimeNs?: number;
  readonly size?: number;
  readonly offset?: number;
  readonly flags?: number;
  readonly kind?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly entry?: number;
  readonly xattrs?: readonly Xattr[];
  readonly link?: Bytes;
  readonly data?: Bytes;
}

/** What a run came to, in words. */
export interface Outcome {
  /** Commands completed. */
  readonly done: number;
  readonly status: number;
  readonly errno: string;
  readonly syscall: string;
  readonly atLeaf: boolean;
  readonly name: string;
  readonly kind: number;
  readonly inode: bigint;
  readonly links: number;
  readonly xattrsKept: number;
  readonly overrideIsLong: boolean;
  readonly size: number;
}

const ERRNO_NAMES = new Map(Object.entries(constants.errno).map(([name, value]) => [value as number, name]));

const bytesOf = (bytes: Bytes): Uint8Array => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes);

/** Commands with their arena and slab, one call each. */
export class Script {
  count = 0;
  #words = new Int32Array(STRIDE * 16);
  #arena = Buffer.alloc(1024);
  #arenaLength = 0;
  #slab = Buffer.alloc(1024);
  #slabLength = 0;

  get words(): Int32Array {
    return this.#words;
  }

  get arena(): Uint8Array {
    return this.#arena.subarray(0, this.#arenaLength);
  }

  get slab(): Uint8Array {
    return this.#slab.subarray(0, this.#slabLength);
  }

  file(path: Bytes, data: Bytes = '', words: Words = {}): this {
    const size = bytesOf(data).length;
    return this.add(OP.FILE, path, { mode: 0o644, kind: KIND.FILE, flags: FLAG.LAST, size, ...words, data });
  }

  dir(path: Bytes, words: Words = {}): this {
    return this.add(OP.DIR, path, { mode: 0o755, ...words });
  }

  root(words: Words = {}): this {
    return this.add(OP.DIR_META, '', { mode: 0o755, ...words });
  }

  symlink(path: Bytes, link: Bytes, words: Words = {}): this {
    return this.add(OP.SYMLINK, path, { mode: 0o777, ...words, link });
  }

  link(path: Bytes, target: Bytes): this {
    return this.add(OP.LINK, path, { link: target });
  }

  remove(path: Bytes): this {
    return this.add(OP.REMOVE, path, {});
  }

  stat(path: Bytes): this {
    return this.add(OP.STAT, path, {});
  }

  add(op: number, path: Bytes, words: Words): this {
    if ((this.count + 1) * STRIDE > this.#words.length) {
      const grown = new Int32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    const at = this.count++ * STRIDE;
    const set = (word: number, value: number): void => void (this.#words[at + word] = value);
    const setLong = (word: number, value: bigint | number): void => {
      const long = BigInt.asUintN(64, BigInt(value));
      set(word, Number(BigInt.asIntN(32, long)));
      set(word + 1, Number(BigInt.asIntN(32, long >> 32n)));
    };
    const place = (bytes: Uint8Array): number => {
      this.#arena = append(this.#arena, this.#arenaLength, bytes);
      this.#arenaLength += bytes.length;
      return this.#arenaLength - bytes.length;
    };
    const pathBytes = bytesOf(path);
    const linkBytes = bytesOf(words.link ?? '');
    const dataBytes = bytesOf(words.data ?? '');
    set(WORD.OP, op);
    set(WORD.PATH, place(pathBytes));
    set(WORD.PATH_LENGTH, pathBytes.length);
    set(WORD.LINK, place(linkBytes));
    set(WORD.LINK_LENGTH, linkBytes.length);
    set(WORD.MODE, words.mode ?? 0);
    set(WORD.UID, words.uid ?? 0);
    set(WORD.GID, words.gid ?? 0);
    setLong(WORD.MTIME, words.mtime ?? 0);
    set(WORD.MTIME_NS, words.mtimeNs ?? 0);
    setLong(WORD.SIZE, words.size ?? 0);
    this.#slab = append(this.#slab, this.#slabLength, dataBytes);
    set(WORD.DATA, this.#slabLength);
    set(WORD.DATA_LENGTH, dataBytes.length);
    this.#slabLength += dataBytes.length;
    set(WORD.XATTR, place(packXattrs(words.xattrs ?? [])));
    set(WORD.XATTR_COUNT, words.xattrs?.length ?? 0);
    set(WORD.DEV_MAJOR, words.device?.[0] ?? 0);
    set(WORD.DEV_MINOR, words.device?.[1] ?? 0);
    set(WORD.FLAGS, words.flags ?? 0);
    set(WORD.KIND, words.kind ?? 0);
    setLong(WORD.OFFSET, words.offset ?? 0);
    set(WORD.ENTRY, words.entry ?? 0);
    return this;
  }
}

function append(buffer: Buffer<ArrayBuffer>, length: number, bytes: Uint8Array): Buffer<ArrayBuffer> {
  let room = buffer;
  if (length + bytes.length > buffer.length) {
    room = Buffer.alloc(Math.max(buffer.length * 2, length + bytes.length));
    buffer.copy(room, 0, 0, length);
  }
  room.set(bytes, length);
  return room;
}

function packXattrs(xattrs: readonly Xattr[]): Uint8Array {
  return Buffer.concat(
    xattrs.map(([flag, name, value]) => {
      const head = Buffer.alloc(9);
      head[0] = flag;
      head.writeUInt32LE(Buffer.byteLength(name), 1);
      head.writeUInt32LE(bytesOf(value).length, 5);
      return Buffer.concat([head, Buffer.from(name), bytesOf(value)]);
    }),
  );
}

export const script = (): Script => new Script();

export interface TreeOptions {
  readonly walk?: boolean;
  readonly umask?: number;
  /** Existing directory that holds root and sidecar, instead of a temporary one. */
  readonly folder?: string;
  readonly folds?: boolean;
  readonly mostLinks?: number;
}

/** A layer root in a temporary directory, with the writer on it. */
export class Tree {
  /** Holds `tree`, the sidecar `side` and whatever a test puts beside the root. */
  readonly base: string;
  readonly root: string;
  readonly writer: WriterHandle;
  readonly #result = new Int32Array(16);
  readonly #name = new Uint8Array(8192);

  constructor(t: Cleanup, options: TreeOptions = {}) {
    const { walk = false, umask = process.umask(), folder, folds = false, mostLinks = 0 } = options;
    this.base = folder ?? temporaryDirectory(t, 'sluice-native');
    this.root = join(this.base, 'tree');
    mkdirSync(this.root, { mode: 0o755 });
    this.writer = native().writerOpen(Buffer.from(this.root), Buffer.from(this.base), walk, umask, folds, mostLinks);
    t.after(() => native().writerClose(this.writer));
  }

  attempt(commands: Script, first = 0): Outcome {
    const { slab, arena, words, count } = commands;
    const done = native().writerRun(this.writer, slab, arena, words, first, count, this.#result, this.#name);
    const word = (at: number): number => this.#result[at]!;
    return {
      done,
      status: word(RESULT.STATUS),
      errno: ERRNO_NAMES.get(word(RESULT.ERRNO)) ?? '',
      syscall: SYSCALLS[word(RESULT.SYSCALL)]!,
      atLeaf: word(RESULT.AT_LEAF) === 1,
      name: Buffer.from(this.#name.subarray(0, word(RESULT.NAME_LENGTH))).toString('latin1'),
      kind: word(RESULT.KIND),
      inode:
        BigInt.asUintN(32, BigInt(word(RESULT.INODE))) | (BigInt.asUintN(32, BigInt(word(RESULT.INODE + 1))) << 32n),
      links: word(RESULT.LINKS),
      xattrsKept: word(RESULT.XATTRS_KEPT),
      overrideIsLong: word(RESULT.OVERRIDE_IS_LONG) === 1,
      size: word(RESULT.SIZE),
    };
  }

  /** Runs all; anything but success fails the test. `xattrsKept` is the sum of all commands. */
  run(commands: Script): Outcome {
    let outcome = this.attempt(commands);
    for (let kept = outcome.xattrsKept; outcome.done < commands.count && outcome.status === STATUS.DONE;) {
      outcome = this.attempt(commands, outcome.done);
      kept += outcome.xattrsKept;
      outcome = { ...outcome, xattrsKept: kept };
    }
    assert.equal(outcome.done, commands.count, `stopped: ${outcome.errno} ${outcome.syscall} at ${outcome.name}`);
    assert.equal(outcome.status, STATUS.DONE);
    return outcome;
  }

  /** Runs all, and does what the rules do where it suspends (N4, N6, O table). */
  runWithRules(commands: Script): void {
    for (let at = 0, tries = 0; at < commands.count; tries++) {
      const outcome = this.attempt(commands, at);
      at = outcome.done;
      if (at === commands.count) return;
      if (outcome.status === STATUS.DONE) continue;
      assert.equal(outcome.status, STATUS.SUSPENDED, `${outcome.errno} ${outcome.syscall} at ${outcome.name}`);
      assert.ok(tries < 10_000, 'no end of suspensions');
      const where = Buffer.from(outcome.name, 'latin1');
      const isDirectory = commands.words[at * STRIDE + WORD.OP] === OP.DIR;
      if (outcome.errno === 'ENOENT') this.run(script().dir(where, { flags: FLAG.IMPLIED }));
      else if (outcome.atLeaf && outcome.kind === KIND.DIR && isDirectory) {
        commands.words[at * STRIDE + WORD.OP] = OP.DIR_META;
      } else this.run(script().remove(where));
    }
  }

  stat(path: Bytes): Outcome {
    return this.run(script().stat(path));
  }

  /** Finishes the layer. @returns the sidecar's lines without the head */
  finish(): string[] {
    const side = join(this.base, 'side');
    const count = native().writerFinish(this.writer, Buffer.from(side), Buffer.from('#mtree\n'), 1e9);
    const lines = readFileSync(side, 'latin1').split('\n');
    assert.equal(lines.shift(), '#mtree');
    assert.equal(lines.pop(), '');
    assert.equal(lines.filter((line) => !line.startsWith('#')).length, count);
    return lines;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'latin1');
  }

  override(name: string): string | null {
    const value = native().xattrGet(Buffer.from(this.path(name)), Buffer.from('user.containers.override_stat'));
    return value && value.toString('latin1');
  }
}

/** Both ways of N8 must give the same. */
export const WAYS: readonly { readonly name: string; readonly walk: boolean }[] = [
  { name: 'openat2', walk: false },
  { name: 'walk', walk: true },
];

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** Eight hex digits, from the definition and not from the addon. */
export function crc32c(bytes: Uint8Array): string {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255]!;
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
}

/** Numbers below `limit`, the same for the same seed. */
export function seededRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
