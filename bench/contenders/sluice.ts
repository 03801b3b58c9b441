import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sluice } from '../../src/index.js';
import { CLI } from '../measure/machine.js';
import type { Command } from '../measure/run-measured.js';
import type { Contender, Work } from './contender.js';

/** Which of Sluice's ways a contender takes; what is left out is Sluice's own choice. */
export interface SluiceWay {
  readonly decoder?: 'isal' | 'zlib' | 'pako';
  readonly pipeline?: 'one' | 'split';
}

/** Sluice's command line, from an OCI layout. */
export function sluiceFromLayout(way: SluiceWay = {}): Contender {
  return sluice('sluice', 'Sluice', way, ({ layout, images }) =>
    images.map(({ tag }) => `oci:${layout}${tag === '' ? '' : `:${tag}`}`),
  );
}

/** Sluice's command line, from a registry. */
export function sluiceFromRegistry(way: SluiceWay = {}): Contender {
  return sluice('sluice-pull', 'Sluice', way, ({ references }) => references.map((one) => `docker://${one}`));
}

/** Every decoder with every pipeline, and Sluice's own choice first. */
export function everyWay(contender: (way: SluiceWay) => Contender): readonly Contender[] {
  const decoders = ['isal', 'zlib', 'pako'] as const;
  const pipelines = ['one', 'split'] as const;
  return [{}, ...decoders.flatMap((decoder) => pipelines.map((pipeline) => ({ decoder, pipeline })))].map(contender);
}

function sluice(id: string, title: string, way: SluiceWay, sourcesOf: (work: Work) => readonly string[]): Contender {
  const words = [way.decoder, way.pipeline].filter((word) => word !== undefined);
  return {
    id: [id, ...words].join('-'),
    title: [title, ...words].join(' '),
    isOurs: true,
    packings: ['gzip', 'zstd', 'none'],
    missing: ({ decoders, hasPipelines }) => {
      if (way.decoder !== undefined && !decoders.includes(way.decoder))
        return `the decoder ${way.decoder} is not built`;
      return way.pipeline !== undefined && !hasPipelines ? 'this Sluice has no --pipeline' : null;
    },
    command: (work) => importCommand(sourcesOf(work), way, work),
    trees: ({ out }) => layersOf(out),
  };
}

function importCommand(sources: readonly string[], { decoder, pipeline }: SluiceWay, work: Work): Command {
  const list = join(work.out, 'sources');
  const isOne = sources.length === 1;
  if (!isOne) writeFileSync(list, sources.join('\n'));
  const options = [
    ...(isOne ? sources : ['--from', list]),
    '--home',
    work.out,
    '--quiet',
    ...(decoder === undefined ? [] : ['--decoder', decoder]),
    ...(pipeline === undefined ? [] : ['--pipeline', pipeline]),
    ...(work.isPlainHttp ? ['--plain-http'] : []),
  ];
  return { argv: [process.execPath, CLI, 'import', ...options] };
}

async function layersOf(home: string): Promise<readonly (readonly string[])[]> {
  await using opened = await Sluice.open({ home });
  const images: string[][] = [];
  for (const { reference } of await opened.list()) {
    images.push((await opened.layers(reference)).map(({ path }) => path));
  }
  return images;
}
