import type { Random } from '../../src/testing/index.js';
import { pick, type Mutation } from './mutate-bytes.js';

const BLOCK = 512;
const CHECKSUM = 148;
const CHECKSUM_BYTES = 8;

/** Offsets of the blocks whose checksum is right: headers, but for a rare chance. */
export function findHeaders(tar: Buffer): readonly number[] {
  const found: number[] = [];
  for (let at = 0; at + BLOCK <= tar.length; at += BLOCK) {
    const field = tar.toString('latin1', at + CHECKSUM, at + CHECKSUM + 6);
    if (/^[0-7]{6}$/.test(field) && parseInt(field, 8) === sumOf(tar, at)) found.push(at);
  }
  return found;
}

export function repairChecksum(tar: Buffer, at: number): void {
  const octal = sumOf(tar, at).toString(8).padStart(6, '0');
  tar.write(`${octal}\0 `, at + CHECKSUM, 'latin1');
}

function sumOf(tar: Buffer, at: number): number {
  let sum = CHECKSUM_BYTES * 0x20;
  for (let i = 0; i < BLOCK; i++) if (i < CHECKSUM || i >= CHECKSUM + CHECKSUM_BYTES) sum += tar[at + i]!;
  return sum;
}

/** Headers change and keep a right checksum, so that what is behind that test is reached (T1). */
export const HEADER_MUTATIONS: readonly Mutation[] = [
  onHeader((header, random) => {
    for (let left = 1 + random.integer(4); left > 0; left--) header[random.integer(BLOCK)] = random.integer(256);
  }),
  onHeader((header, random) => setField(header, pick(random, NUMBERS), pick(random, NUMBER_TEXTS))),
  onHeader((header, random) => setField(header, SIZE, pick(random, SIZES))),
  onHeader((header, random) => setField(header, pick(random, NAMES), pick(random, NAME_TEXTS))),
  onHeader((header, random) => setField(header, TYPE_FLAG, pick(random, TYPE_FLAGS))),
  onHeader((header, random) => setField(header, MAGIC, pick(random, MAGICS))),
  onHeader((header, random, other) => {
    const [start, length] = pick(random, FIELDS);
    other.copy(header, start, start, start + length);
  }),
  onHeader((header, random, other) => {
    const [to, from] = [pick(random, NAMES), pick(random, NAMES)];
    other.copy(header, to[0], from[0], from[0] + Math.min(to[1], from[1]));
  }),
];

type Field = readonly [start: number, length: number];
const NAME: Field = [0, 100];
const SIZE: Field = [124, 12];
const TYPE_FLAG: Field = [156, 1];
const LINK: Field = [157, 100];
const MAGIC: Field = [257, 8];
const PREFIX: Field = [345, 155];
const NAMES: readonly Field[] = [NAME, LINK, PREFIX];
const SPARSE_NUMBERS = [386, 398, 410, 422, 434, 446, 458, 470, 483].map((start): Field => [start, 12]);
const NUMBERS: readonly Field[] = [[100, 8], [108, 8], [116, 8], [136, 12], [329, 8], [337, 8], ...SPARSE_NUMBERS];
const SPARSE_EXTENDED: Field = [482, 1];
const STAR_MAGIC: Field = [508, 4];
const FIELDS: readonly Field[] = [...NAMES, ...NUMBERS, SIZE, TYPE_FLAG, MAGIC, SPARSE_EXTENDED, STAR_MAGIC];

const TYPE_FLAGS = [...'\x0001234567DgKLMNSVxX\xffA'];
const MAGICS = ['ustar\x0000', 'ustar  \0', 'ustar\0\0\0', 'ustar 00', '\0\0\0\0\0\0\0\0'];
const SIZES = [
  '0',
  '1',
  '777',
  '1000',
  '1001',
  '40000',
  '77777777777',
  '-1',
  '',
  ' 17 ',
  '9',
  '\x80',
  '\xff'.repeat(12),
];
const NUMBER_TEXTS = [
  ...SIZES,
  '7777777',
  '37777777777',
  '\x80\0\0\0\0\0\0\0\0\0\0\x01',
  '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff',
  '\xff\xff\xff\xff\xff\xff\xff\xfe',
  '\xbf\xff\xff\xff\xff\xff\xff\xff',
];
const NAME_TEXTS = [
  ['', '.', '..', '/', './', 'a', 'a/', 'a/b', 'b/../a', '../../victim/canary', '/victim/x', '../dest-evil/secret'],
  ['.wh.', '.wh.a', 'a/.wh.b', '.wh..wh..opq', '.wh..wh.plnk/1', '.wh.a/b', 'loop/loop/x', 'x'.repeat(155)],
  ['a\nb', '\xff\xfe', 'a\0b', '#sluice.deferred ./a ./b', '\\040', 'a b=c'],
].flat();

/** @param other a header of the donor, or another one of the archive itself */
type HeaderChange = (header: Buffer, random: Random, other: Buffer) => void;

function onHeader(change: HeaderChange): Mutation {
  return (bytes, random, donor) => {
    const changed = Buffer.from(bytes);
    const at = chooseHeader(changed, random);
    const source = random.integer(2) === 0 ? donor : changed;
    const from = chooseHeader(source, random);
    if (at === undefined || from === undefined) return changed;
    change(changed.subarray(at, at + BLOCK), random, Buffer.from(source.subarray(from, from + BLOCK)));
    if (random.integer(8) !== 0) repairChecksum(changed, at);
    return changed;
  };
}

function chooseHeader(tar: Buffer, random: Random): number | undefined {
  const headers = findHeaders(tar);
  return headers.length === 0 ? undefined : pick(random, headers);
}

function setField(header: Buffer, [start, length]: Field, text: string): void {
  header.fill(0, start, start + length);
  header.write(text.slice(0, length), start, 'latin1');
}
