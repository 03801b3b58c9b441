import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, writeOciLayout, type LayerInput, type TestImage } from '../../src/testing/index.js';
import { isOnPath } from '../measure/programs.js';
import { readImages, type ImageFiles } from './layout.js';
import { buildLayer, type LayerShape } from './shape.js';

const MiB = 1024 * 1024;

/** Images on disk that contenders work on. */
export interface Corpus {
  readonly layout: string;
  readonly images: readonly ImageFiles[];
}

/** The generated corpora. */
export type CorpusName =
  | 'one-layer'
  | 'three-layers'
  | 'small-files'
  | 'large-files'
  | 'incompressible'
  | 'zstd'
  | 'bulk'
  | 'plain'
  | 'packed';

interface Plan {
  /** gzip when left out. */
  readonly packing?: 'zstd' | 'none';
  /** Images, each with the shapes of its layers, bottom to top. @param scale of sizes and counts; 1 is the full corpus */
  readonly images: (scale: number) => readonly (readonly LayerShape[])[];
}

const text = (seed: number, folder: string, files: number, totalBytes: number): LayerShape => ({
  seed,
  folder,
  files: Math.max(1, Math.round(files)),
  totalBytes: Math.round(totalBytes),
  content: 'text',
});

const PLANS: Readonly<Record<CorpusName, Plan>> = {
  'one-layer': {
    images: (scale) => [
      [
        text(11, 'base', 200 * scale, 4 * MiB * scale),
        text(12, 'app', 12_000 * scale, 320 * MiB * scale),
        text(13, 'etc', 50 * scale, MiB * scale),
      ],
    ],
  },
  'three-layers': {
    images: (scale) => {
      const [base, tools, app] = [
        text(21, 'base', 5000 * scale, 110 * MiB * scale),
        text(22, 'tools', 3000 * scale, 130 * MiB * scale),
        text(23, 'app', 9000 * scale, 120 * MiB * scale),
      ];
      return [[base!, { ...tools!, hides: base! }, { ...app!, hides: tools! }]];
    },
  },
  'small-files': { images: (scale) => [[text(31, 'srv', 45_000 * scale, 80 * MiB * scale)]] },
  'large-files': { images: (scale) => [[{ ...text(41, 'models', 12, 384 * MiB * scale), isEven: true }]] },
  incompressible: {
    images: (scale) => [[{ ...text(51, 'media', 300 * scale, 300 * MiB * scale), content: 'noise' }]],
  },
  zstd: { packing: 'zstd', images: (scale) => [[text(61, 'app', 8000 * scale, 240 * MiB * scale)]] },
  plain: { packing: 'none', images: (scale) => [[text(81, 'app', 12_000 * scale, 320 * MiB * scale)]] },
  packed: { images: (scale) => [[text(81, 'app', 12_000 * scale, 320 * MiB * scale)]] },
  bulk: {
    images: (scale) =>
      Array.from({ length: Math.max(3, Math.round(150 * scale)) }, (_, index) => [
        text(70 + (index % 5), 'base', 120, 2 * MiB),
        text(100 + index, 'app', 40, 256 * 1024),
      ]),
  },
};

/** @returns why the corpus can't be made here; null when it can */
export function missingForCorpus(name: CorpusName): string | null {
  return PLANS[name].packing === 'zstd' && !isOnPath('zstd') ? 'the program zstd is not installed' : null;
}

/**
 * Makes a corpus as an OCI layout; the same name and scale give the same images wherever zlib is the same.
 * @param directory of the layout, which is made
 */
export function buildCorpus(name: CorpusName, scale: number, directory: string): Corpus {
  const { images, packing } = PLANS[name];
  const layers = new Map<number, LayerInput>();
  const layerFor = (shape: LayerShape): LayerInput => {
    const found = layers.get(shape.seed) ?? packLayer(buildLayer(shape), packing);
    layers.set(shape.seed, found);
    return found;
  };
  const built = images(scale).map((shapes) => buildImage({ layers: shapes.map(layerFor), platform: hostPlatform() }));
  const tags = built.map((_, index) => `image-${String(index).padStart(4, '0')}`);
  mkdirSync(join(directory, '..'), { recursive: true });
  writeOciLayout(directory, Object.fromEntries(tags.map((tag, index) => [tag, built[index]!] as [string, TestImage])));
  return { layout: directory, images: readImages(directory, tags) };
}

function packLayer(tar: Buffer, packing: Plan['packing']): LayerInput {
  if (packing !== 'zstd') return { tar, compression: packing ?? 'gzip' };
  const { status, stdout, stderr } = spawnSync('zstd', ['-q', '-3', '-c'], { input: tar, maxBuffer: 2 ** 31 });
  if (status !== 0) throw new Error(`packing a layer with zstd: ${stderr?.toString()}`);
  return { tar, blob: stdout, compression: 'zstd-stored' };
}

function hostPlatform(): string {
  return `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
}
