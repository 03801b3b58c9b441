import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { native } from '../../src/native.js';

/** What the sidecar says of one path. */
interface SidecarLine {
  readonly words: ReadonlyMap<string, string>;
  readonly notes: readonly string[];
}

interface Sidecar {
  readonly lines: ReadonlyMap<string, SidecarLine>;
  readonly deferred: readonly string[];
}

/** Owner, mode and kind that the layer gives an entry. */
interface Truth {
  readonly kind: string;
  readonly mode: number;
  readonly owner: string;
  readonly device: string;
}

const KINDS: Readonly<Record<number, string>> = { 1: 'fifo', 2: 'char', 4: 'dir', 6: 'block', 8: 'file', 10: 'sym' };
const TYPES: Readonly<Record<string, string>> = { link: 'sym' };
const OVERRIDE = 'user.containers.override_stat';
const EARLIEST = -2147483648;
const LATEST = 15032385535;

/**
 * A layer's tree in the notation of layers, one line a name, sorted, with what is usual left out: 0644, of
 * directories 0755, 0:0, mtime 0, a root without an entry. `implied NAME` is a directory without one; a second name of
 * an inode is `link NAME -> FIRST`, a link that waits for a lower layer `deferred NAME -> TARGET`. `kept:KEY=` is an
 * attribute that the sidecar alone holds, `folded=MARKER` a whiteout that the name took the place of, `given=` a time
 * that no file system holds.
 *
 * Asserts what holds for every tree: host modes by M1, values by M2 and M5, and a sidecar that says the same (§13).
 */
export function treeText(root: string, sidecarText: string): readonly string[] {
  const sidecar = parseSidecar(sidecarText);
  const firstNames = new Map<bigint, string>();
  const seen = new Set<string>();
  const lines: string[] = [];
  const visit = (name: string): void => {
    const path = Buffer.from(name === '' ? root : `${root}/${name}`, 'latin1');
    const stat = lstatSync(path, { bigint: true });
    const line = sidecar.lines.get(name) ?? assert.fail(`the sidecar has no line of ${name}`);
    seen.add(name);
    const first = firstNames.get(stat.ino);
    if (!stat.isDirectory() && first === undefined) firstNames.set(stat.ino, name);
    const text = describe(path, name, stat, line);
    if (first !== undefined) {
      assert.ok(
        line.notes.some((note) => note === `hardlink ./${vis(first)}`),
        `${name}: its group`,
      );
      lines.push(`link ${quoteName(name)} -> ${quoteName(first)}${foldedOf(line)}`);
    } else if (name !== '' || text !== 'dir .') lines.push(text);
    if (!stat.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: 'latin1' }).toSorted())
      visit(name === '' ? child : `${name}/${child}`);
  };
  visit('');
  assert.deepEqual(
    [...sidecar.lines.keys()].filter((name) => !seen.has(name)),
    [],
    'the sidecar names what is not there',
  );
  return [...lines, ...sidecar.deferred].toSorted();
}

/** Lines of a tree as a test writes it down, spaces and order set right. */
export function expectedLines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, quoted?: string) => quoted ?? ' '))
    .filter((line) => line !== '')
    .toSorted();
}

/** A content as {@link treeText} shows it. */
export function contentText(bytes: Uint8Array): string {
  if (bytes.length <= 64) return quote(Buffer.from(bytes).toString('latin1'));
  if (bytes.every((byte) => byte === bytes[0])) {
    return bytes[0] === 0 ? `zero*${bytes.length}` : `${quote(String.fromCharCode(bytes[0]!))}*${bytes.length}`;
  }
  return `sha256:${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}*${bytes.length}`;
}

/** What {@link contentText} shows of a file that the notation's `data@OFFSET*LENGTH` filled. */
export function sparseText(size: number, ...segments: readonly (readonly [offset: number, length: number])[]): string {
  const bytes = Buffer.alloc(size);
  for (const [offset, length] of segments) {
    for (let at = offset; at < offset + length; at++) bytes[at] = 1 + (at % 251);
  }
  return contentText(bytes);
}

