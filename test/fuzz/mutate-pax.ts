import { paxRecord, type Random } from '../../src/testing/index.js';
import { flipBits, pick, type Mutation } from './mutate-bytes.js';
import { findHeaders, repairChecksum } from './mutate-headers.js';

const BLOCK = 512;
const SIZE = 124;
const TYPE_FLAG = 156;

type Pair = readonly [key: Buffer, value: Buffer];

/** Changes the records of one extended header; lengths, size, padding and checksum are right again afterwards. */
export const mutatePax: Mutation = (bytes, random, donor) => {
  const at = chooseExtended(bytes, random);
  if (at === undefined) return Buffer.from(bytes);
  const from = chooseExtended(donor, random);
  const pairs = changePairs(readPairs(bytes, at), random, from === undefined ? [] : readPairs(donor, from));
  const body = Buffer.concat(pairs.map(([key, value]) => paxRecord(key, value)));
  const header = Buffer.from(bytes.subarray(at, at + BLOCK));
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, SIZE, 'latin1');
  repairChecksum(header, 0);
  const end = at + BLOCK + wholeBlocks(sizeOf(bytes, at));
  const padding = Buffer.alloc(wholeBlocks(body.length) - body.length);
  return Buffer.concat([bytes.subarray(0, at), header, body, padding, bytes.subarray(end)]);
};

function chooseExtended(tar: Buffer, random: Random): number | undefined {
  const found = findHeaders(tar).filter((at) => 'xgX'.includes(String.fromCharCode(tar[at + TYPE_FLAG]!)));
  return found.length === 0 ? undefined : pick(random, found);
}

function sizeOf(tar: Buffer, at: number): number {
  const size = parseInt(tar.toString('latin1', at + SIZE, at + SIZE + 11), 8);
  return Number.isNaN(size) ? 0 : Math.min(size, tar.length - at - BLOCK);
}

function wholeBlocks(length: number): number {
  return Math.ceil(length / BLOCK) * BLOCK;
}

/** The records as far as they can be read. */
function readPairs(tar: Buffer, at: number): Pair[] {
  const pairs: Pair[] = [];
  const body = tar.subarray(at + BLOCK, at + BLOCK + sizeOf(tar, at));
  for (let start = 0; start < body.length;) {
    const space = body.indexOf(0x20, start);
    const length = Number(body.toString('latin1', start, space));
    if (space < 0 || !(length > space - start + 1)) break;
    const equals = body.indexOf(0x3d, space);
    const end = start + length - 1;
    if (equals < 0 || equals >= end) break;
    pairs.push([Buffer.from(body.subarray(space + 1, equals)), Buffer.from(body.subarray(equals + 1, end))]);
    start += length;
  }
  return pairs;
}

function changePairs(pairs: Pair[], random: Random, others: readonly Pair[]): Pair[] {
  const at = random.integer(pairs.length + 1);
  const [key, value] = pairs[at] ?? [Buffer.from('path'), Buffer.from('a')];
  const made = (): Pair => [textBytes(pick(random, KEYS)), textBytes(pick(random, VALUES))];
  const [changed, keptAfter]: readonly [readonly Pair[], number] = pick(random, [
    () => [[[key, textBytes(pick(random, VALUES))] as const], 1] as const,
    () => [[[textBytes(pick(random, KEYS)), value] as const], 1] as const,
    () => [[[key, flipBits(value, random)] as const], 1] as const,
    () => [[made()], 0] as const,
    () => [others.slice(0, 1 + random.integer(4)), 0] as const,
    () => [pairs.slice(at, at + 1), 0] as const,
    () => [[], 1] as const,
  ])();
  return [...pairs.slice(0, at), ...changed, ...pairs.slice(at + keptAfter)];
}

const textBytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const KEYS = [
  ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime', 'comment', 'hdrcharset', 'SUN.holesdata'],
  ['SCHILY.xattr.user.a', 'SCHILY.xattr.security.capability', 'SCHILY.xattr.user.containers.override_stat'],
  ['SCHILY.xattr.', 'SCHILY.xattr.user.\n#', 'SCHILY.acl.access', 'SCHILY.xattr.system.posix_acl_access'],
  [
    'LIBARCHIVE.xattr.user.%0a',
    'LIBARCHIVE.xattr.user.%00',
    'LIBARCHIVE.xattr.',
    'SCHILY.xattr.trusted.overlay.opaque',
  ],
  ['GNU.sparse.major', 'GNU.sparse.minor', 'GNU.sparse.name', 'GNU.sparse.size', 'GNU.sparse.realsize'],
  ['GNU.sparse.map', 'GNU.sparse.numblocks', 'GNU.sparse.offset', 'GNU.sparse.numbytes'],
].flat();

const VALUES = [
  ['', '0', '1', '-1', '-0', '+1', '512', '1000', '4294967294', '4294967295', '9007199254740993', '1e9', ' 1', '1 '],
  ['99999999999999999999', '-1.5', '.5', '1.', '.', '1.9999999999999', '0,0', '0,512,512,0', '0,1,0,1', '1,2,3', '1\0'],
  [
    'a',
    'a/b',
    '../../victim/canary',
    '/',
    '.',
    'a\0b',
    'n\n8 path=x',
    'x'.repeat(300),
    'y/'.repeat(600),
    '\xff\xfe',
    '=',
  ],
  ['.wh.a', '.wh..wh..opq', '.wh.', 'AQAAAg==', '%%%', 'v'.repeat(5000)],
].flat();
