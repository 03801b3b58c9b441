import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from '../measure/run-measured.js';
import { numbered, type Contender } from './contender.js';
import { pairsOf, treesIn } from './layer-directories.js';

/** The way without Sluice in JavaScript, from files. */
export const NAIVE: Contender = {
  id: 'naive',
  title: 'Node: zlib → tar-fs',
  isOurs: false,
  packings: ['gzip'],
  missing: () => null,
  command: ({ out, images }) => naiveCommand('files', pairsOf(images, out)),
  trees: async ({ out, images }) => treesIn(out, images),
};

/** The same from a registry. */
export const NAIVE_PULL: Contender = {
  id: 'naive-pull',
  title: 'Node: undici → zlib → tar-fs',
  isOurs: false,
  packings: ['gzip'],
  missing: () => null,
  command: ({ out, references, isPlainHttp }) =>
    naiveCommand('registry', [out, isPlainHttp ? 'http' : 'https', ...references]),
  trees: async ({ out }) => [numbered(out).map((name) => join(out, name))],
};

function naiveCommand(mode: 'files' | 'registry', words: readonly string[]): Command {
  const script = fileURLToPath(import.meta.resolve('#bench/naive'));
  return { argv: [process.execPath, script, mode, ...words] };
}
