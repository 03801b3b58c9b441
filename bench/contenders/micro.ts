import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Machine } from '../measure/machine.js';
import { missingProgram, type Contender, type Work } from './contender.js';

type MicroScript = 'inflate' | 'tar' | 'writer' | 'ring' | 'store';

const fileOf = ({ images }: Work): string => images[0]!.layers[0]!.path;

export const INFLATERS: readonly Contender[] = [
  ...['isal', 'zlib', 'pako'].map((name) =>
    script(
      'inflate',
      name,
      `Sluice ${name}`,
      (work) => [fileOf(work)],
      (machine) => (machine.decoders.includes(name) ? null : `the decoder ${name} is not built`),
    ),
  ),
  { ...script('inflate', 'stream', 'Node zlib stream', (work) => [fileOf(work)]), isOurs: false },
  ...['gzip', 'pigz', 'igzip'].map((name) => counting(name, `${name} -dc "$1" | wc -c`, '1', '$(cat)', [name])),
];

export const TAR_READERS: readonly Contender[] = [
  script('tar', 'sluice', 'Sluice', (work) => [fileOf(work)]),
  { ...script('tar', 'tar-stream', 'tar-stream', (work) => [fileOf(work)]), isOurs: false },
  ...['tar', 'bsdtar'].map((name) =>
    counting(name, `${name} -tf "$1" | wc -l`, '$(cat)', '$(stat -c %s "$1")', [name]),
  ),
];

export const WRITERS: readonly Contender[] = [
  script('writer', 'sluice', 'Sluice', (work) => [fileOf(work), join(work.out, 'tree')]),
  ...[['sync', 'Node fs, synchronous'] as const, ['promises', 'Node fs, promises'] as const].map(([id, title]) => ({
    ...script('writer', id, title, (work) => [fileOf(work), join(work.out, 'tree')]),
    isOurs: false,
  })),
];

/** @param mib how much is handed over */
export function ringWays(mib: number): readonly Contender[] {
  return [
    script('ring', 'ring', 'Sluice', () => [String(mib)]),
    { ...script('ring', 'transfer', 'postMessage, transferred', () => [String(mib)]), isOurs: false },
    { ...script('ring', 'copy', 'postMessage, copied', () => [String(mib)]), isOurs: false },
  ];
}

/** What a store of 2,000 images and 10,000 layers is asked; it is made anew for each sample. */
export const STORE_QUERIES: readonly Contender[] = [
  script('store', 'ls', 'ls', ({ out }) => [out]),
  script('store', 'hit', 'A warm hit', ({ out }) => [out]),
  script('store', 'prune', 'prune --dry-run', ({ out }) => [out]),
];

function script(
  name: MicroScript,
  id: string,
  title: string,
  wordsOf: (work: Work) => readonly string[],
  missing: (machine: Machine) => string | null = () => null,
): Contender {
  const path = fileURLToPath(new URL(`../child/micro-${name}.js`, import.meta.url));
  return {
    id,
    title,
    isOurs: true,
    packings: ['gzip', 'none'],
    missing,
    command: (work) => ({ argv: [process.execPath, path, id, ...wordsOf(work)] }),
  };
}

/** A program whose output a shell counts. @param entries and bytes: words of the shell, `$(cat)` being the count */
function counting(
  id: string,
  pipeline: string,
  entries: string,
  bytes: string,
  programs: readonly string[],
): Contender {
  const report = `printf '{"entries":%s,"bytes":%s}\\n' "${entries}" "${bytes}"`;
  return {
    id,
    title: id,
    isOurs: false,
    packings: ['gzip', 'none'],
    missing: () => missingProgram('bash', ...programs),
    command: (work) => ({ argv: ['bash', '-c', `set -o pipefail; ${pipeline} | { ${report}; }`, id, fileOf(work)] }),
  };
}
