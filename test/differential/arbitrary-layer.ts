import fc from 'fast-check';
import {
  blockDevice,
  charDevice,
  dir,
  fifo,
  file,
  hardlink,
  layer,
  opaque,
  sparse,
  symlink,
  whiteout,
  type EntryOptions,
  type LayerPart,
  type SparseForm,
  type TarFormat,
} from '../../src/testing/index.js';

/** One entry in words, so that a failure shows the archive and fast-check can make it smaller. */
export interface EntryPlan {
  readonly kind: 'file' | 'dir' | 'symlink' | 'hardlink' | 'sparse' | 'char' | 'block' | 'fifo' | 'whiteout' | 'opaque';
  /** Latin1: every character is a byte. */
  readonly name: string;
  readonly target: string;
  readonly format: TarFormat;
  readonly sizeBytes: number;
  readonly fill: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly sparseForm: SparseForm;
  readonly hasXattr: boolean;
}

const WILD_PARTS = ['a', 'b', 'c', 'd e', 'x\n#', '\\[*?', '\xc3\xa9', '\xff\xfe', '.wh.', '..a', 'L'.repeat(99)];
const TAME_PARTS = ['d e', '\\#', 'new\nline', '\xc3\xa9', 'L'.repeat(100), 'M'.repeat(250)];
const FORMATS = ['v7', 'ustar', 'gnu', 'star', 'pax'] as const;
const SIZES = [0, 1, 511, 512, 513, 1023, 1024, 1025, 10_000];

const plan = (
  kinds: readonly EntryPlan['kind'][],
  name: fc.Arbitrary<string>,
  target: fc.Arbitrary<string>,
): fc.Arbitrary<EntryPlan> =>
  fc.record({
    kind: fc.constantFrom(...kinds),
    name,
    target,
    format: fc.constantFrom(...FORMATS),
    sizeBytes: fc.constantFrom(...SIZES),
    fill: fc.integer({ min: 0, max: 255 }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.constantFrom(0, 1, 1000, 2_097_151, 2_097_152, 4_294_967_294),
    gid: fc.constantFrom(0, 33, 2_097_152),
    seconds: fc.constantFrom(0, 1, -1, 1_500_000_000, 8_589_934_592),
    nanoseconds: fc.constantFrom(0, 1, 500_000_000, 999_999_999),
    sparseForm: fc.constantFrom('gnu', '0.0', '0.1', '1.0'),
    hasXattr: fc.boolean(),
  });

const pathOf = (parts: readonly string[], most: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: most }).map((chosen) => chosen.join('/'));

const wildName = fc.oneof(
  { weight: 8, arbitrary: pathOf(WILD_PARTS.slice(0, 4), 3) },
  { weight: 3, arbitrary: pathOf(WILD_PARTS, 3) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('/', './', '../', '../../', 'a/../', 'c//', ''), pathOf(WILD_PARTS, 2))
      .map(([before, path]) => before + path),
  },
);

const ALL_KINDS = ['file', 'file', 'file', 'dir', 'dir', 'symlink', 'hardlink', 'hardlink', 'sparse'] as const;

/** Entries that meet, replace, hide and lead astray: the rules decide. */
export const wildLayer: fc.Arbitrary<readonly EntryPlan[]> = fc.array(
  plan(
    [...ALL_KINDS, 'char', 'block', 'fifo', 'whiteout', 'opaque'],
    wildName,
    fc.oneof(
      wildName,
      wildName.map((name) => `/${name}`),
      fc.constantFrom('.', '..', '/', '../..', 'a/.', 'loop'),
    ),
  ),
  { minLength: 1, maxLength: 14 },
);

/** Entries that tar programs read alike: each name once, directories before what is in them, links to files before them,
 * with the files' owners and times. */
export const tameLayer: fc.Arbitrary<readonly EntryPlan[]> = fc
  .array(
    plan(['file', 'dir', 'symlink', 'hardlink', 'sparse'], fc.constantFrom(...TAME_PARTS), pathOf(TAME_PARTS, 2)),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((plans) => {
    const folders = [''];
    const files: EntryPlan[] = [];
    return plans.map((one, index): EntryPlan => {
      const name = `${folders[one.fill % folders.length]!}${index}${one.name}`;
      const target = files[one.uid % Math.max(1, files.length)];
      if (one.kind === 'hardlink' && target) return { ...target, kind: 'hardlink', name, target: target.name };
      if (one.kind === 'dir' && name.length < 600) folders.push(`${name}/`);
      // A time that every format holds, so that links in another format have the same.
      const file: EntryPlan = { ...one, name, kind: 'file', seconds: Math.abs(one.seconds), nanoseconds: 0 };
      if (one.kind !== 'file' && one.kind !== 'hardlink') return { ...one, name };
      files.push(file);
      return file;
    });
  });

/** The archive; what a format cannot say is written as PAX. */
export function packPlans(plans: readonly EntryPlan[]): Buffer {
  return layer(...plans.map(partOf));
}

function partOf(plan: EntryPlan): LayerPart {
  if (plan.format !== 'pax') {
    const part = build(plan, plan.format);
    try {
      layer(part);
      return part;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return build(plan, 'pax');
}

function build(plan: EntryPlan, format: TarFormat): LayerPart {
  const { kind, fill, sizeBytes, mode, uid, gid } = plan;
  const name = Buffer.from(plan.name, 'latin1');
  const target = Buffer.from(plan.target, 'latin1');
  const options: EntryOptions = { format, mode, uid, gid, mtime: timeText(plan, format), ...xattrsOf(plan, format) };
  switch (kind) {
    case 'file':
      return file(name, Buffer.alloc(sizeBytes, fill), options);
    case 'dir':
      return dir(name, options);
    case 'symlink':
      return symlink(name, target, options);
    case 'hardlink':
      return hardlink(name, target, options);
    case 'char':
      return charDevice(name, fill, sizeBytes, withPax(options));
    case 'block':
      return blockDevice(name, fill, sizeBytes, withPax(options));
    case 'fifo':
      return fifo(name, withPax(options));
    case 'whiteout':
      return whiteout(name, options);
    case 'opaque':
      return opaque(name, options);
    case 'sparse': {
      const form = format === 'gnu' ? 'gnu' : plan.sparseForm === 'gnu' ? '1.0' : plan.sparseForm;
      const bytes = Buffer.alloc(512, fill);
      const segments = [sizeBytes, sizeBytes + 5000, 100_000].map((offset) => ({ offset, bytes }));
      return sparse(name, segments, { ...options, format: form === 'gnu' ? 'gnu' : 'pax', form, realBytes: 150_000 });
    }
    default:
      return kind satisfies never;
  }
}

/** v7 has no devices. */
function withPax(options: EntryOptions): EntryOptions {
  return options.format === 'v7' ? { ...options, format: 'ustar' } : options;
}

function timeText({ seconds, nanoseconds }: EntryPlan, format: TarFormat): string {
  if (format !== 'pax' || nanoseconds === 0)
    return String(format === 'pax' || format === 'gnu' ? seconds : Math.abs(seconds));
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

function xattrsOf({ hasXattr, fill }: EntryPlan, format: TarFormat): Pick<EntryOptions, 'xattrs'> {
  if (!hasXattr || format !== 'pax') return {};
  return {
    xattrs: { 'user.note': Buffer.from([fill, 0x0a, 0x3d]), 'security.capability': Buffer.from([1, 0, 0, fill]) },
  };
}
