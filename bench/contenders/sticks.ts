import { basename, join } from 'node:path';
import type { ImageFiles } from '../corpus/layout.js';
import { isProgram } from '../measure/programs.js';
import type { Command } from '../measure/run-measured.js';
import type { Contender } from './contender.js';

/** `$1` is the program, `$2` the folder; then for each image its number of blobs, and the blobs. */
const EACH_IMAGE = `
set -euo pipefail
program=$1 out=$2; shift 2
image=0
while (($# > 0)); do
  image=$((image + 1)) count=$1; shift
  mkdir "$out/$image"
  "$program" "$out/$image" "\${@:1:count}"
  shift "$count"
done`;

/**
 * Measuring sticks that are built, not installed: `floor`, plain C that does the work with nothing in between, and
 * `seed-extract`, the algorithm that Sluice replaces. Both give each layer of an image a thread or two; images come in turn.
 * @param directory that holds the two programs
 */
export function sticksIn(directory: string | undefined): readonly Contender[] {
  return [
    stick(directory, 'floor', 'floor (plain C)', (blob, index) => String(index), { SPLIT: '1' }),
    stick(directory, 'seed-extract', 'the seed’s algorithm', (blob) => `sha256:${basename(blob)}.extracted`),
  ];
}

function stick(
  directory: string | undefined,
  program: string,
  title: string,
  nameOf: (blob: string, index: number) => string,
  env: Readonly<Record<string, string>> = {},
): Contender {
  const path = join(directory ?? '', program);
  return {
    id: program.replace('-extract', ''),
    title,
    isOurs: false,
    packings: ['gzip'],
    missing: () => (directory !== undefined && isProgram(path) ? null : `${program} is not built; see --peers`),
    command: ({ out, images }): Command => {
      const words = images.flatMap((image) => [String(blobsOf(image).length), ...blobsOf(image)]);
      return { argv: ['bash', '-c', EACH_IMAGE, program, path, out, ...words], env };
    },
    trees: async ({ out, images }) =>
      images.map((image, at) => blobsOf(image).map((blob, index) => join(out, String(at + 1), nameOf(blob, index)))),
  };
}

function blobsOf({ layers }: ImageFiles): string[] {
  return layers.map(({ path }) => path);
}