function describe(path: Buffer, name: string, stat: BigIntStats, line: SidecarLine): string {
  const { words, notes } = line;
  const xattrs = stat.isSymbolicLink() ? [] : xattrsOf(path);
  const override = xattrs.find(([key]) => key === OVERRIDE)?.[1].toString('latin1');
  const truth = override === undefined ? truthOfSidecar(words) : parseOverride(override);
  checkHost(name, stat, truth, override === undefined);
  checkSidecar(name, stat, truth, words);
  const isImplied = override === undefined && stat.isDirectory();
  assert.equal(notes.includes('implied'), isImplied, `${name}: implied`);
  const leaf = name.slice(name.lastIndexOf('/') + 1);
  const isMarker = truth.kind === 'file' && leaf.startsWith('.wh.');
  const isOpaque = isMarker && leaf === '.wh..wh..opq';
  const directory = name.slice(0, name.length - leaf.length);
  const shown = isOpaque ? directory.slice(0, -1) || '.' : isMarker ? directory + leaf.slice(4) : name || '.';
  const usual = truth.kind === 'sym' ? 0o777 : truth.kind === 'dir' ? 0o755 : 0o644;
  const what = stat.isSymbolicLink()
    ? `-> ${quoteName(readlinkSync(path, 'latin1'))}`
    : truth.kind === 'file' && !isMarker
      ? contentText(readFileSync(path))
      : truth.device;
  const given = parseTime(words.get('time')!);
  const kept = notes.filter((note) => note.startsWith('xattr kept ')).map(keptText);
  return [
    isImplied ? 'implied' : isOpaque ? 'opq' : isMarker ? 'wh' : truth.kind,
    quoteName(shown),
    truth.mode === usual ? '' : `0${truth.mode.toString(8).padStart(3, '0')}`,
    truth.owner === '0:0' ? '' : truth.owner,
    what,
    stat.mtimeNs === 0n ? '' : `mtime=${formatTime(stat.mtimeNs)}`,
    given === stat.mtimeNs ? '' : `given=${formatTime(given)}`,
    ...xattrs.filter(([key]) => key !== OVERRIDE).map(([key, value]) => `xattr:${key}=${valueText(value)}`),
    ...kept,
  ]
    .filter((word) => word !== '')
    .join(' ')
    .concat(foldedOf(line));
}

/** M1: whoever extracts can read and write, and no bit of the image's counts on the host. */
function checkHost(name: string, stat: BigIntStats, { kind, mode }: Truth, isImplied: boolean): void {
  if (kind === 'sym') return;
  const isPlain = kind === 'file' && !name.slice(name.lastIndexOf('/') + 1).startsWith('.wh.');
  const wanted = kind === 'dir' ? (mode & 0o777) | 0o700 : isPlain ? (mode & 0o777) | 0o600 : 0o600;
  assert.equal(Number(stat.mode) & 0o7777, wanted, `${name}: host mode`);
  assert.ok(kind === 'dir' ? stat.isDirectory() : stat.isFile(), `${name}: host type`);
  if (!isPlain && kind !== 'dir') assert.equal(stat.size, 0n, `${name}: a placeholder is empty`);
  if (isImplied) assert.equal(kind, 'dir', `${name}: has no ${OVERRIDE}`);
  assert.equal(Number(stat.uid), process.getuid!(), `${name}: host owner`);
}

function checkSidecar(name: string, stat: BigIntStats, truth: Truth, words: ReadonlyMap<string, string>): void {
  assert.deepEqual(truthOfSidecar(words), truth, `${name}: the sidecar`);
  if (truth.kind === 'file') assert.equal(words.get('size'), String(stat.size), `${name}: size`);
  if (!stat.isDirectory()) assert.equal(words.get('nlink') ?? '1', String(stat.nlink), `${name}: links`);
  const time = parseTime(words.get('time')!);
  const seconds = Number(time / 1_000_000_000n);
  if (seconds > EARLIEST && seconds < LATEST) assert.equal(stat.mtimeNs, time, `${name}: time`);
}

function truthOfSidecar(words: ReadonlyMap<string, string>): Truth {
  const type = words.get('type')!;
  return {
    kind: TYPES[type] ?? type,
    mode: parseInt(words.get('mode')!, 8),
    owner: `${words.get('uid')}:${words.get('gid')}`,
    device: words.get('device')?.replace('native,', '') ?? '',
  };
}

