import { dir, file, hardlink, layer, symlink, type LayerPart, type Random } from '../../src/testing/index.js';
import { pick } from './mutate-bytes.js';

/** What the sidecar must say of one path. Latin1: every character is a byte. */
export interface HostileEntry {
  readonly path: string;
  readonly kind: 'dir' | 'file' | 'link' | 'hardlink' | 'deferred';
  /** Of a symlink or hard link. */
  readonly target: string | null;
  readonly xattrs: readonly (readonly [name: string, value: string])[];
}

export interface HostileLayer {
  readonly tar: Buffer;
  readonly entries: readonly HostileEntry[];
}

/** Names of bytes that would forge lines, fields and escapes if one of them were written as it is; each name once. */
export function makeHostileLayer(random: Random): HostileLayer {
  const folders = [''];
  const files: string[] = [];
  const entries: HostileEntry[] = [];
  const parts: LayerPart[] = [];
  for (let index = random.integer(8); index >= 0; index--) {
    const path = `${pick(random, folders)}${chooseName(random)}${index}`;
    const made = makeEntry(random, path, files, index);
    entries.push(made);
    parts.push(partOf(made));
    if (made.kind === 'dir' && path.length < LONGEST_FOLDER) folders.push(`${path}/`);
    if (made.kind === 'file') files.push(path);
  }
  return { tar: layer(...parts), entries };
}

const LONGEST_FOLDER = 1500;
const LONGEST_NAME = 250;

function makeEntry(random: Random, path: string, files: readonly string[], index: number): HostileEntry {
  const kind = pick(random, ['dir', 'file', 'file', 'link', 'hardlink', 'deferred'] as const);
  switch (kind) {
    case 'dir':
    case 'file':
      return { path, kind, target: null, xattrs: makeXattrs(random) };
    case 'link':
      return { path, kind, target: `${chooseName(random)}/../${chooseName(random)}`, xattrs: [] };
    case 'deferred':
      return { path, kind, target: `absent${index}/${chooseName(random)}`, xattrs: [] };
    case 'hardlink':
      return files.length === 0
        ? { path, kind: 'file', target: null, xattrs: [] }
        : { path, kind, target: pick(random, files), xattrs: [] };
    default:
      return kind satisfies never;
  }
}

const FRAGMENTS = [
  [
    '\n',
    '\r',
    '\t',
    ' ',
    '#',
    '\\',
    '=',
    '"',
    "'",
    '*',
    '[',
    '?',
    '.',
    '..',
    '%',
    '%20',
    '\x01',
    '\x7f',
    '\x85',
    '\xa0',
  ],
  ['\\040', '\\012', '\\\\', '\\9', '\\777', '\\0', '\\s', '\\M-a', '\\^A', '#sluice.deferred', '#sluice.implied'],
  [
    '\n#sluice.deferred .',
    ' type=dir',
    ' link=x',
    '\n. type=dir mode=0777',
    'time=0.000000000',
    '#mtree\n',
    '\xff\xfe',
  ],
  ['\xe2\x80\xa8', '\xc3\xa9', 'e\xcc\x81', 'a', 'name', ':', '@', '^', '~', '-', '+', ','],
].flat();

/** At least one byte, none of them a slash or NUL, and no marker. */
function chooseName(random: Random): string {
  let name = '';
  for (let left = 1 + random.integer(6); left > 0; left--) name += chooseFragment(random);
  return name.startsWith('.') ? `a${name}`.slice(0, LONGEST_NAME) : name.slice(0, LONGEST_NAME);
}

function chooseFragment(random: Random): string {
  if (random.integer(3) > 0) return pick(random, FRAGMENTS);
  return random
    .bytes(1 + random.integer(5))
    .toString('latin1')
    .replace(/[/\0]/g, '_');
}

function makeXattrs(random: Random): HostileEntry['xattrs'] {
  const made = new Map<string, string>();
  for (let left = random.integer(3); left > 0; left--) {
    const prefix = pick(random, ['user.', 'security.', 'trusted.', '']);
    made.set(`${prefix}${chooseName(random)}`, random.bytes(random.integer(40)).toString('latin1'));
  }
  // An empty value deletes a record (T5).
  return [...made].filter(([, value]) => value !== '');
}

function partOf({ path, kind, target, xattrs }: HostileEntry): LayerPart {
  const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
  const records = xattrs.map(
    ([name, value]) => [`LIBARCHIVE.xattr.${percent(name)}`, bytes(value).toString('base64')] as const,
  );
  switch (kind) {
    case 'dir':
      return dir(bytes(path), { records });
    case 'file':
      return file(bytes(path), bytes(path), { records });
    case 'link':
      return symlink(bytes(path), bytes(target!));
    case 'hardlink':
    case 'deferred':
      return hardlink(bytes(path), bytes(target!));
    default:
      return kind satisfies never;
  }
}

/** Every byte as `%xx`: the form of a name that may hold `=`. */
function percent(name: string): string {
  return Buffer.from(name, 'latin1').toString('hex').replace(/../g, '%$&');
}
