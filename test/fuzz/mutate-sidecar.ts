import type { Random } from '../../src/testing/index.js';
import { BYTE_MUTATIONS, pick, setBytes } from './mutate-bytes.js';

/** A sidecar with one to three changes: of bytes, of whole lines, or of one field of a line. */
export function mutateSidecar(sidecar: Buffer, random: Random): Buffer {
  let changed = sidecar;
  for (let left = 1 + random.integer(3); left > 0; left--) {
    changed =
      random.integer(3) === 0 ? pick(random, BYTE_MUTATIONS)(changed, random, sidecar) : onLines(changed, random);
  }
  return changed;
}

type LineChange = (lines: string[], at: number, random: Random) => void;

const LINE_CHANGES: readonly LineChange[] = [
  (lines, at, random) => void lines.splice(at, 0, pick(random, lines)),
  (lines, at) => void lines.splice(at, 1),
  (lines, at, random) => {
    const other = random.integer(lines.length);
    [lines[at], lines[other]] = [lines[other]!, lines[at]!];
  },
  (lines, at, random) => (lines[at] = setBytes(Buffer.from(lines[at]!, 'latin1'), random).toString('latin1')),
  changeField,
  changeField,
  (lines, at, random) => void lines.splice(at, 0, pick(random, LINES)),
];

function onLines(sidecar: Buffer, random: Random): Buffer {
  const lines = sidecar.toString('latin1').split('\n');
  pick(random, LINE_CHANGES)(lines, random.integer(lines.length), random);
  return Buffer.from(lines.join('\n'), 'latin1');
}

function changeField(lines: string[], at: number, random: Random): void {
  const fields = lines[at]!.split(' ');
  const place = random.integer(fields.length);
  const [key] = fields[place]!.split('=');
  const value = pick(random, VALUES);
  fields.splice(place, random.integer(4) === 0 ? 0 : 1, random.integer(2) === 0 ? `${key}=${value}` : value);
  lines[at] = fields.join(' ');
}

const VALUES = [
  ['', '0', '-1', '00', '07777', '8', '99999999999999999999999', '0.000000000', '-0.000000000', '1e400.000000000'],
  ['dir', 'file', 'link', 'door', 'native,1,3', 'native,1', '.', './', './..', './../x', '/x', './a//b', './\\000'],
  [
    '\\',
    '\\4',
    '\\400',
    '\\08',
    '\\057',
    './\\056\\056/x',
    'a'.repeat(3000),
    '\\040'.repeat(800),
    '\xff',
    'AA==',
    'A',
    '=',
  ],
].flat();

const LINES = [
  ['', '#', '#mtree', '#sluice.implied', '#sluice.implied x', '#sluice.folded', '#sluice.folded a b', '#sluice.news 1'],
  [
    '#sluice.crc32c 0000000',
    '#sluice.crc32c 00000000',
    '#sluice.hardlink ./x',
    '#sluice.hardlink x',
    '#sluice.hardlink .',
  ],
  ['#sluice.xattr set user.a ', '#sluice.xattr kept  AA==', '#sluice.xattr lost a AA==', '#sluice.xattr set a b c'],
  ['. type=dir mode=0755 uid=0 gid=0 time=0.000000000', './x type=file mode=0644 uid=0 gid=0 time=0.000000000'],
  ['#sluice.deferred ./a ./b uid=0 gid=0 mode=0644 time=0.000000000 index=1', '#sluice.deferred ./a ./b'],
  ['#sluice.counts packed=1 unpacked=1 entries=1 compose=0', '#sluice.layer v=2'],
].flat();
