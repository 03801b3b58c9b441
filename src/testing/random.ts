import { dir, file, hardlink, layer, symlink, whiteout, type LayerPart } from './layer.js';
import { buildImage, type TestImage } from './image.js';

/** Numbers that look random and come again with the same seed. */
export interface Random {
  /** An integer from 0 up to `below`, without it. */
  integer(below: number): number;
  bytes(length: number): Buffer;
}

/** Mulberry32: small and fast; for tests alone. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    integer: (below) => Math.floor((next() / 2 ** 32) * below),
    bytes: (length) => {
      const words = new Uint32Array(Math.ceil(length / 4));
      for (let at = 0; at < words.length; at++) words[at] = next();
      return Buffer.from(words.buffer, 0, length);
    },
  };
}

/** Shape of a {@link randomImage}. */
export interface RandomImageOptions {
  readonly seed: number;
  /** 3 when left out. */
  readonly layers?: number;
  /** Files of one layer; 20 when left out. */
  readonly files?: number;
  /** Size of the largest file; 16 KiB when left out. Half of a file's bytes compress, half do not. */
  readonly maxFileBytes?: number;
  readonly platform?: string;
}

/** An image of random files in nested directories, with links, owners, odd modes, times and whiteouts. */
export function randomImage(options: RandomImageOptions): TestImage {
  const random = createRandom(options.seed);
  const tars = Array.from({ length: options.layers ?? 3 }, (_, depth) => randomLayer(random, depth, options));
  return buildImage({
    layers: tars.map((tar) => ({ tar })),
    ...(options.platform !== undefined && { platform: options.platform }),
  });
}

function randomLayer(random: Random, depth: number, options: RandomImageOptions): Buffer {
  const folders = ['bin', 'etc', 'usr', 'usr/lib', 'var', 'var/lib'];
  const parts: LayerPart[] = folders.map((name) => dir(name));
  const names: string[] = [];
  for (let index = 0; index < (options.files ?? 20); index++) {
    const name = `${folders[random.integer(folders.length)]}/layer${depth}-file${index}`;
    const half = random.bytes(Math.floor(random.integer((options.maxFileBytes ?? 16 * 1024) + 1) / 2));
    const metadata = {
      mode: [0o644, 0o600, 0o755, 0o4755][random.integer(4)]!,
      uid: random.integer(3) * 1000,
      gid: random.integer(3) * 1000,
      mtime: 1_500_000_000 + random.integer(200_000_000),
    };
    parts.push(file(name, Buffer.concat([half, Buffer.alloc(half.length, name)]), metadata));
    names.push(name);
  }
  if (names.length > 0) {
    const target = names[random.integer(names.length)]!;
    parts.push(symlink(`layer${depth}-symlink`, `/${target}`), hardlink(`layer${depth}-hardlink`, target));
  }
  if (depth > 0) parts.push(whiteout(`layer${depth - 1}-symlink`));
  return layer(...parts);
}
