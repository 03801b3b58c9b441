import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { generatedCases, imageCases } from './cases.js';
import { readImages } from './corpus/layout.js';
import { describeMachine } from './measure/machine.js';
import { openPlace } from './measure/place.js';
import { writeReport } from './page/write-report.js';
import { progressLine } from './progress-line.js';
import type { RunRecord } from './record.js';
import { runCases } from './run-cases.js';

interface Options {
  readonly case: readonly string[];
  readonly contender: readonly string[];
  readonly rounds: string;
  readonly scale: string;
  readonly layout?: string;
  readonly tag: readonly string[];
  readonly peers: string;
  readonly out: string;
  readonly name?: string;
  readonly work?: string;
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `npm run bench`: measures, keeps the raw samples, and writes the report beside them. */
async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const date = new Date().toISOString();
  const scale = Number(options.scale);
  const rounds = Number(options.rounds);
  using place = openPlace(options.work);
  const machine = await describeMachine(place.path);
  const isWanted = (wanted: readonly string[], id: string): boolean => wanted.length === 0 || wanted.includes(id);
  const tags = options.tag.length > 0 ? options.tag : undefined;
  const cases = [
    ...(options.layout === undefined
      ? []
      : imageCases(
          options.layout,
          readImages(options.layout, tags).map(({ tag }) => tag),
          options,
        )),
    ...generatedCases({ scale, peers: options.peers }),
  ]
    .filter(({ id }) => isWanted(options.case, id))
    .map((one) => ({ ...one, contenders: one.contenders.filter(({ id }) => isWanted(options.contender, id)) }));
  mkdirSync(options.out, { recursive: true });
  const file = join(options.out, `${options.name ?? date.slice(0, 19).replace(/:/g, '')}.ndjson`);
  writeFileSync(file, '');
  const emit = (record: RunRecord): void => {
    appendFileSync(file, `${JSON.stringify(record)}\n`);
    const line = progressLine(record);
    if (line !== null) console.error(line);
  };
  emit({
    kind: 'run',
    ...machine,
    date,
    command: ['npm run bench --', ...process.argv.slice(2)].join(' '),
    rounds,
    scale,
  });
  await runCases(cases, { place, machine, rounds, scale, signal, emit });
  console.log(writeReport(file));
  console.error(`${file}, and beside it .md, .html and .svg`);
}

const interrupt = new AbortController();
process.on('SIGINT', () => interrupt.abort()).on('SIGTERM', () => interrupt.abort());

const program = new Command('bench')
  .description('Measures Sluice beside its peers. What is not installed is reported as missing.')
  .option('--case <id>', 'only this case; may be given again', collect, [])
  .option('--contender <id>', 'only this contender; may be given again', collect, [])
  .option('--rounds <n>', 'samples of each contender that count', '5')
  .option('--scale <x>', 'size of the generated corpora; 1 is full size', '1')
  .option('--layout <dir>', 'an OCI layout with real images, measured before the generated ones')
  .option('--tag <tag>', 'only this image of the layout; may be given again', collect, [])
  .option('--peers <dir>', 'directory with the programs floor and seed-extract', 'build/peers')
  .option('--out <dir>', 'directory of the report', 'build/bench')
  .option('--name <name>', 'name of the report’s files (default: the time)')
  .option('--work <dir>', 'directory to write into, instead of a tmpfs of its own')
  .action((options: Options) => bench(options, interrupt.signal));
program
  .command('report')
  .argument('<file>', 'raw output of a run')
  .description('write the report of a run again')
  .action((file: string) => void writeReport(file));

try {
  await program.parseAsync();
} catch (error) {
  if (!interrupt.signal.aborted) throw error;
  process.exitCode = 130;
}
