import assert from 'node:assert/strict';
import { parseSidecarHead, type SidecarHead } from '../../src/oci/sidecar-head.js';

/** One entry's line and its comments. Names are latin1, so that every byte is one character. */
export interface SidecarEntry {
  /** Without the `./` in front; the root is empty. */
  readonly path: string;
  readonly type: string;
  readonly device: readonly [number, number] | null;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number | null;
  readonly names: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly link: string | null;
  readonly isImplied: boolean;
  /** First name of the inode, when this is a later one. */
  readonly hardlink: string | null;
  readonly crc32c: string | null;
  readonly folded: readonly string[];
  readonly xattrs: readonly {
    readonly isSet: boolean;
    readonly name: string;
    readonly value: Buffer;
  }[];
}

export interface DeferredLine {
  readonly path: string;
  readonly target: string;
}

export interface Sidecar {
  readonly head: SidecarHead;
  readonly entries: readonly SidecarEntry[];
  readonly deferred: readonly DeferredLine[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };

const NAME = String.raw`(?:[A-Za-z0-9._+,:@/~%^-]|\\[0-3][0-7]{2})`;
const PATH = String.raw`(\.|\./${NAME}+)`;
const OWNER = String.raw`uid=(\d+) gid=(\d+)`;
const TIME = String.raw`time=(-?\d+)\.(\d{9})`;
const MODE = String.raw`mode=(0[0-7]{3,4})`;
const ENTRY = new RegExp(
  `^${PATH} type=(file|dir|link|char|block|fifo)(?: device=native,(\\d+),(\\d+))? ${MODE} ${OWNER}` +
    `(?: size=(\\d+))?(?: nlink=(\\d+))? ${TIME}(?: link=(${NAME}+))?$`,
);
const DEFERRED = new RegExp(`^#sluice\\.deferred (\\./${NAME}+) (\\./${NAME}+) ${OWNER} ${MODE} ${TIME} index=\\d+$`);
const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const COMMENTS = {
  implied: /^#sluice\.implied$/,
  hardlink: new RegExp(`^#sluice\\.hardlink (\\./${NAME}+)$`),
  folded: new RegExp(`^#sluice\\.folded (${NAME}+)$`),
  crc32c: /^#sluice\.crc32c ([0-9a-f]{8})$/,
  xattr: new RegExp(`^#sluice\\.xattr (set|kept) (${NAME}+) (${BASE64})$`),
};

/** Reads a sidecar as a stranger would: whatever is not as §13 says fails. @param text in latin1 */
export function parseSidecar(text: string): Sidecar {
  const head = parseSidecarHead(Buffer.from(text, 'latin1'));
  assert.ok(head);
  return { head, ...parseLines(text, 3) };
}

/** The same for the sidecar of a composed root. */
export function parseRootfsSidecar(text: string): Omit<Sidecar, 'head'> {
  assert.match(text, /^#mtree\n#sluice\.rootfs v=1 stat=\w+\n/);
  return parseLines(text, 2);
}

function parseLines(text: string, headLines: number): Omit<Sidecar, 'head'> {
  assert.ok(text.endsWith('\n'), 'the last line is whole');
  const entries: Writable<SidecarEntry>[] = [];
  const deferred: DeferredLine[] = [];
  let open: Writable<SidecarEntry> | null = null;
  for (const line of text.split('\n').slice(headLines, -1)) {
    const link = DEFERRED.exec(line);
    if (line.startsWith('#') && !link) {
      assert.ok(open, `the comment ${JSON.stringify(line)} stands right after its entry`);
      addComment(open, line);
      continue;
    }
    open = link ? null : parseEntry(line);
    if (link) deferred.push({ path: pathOf(link[1]!), target: pathOf(link[2]!) });
    else entries.push(open!);
  }
  return { entries, deferred };
}

function parseEntry(line: string): Writable<SidecarEntry> {
  const match = ENTRY.exec(line);
  assert.ok(match, `the line ${JSON.stringify(line)} is well formed`);
  const [, path, type, major, minor, mode, uid, gid, size, names, seconds, nanoseconds, link] = match;
  assert.equal(type === 'char' || type === 'block', major !== undefined, line);
  assert.equal(type === 'link', link !== undefined, line);
  assert.equal(type === 'file', size !== undefined, line);
  return {
    path: pathOf(path!),
    type: type!,
    device: major === undefined ? null : [Number(major), Number(minor)],
    mode: parseInt(mode!, 8),
    uid: Number(uid),
    gid: Number(gid),
    size: size === undefined ? null : Number(size),
    names: Number(names ?? 1),
    time: BigInt(seconds!) * 1_000_000_000n + BigInt(nanoseconds!),
    link: link === undefined ? null : unvis(link),
    isImplied: false,
    hardlink: null,
    crc32c: null,
    folded: [],
    xattrs: [],
  };
}

function addComment(entry: Writable<SidecarEntry>, line: string): void {
  const kind = /^#sluice\.([a-z0-9]+)/.exec(line)?.[1] as keyof typeof COMMENTS;
  const match = COMMENTS[kind]?.exec(line);
  assert.ok(match, `the comment ${JSON.stringify(line)} is well formed`);
  const [, first = '', name = '', value = ''] = match;
  switch (kind) {
    case 'implied':
      entry.isImplied = true;
      break;
    case 'hardlink':
      entry.hardlink = pathOf(first);
      break;
    case 'folded':
      entry.folded.push(unvis(first));
      break;
    case 'crc32c':
      entry.crc32c = first;
      break;
    case 'xattr':
      entry.xattrs.push({ isSet: first === 'set', name: unvis(name), value: Buffer.from(value, 'base64') });
      break;
    default:
      kind satisfies never;
  }
}

function pathOf(word: string): string {
  return unvis(word).replace(/^\.\/?/, '');
}

function unvis(word: string): string {
  return word.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
