import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Sidecar } from '../consumers/sidecar.js';
import type { HostNode } from './tree.js';

/** One member as a tar program shows it; what it does not show is null. */
export interface Listed {
  /** Cleaned, latin1. */
  readonly path: string;
  readonly type: 'file' | 'dir' | 'link' | 'hardlink' | 'char' | 'block' | 'fifo';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number | null;
  readonly device: readonly [number, number] | null;
  /** Nanoseconds since 1970. */
  readonly time: bigint | null;
  readonly target: string | null;
  readonly sha256: string | null;
}

const ENVIRONMENT = { ...process.env, TZ: 'UTC', TAR_OPTIONS: '' };
const MAX_BYTES = 256 * 1024 * 1024;

/** Every member of an archive as GNU tar lists it, gzipped or not. It shows −1.25 s as −0.75 s, and −0.25 s as 0.25 s. */
export function listWithGnuTar(archive: string): readonly Listed[] {
  const words = [
    '-tv',
    '--full-time',
    '--numeric-owner',
    '--quoting-style=c',
    '--warning=no-unknown-keyword',
    '-f',
    archive,
  ];
  const text = execFileSync('tar', words, {
    env: { ...ENVIRONMENT, LC_ALL: 'C' },
    encoding: 'latin1',
    maxBuffer: MAX_BYTES,
  });
  return text.split('\n').slice(0, -1).map(parseGnuLine);
}

const GNU_TYPES = { '-': 'file', d: 'dir', l: 'link', h: 'hardlink', c: 'char', b: 'block', p: 'fifo' } as const;
const QUOTED = String.raw`"((?:[^"\\]|\\.)*)"`;
const GNU_LINE = new RegExp(
  String.raw`^([-dlhcbp])([-rwxsStT]{9}) (\d+)/(\d+) +(\d+)(?:,(\d+))? (-?\d+)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))? +` +
    `${QUOTED}(?: (?:->|link to) ${QUOTED})?$`,
);

function parseGnuLine(line: string): Listed {
  const match = GNU_LINE.exec(line);
  assert.ok(match, `a line of GNU tar: ${line}`);
  const [, letter, mode, uid, gid, size, minor, year, month, day, hour, minute, second, fraction = ''] = match;
  const type = GNU_TYPES[letter as keyof typeof GNU_TYPES];
  const seconds = Date.UTC(+year!, +month! - 1, +day!, +hour!, +minute!, +second!) / 1000;
  return {
    path: cleaned(unquote(match[14]!)),
    type,
    mode: parseMode(mode!),
    uid: Number(uid),
    gid: Number(gid),
    size: type === 'file' ? Number(size) : null,
    device: minor === undefined ? null : [Number(size), Number(minor)],
    time: seconds <= 0 && fraction !== '' ? null : BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0')),
    target: match[15] === undefined ? null : unquote(match[15]),
    sha256: null,
  };
}

/** `rwsr-xr-T` as twelve bits. */
function parseMode(text: string): number {
  let mode = 0;
  for (const [place, letter] of [...text].entries()) {
    if (letter !== '-' && letter !== 'S' && letter !== 'T') mode |= 0o400 >> place;
    if ('sStT'.includes(letter)) mode |= 0o4000 >> Math.floor(place / 3);
  }
  return mode;
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unquote(text: string): string {
  return text.replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
    code.length === 3 ? String.fromCharCode(parseInt(code, 8)) : (ESCAPES[code] ?? code),
  );
}

/**
 * Every member of an archive as bsdtar turns it into mtree lines, contents hashed. It knows UTF-8 names alone, and shows
 * −0.25 s as 0.25 s.
 */
export function listWithBsdtar(archive: string): readonly Listed[] {
  const keywords = ['type', 'mode', 'uid', 'gid', 'size', 'time', 'link', 'device', 'sha256'];
  const options = `--options=mtree:!all,${keywords.map((word) => `mtree:${word}`).join(',')}`;
  const text = execFileSync('bsdtar', ['-cf', '-', '--format=mtree', options, `@${archive}`], {
    env: { ...ENVIRONMENT, LC_ALL: 'C.UTF-8' },
    encoding: 'latin1',
    maxBuffer: MAX_BYTES,
  });
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseMtreeLine);
}

function parseMtreeLine(line: string): Listed {
  const [name = '', ...words] = line.split(' ');
  const pairs = words.map((word): [string, string] => {
    const equals = word.indexOf('=');
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
  const value = new Map(pairs);
  const [seconds = '0', nanoseconds = '0'] = value.get('time')!.split('.');
  const isSignLost = seconds.startsWith('-') || (seconds === '0' && Number(nanoseconds) !== 0);
  const sha256 = value.get('sha256digest') ?? null;
  const isLink = value.get('type') === 'file' && sha256 === null;
  const [, major, minor] = /^native,(\d+),(\d+)$/.exec(value.get('device') ?? '') ?? [];
  return {
    path: cleaned(unvis(name)),
    type: isLink ? 'hardlink' : (value.get('type') as Listed['type']),
    mode: parseInt(value.get('mode')!, 8),
    uid: Number(value.get('uid')),
    gid: Number(value.get('gid')),
    size: sha256 === null ? null : Number(value.get('size')),
    device: major === undefined ? null : [Number(major), Number(minor)],
    time: isSignLost ? null : BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds),
    target: value.has('link') ? unvis(value.get('link')!) : null,
    sha256,
  };
}

function unvis(word: string): string {
  return word.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}

function cleaned(name: string): string {
  return name
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** What a tar program shows of each path's last member is what tree and sidecar have, and nothing else is there. */
export function assertListed(listed: readonly Listed[], tree: readonly HostNode[], sidecar: Sidecar): void {
  const last = new Map(listed.map((one) => [one.path, one]));
  const host = new Map(tree.map((node) => [node.path, node]));
  for (const entry of sidecar.entries) {
    const one = last.get(entry.path);
    if (!one) {
      assert.ok(entry.isImplied || entry.path === '', `${JSON.stringify(entry.path)} is not in the archive`);
      continue;
    }
    last.delete(entry.path);
    const node = host.get(entry.path)!;
    const isLink = one.type === 'hardlink';
    const { mode, uid, gid } = entry;
    assert.deepEqual(
      [isLink ? 'hardlink' : entry.type, mode, uid, gid],
      [one.type, one.mode, one.uid, one.gid],
      entry.path,
    );
    if (one.time !== null) assert.equal(entry.time, one.time, entry.path);
    if (one.size !== null && !isLink) assert.equal(entry.size, one.size, entry.path);
    if (one.device) assert.deepEqual(entry.device, one.device, entry.path);
    if (one.sha256 !== null) assert.equal(node.sha256, one.sha256, entry.path);
    if (one.target === null) continue;
    if (isLink) assert.ok(node.names.includes(cleaned(one.target)), `${entry.path} is ${one.target}`);
    else assert.equal(node.target, one.target, entry.path);
  }
  assert.deepEqual([...last.keys()], [], 'every member came out');
}