function parseOverride(value: string): Truth {
  const match = /^(\d+:\d+):0([0-7]+)(?::(?:(?:char|block)-(\d+)-(\d+)|pipe))?$/.exec(value);
  const [, owner, mode, major, minor] = match ?? assert.fail(`${OVERRIDE} is ${value}`);
  const full = parseInt(mode!, 8);
  return {
    kind: KINDS[full >> 12] ?? assert.fail(`${OVERRIDE} has no type: ${value}`),
    mode: full & 0o7777,
    owner: owner!,
    device: major === undefined ? '' : `${major},${minor}`,
  };
}

function xattrsOf(path: Buffer): readonly (readonly [string, Buffer])[] {
  const names = native()
    .xattrList(path)
    .map((name) => name.toString('latin1'))
    .filter((name) => name.startsWith('user.'));
  return names.toSorted().map((name) => [name, native().xattrGet(path, Buffer.from(name, 'latin1'))!]);
}

function parseSidecar(text: string): Sidecar {
  const lines = new Map<string, { words: ReadonlyMap<string, string>; notes: string[] }>();
  const deferred: string[] = [];
  let last: string[] = [];
  for (const line of text.split('\n').slice(3, -1)) {
    const note = /^#sluice\.(.*)$/.exec(line)?.[1];
    if (note === undefined) {
      const [path, ...words] = line.split(' ');
      last = [];
      lines.set(pathOf(path!), { words: new Map(words.map(splitPair)), notes: last });
    } else if (note.startsWith('deferred ')) deferred.push(deferredText(note.split(' ')));
    else last.push(note);
  }
  return { lines, deferred };
}

function deferredText([, path, target, ...words]: readonly string[]): string {
  const { mode, owner } = truthOfSidecar(new Map(words.map(splitPair)));
  const time = parseTime(new Map(words.map(splitPair)).get('time')!);
  return [
    'deferred',
    quoteName(pathOf(path!)),
    mode === 0o644 ? '' : `0${mode.toString(8).padStart(3, '0')}`,
    owner === '0:0' ? '' : owner,
    `-> ${quoteName(pathOf(target!))}`,
    time === 0n ? '' : `mtime=${formatTime(time)}`,
  ]
    .filter((word) => word !== '')
    .join(' ');
}

function pathOf(vised: string): string {
  return unvis(vised).replace(/^\.\/?/, '');
}

function splitPair(word: string): readonly [string, string] {
  const equals = word.indexOf('=');
  return [word.slice(0, equals), word.slice(equals + 1)];
}

function keptText(note: string): string {
  const [, , name, value] = note.split(' ');
  return `kept:${unvis(name!)}=${valueText(Buffer.from(value ?? '', 'base64'))}`;
}

function foldedOf({ notes }: SidecarLine): string {
  const folded = notes.find((note) => note.startsWith('folded '));
  return folded === undefined ? '' : ` folded=${quoteName(unvis(folded.slice(7)))}`;
}

/** mtree's floored seconds and nanoseconds, as nanoseconds. */
function parseTime(text: string): bigint {
  const [seconds, nanoseconds] = text.split('.');
  return BigInt(seconds!) * 1_000_000_000n + BigInt(nanoseconds!);
}

function formatTime(time: bigint): string {
  const size = time < 0n ? -time : time;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${time < 0n ? '-' : ''}${size / 1_000_000_000n}${fraction && `.${fraction}`}`;
}

function valueText(value: Buffer): string {
  return value.every((byte) => byte >= 0x20 && byte < 0x7f)
    ? quote(value.toString('latin1'))
    : `hex:${value.toString('hex')}`;
}

function quoteName(name: string): string {
  return /^[A-Za-z0-9._\-+,:@/~%^]+$/.test(name) ? name : quote(name);
}

function quote(text: string): string {
  const escaped = text.replace(/[^\x20-\x7e]|["\\]/g, (char) =>
    char === '\n'
      ? '\\n'
      : char === '"' || char === '\\'
        ? `\\${char}`
        : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `"${escaped}"`;
}

function vis(name: string): string {
  return name.replace(/[^A-Za-z0-9._\-+,:@/~%^]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function unvis(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
