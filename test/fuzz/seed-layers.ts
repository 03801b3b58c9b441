import fc from 'fast-check';
import {
  blockDevice,
  charDevice,
  createRandom,
  dir,
  encodePaxRecords,
  end,
  entry,
  fifo,
  file,
  gnuLongLink,
  gnuLongName,
  hardlink,
  junk,
  layer,
  meta,
  opaque,
  paxGlobal,
  sparse,
  symlink,
  whiteout,
  type LayerPart,
  type Random,
} from '../../src/testing/index.js';
import { packPlans, tameLayer, wildLayer } from '../differential/arbitrary-layer.js';
import { pick } from './mutate-bytes.js';

/** A valid layer of a few blocks up to some dozens: one that was thought of, or one of random entries. */
export function chooseSeedLayer(random: Random): Buffer {
  const choice = random.integer(4);
  if (choice < 2) return pick(random, LAYERS);
  const seed = random.integer(2 ** 31);
  return packPlans(fc.sample(choice === 2 ? wildLayer : tameLayer, { seed, numRuns: 1 })[0]!);
}

const LONG = `${'long/'.repeat(30)}name`;
const CONTENT = createRandom(1).bytes(1500);

const THOUGHT_OF: readonly (readonly LayerPart[])[] = [
  [],
  [
    dir('./', { mode: 0o711 }),
    dir('etc'),
    file('etc/passwd', 'root:x:0:0\n', { mtime: -1.5 }),
    symlink('var/run', '/run'),
  ],
  [
    file('a', CONTENT),
    hardlink('b', 'a'),
    hardlink('c/d', 'b'),
    file('a', 'again'),
    hardlink('e', '/a', { size: 512 }),
  ],
  [
    hardlink('first', 'last'),
    hardlink('middle', 'first'),
    file('last', 'x'),
    hardlink('gone', 'usr/absent'),
    dir('last'),
  ],
  [symlink('loop', 'loop'), symlink('up', '..'), symlink('out', '/victim'), file('out/x', '1'), file('up/up/y', '2')],
  [symlink('d', 'e/f'), file('d/g', 'x'), dir('d'), file('d', 'y'), file('d/h/i', 'z'), symlink('d/h', '../..')],
  [
    whiteout('a'),
    dir('a'),
    file('a/x', '1'),
    whiteout('a/x'),
    opaque('b'),
    file('b/y', '2'),
    whiteout('c', { as: 'link' }),
  ],
  [
    dir('.wh..wh.plnk'),
    file('.wh..wh.plnk/1', 'a'),
    hardlink('x', '.wh..wh.plnk/1'),
    file('.wh.odd/f', ''),
    opaque(''),
  ],
  [charDevice('dev/null', 1, 3, { mode: 0o666 }), blockDevice('dev/sda', 8, 1048575), fifo('p'), charDevice('z', 0, 0)],
  [
    file('caps', CONTENT, { mode: 0o4755, xattrs: { 'security.capability': Buffer.alloc(20, 1), 'user.a': 'b\n=\0' } }),
    dir('d', { xattrs: { 'user.b': '', 'user.containers.override_stat': '0:0:0100777', 'trusted.x': 'y' } }),
    symlink('s', 'd', { xattrs: { 'user.c': 'lost' } }),
    hardlink('caps2', 'caps', { xattrs: { 'user.d': 'more' }, mode: 0o755 }),
    file('libarchive', 'x', { records: { 'LIBARCHIVE.xattr.user.%66': 'AQID', 'SCHILY.acl.access': 'user::rw-' } }),
  ],
  [
    file(LONG, 'pax'),
    symlink('s', LONG),
    file(Buffer.from([0x66, 0xff, 0x0a]), 'bytes', { uid: 4294967294, gid: 2 ** 31 }),
  ],
  [file(LONG, 'gnu', { format: 'gnu' }), symlink('s', LONG, { format: 'gnu' }), hardlink('h', LONG, { format: 'gnu' })],
  [
    gnuLongName('n'),
    gnuLongLink('t'),
    symlink('short', 'x', { format: 'gnu' }),
    file('big', '', { format: 'gnu', uid: 2 ** 25 }),
  ],
  [
    file(LONG, 'ustar', { format: 'ustar' }),
    file('star', 'x', { format: 'star' }),
    file('v7', 'y', { format: 'v7' }),
    dir('v', { format: 'v7' }),
  ],
  [
    paxGlobal({ uid: '7', comment: 'c' }),
    meta('X', encodePaxRecords({ path: 'solaris' })),
    file('x', '1'),
    meta('x', encodePaxRecords({ size: '3' })),
    file('y', 'abc', { size: 0, format: 'ustar' }),
  ],
  [
    entry('7', 'contiguous', { body: CONTENT }),
    entry('D', 'dump', { body: 'Yfile\0\0' }),
    entry('V', 'label', {}),
    file('after', ''),
  ],
  [file('x', CONTENT), file('x', ''), dir('x'), dir('x', { mode: 0o700 }), symlink('x', 'x'), file('x', 'end'), end(1)],
  [file('a', '1'), junk('after the end')],
  [file('a', '1'), end(0)],
  ...(['gnu', '0.0', '0.1', '1.0'] as const).map((form) => [
    sparse(`sparse-${form}`, segments(3), { form, realBytes: 200_000, mtime: 5 }),
    sparse('many', segments(30), { form }),
    sparse('hole', [], { form, realBytes: 70_000 }),
    file('after', 'x'),
  ]),
];

const LAYERS: readonly Buffer[] = THOUGHT_OF.map((parts) => layer(...parts));

function segments(count: number): { offset: number; bytes: Buffer }[] {
  return Array.from({ length: count }, (_, index) => ({
    offset: index * 4096 + 17,
    bytes: Buffer.alloc(33, index + 1),
  }));
}
