import { availableParallelism } from 'node:os';
import type { Packing } from '../corpus/layout.js';
import { missingProgram, type Contender } from './contender.js';
import { pairsOf, treesIn } from './layer-directories.js';

/** Runs `$script` for each pair of arguments: a blob, and the directory it goes to. */
const EACH = `set -o pipefail; printf '%s\\0' "$@" | xargs -0 -n 2 -P "$most" bash -c "$script" extract`;

/** Programs that unpack gzip layers; as many run at once as there are cores. */
export const ARCHIVERS: readonly Contender[] = [
  archiver('gnu-tar', 'GNU tar + gzip', ['tar', 'gzip'], ['gzip'], tarAfter('gzip -dc')),
  archiver('pigz', 'GNU tar + pigz', ['tar', 'pigz'], ['gzip'], tarAfter('pigz -dc')),
  archiver('igzip', 'GNU tar + igzip', ['tar', 'igzip'], ['gzip'], tarAfter('igzip -dc')),
  archiver('bsdtar', 'bsdtar', ['bsdtar'], ['gzip', 'zstd', 'none'], 'bsdtar -xpf "$1" -C "$2"'),
];

/** Those who unpack zstd layers. */
export const ZSTD_ARCHIVERS: readonly Contender[] = [
  archiver('gnu-tar-zstd', 'GNU tar + zstd', ['tar', 'zstd'], ['zstd'], tarAfter('zstd -qdc')),
  ...ARCHIVERS.filter(({ packings }) => packings.includes('zstd')),
];

function tarAfter(unpack: string): string {
  return `${unpack} "$1" | tar --xattrs -xpf - -C "$2"`;
}

function archiver(
  id: string,
  title: string,
  programs: readonly string[],
  packings: readonly Packing[],
  extract: string,
): Contender {
  return {
    id,
    title,
    isOurs: false,
    packings,
    missing: () => missingProgram('bash', 'xargs', ...programs),
    command: ({ out, images }) => ({
      argv: ['bash', '-c', EACH, id, ...pairsOf(images, out)],
      env: { most: String(availableParallelism()), script: `set -eo pipefail; mkdir -p "$2"; ${extract}` },
    }),
    trees: async ({ out, images }) => treesIn(out, images),
  };
}
