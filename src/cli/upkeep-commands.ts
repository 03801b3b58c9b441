import { InvalidArgumentError, type Command } from 'commander';
import { addCommonOptions, parseBytes, parseCount, type CommonOptions } from './options.js';
import type { PinOptions } from './pin.js';
import type { PruneCommandOptions } from './prune.js';
import type { RemoveCommandOptions } from './rm.js';
import type { VerifyCommandOptions } from './verify.js';

/** Runs a command whose options are read. */
export type Run = (options: Pick<CommonOptions, 'json'>, command: () => Promise<number>) => Promise<void>;

const PLATFORM = ['--platform <os/arch[/variant]>', 'platform of the images (default: this machine)'] as const;
const LAYER_PATH = ['-L, --layer-path <dir>', 'directory that takes the place of HOME/layers'] as const;

/** The commands that keep a store in order. */
export function addUpkeepCommands(program: Command, run: Run, signal: AbortSignal): void {
  addCommonOptions(program.command('rm'))
    .argument('<reference...>', 'references of images, or digests of manifests')
    .description('remove images, and the layers that only they used')
    .option(...LAYER_PATH)
    .option(...PLATFORM)
    .action((references: string[], options: RemoveCommandOptions) =>
      run(options, async () => (await import('./commands.js')).remove(references, options, signal)),
    );

  addCommonOptions(program.command('prune'))
    .description('remove layers that no image uses, and images that pass a limit; what is pinned or in use stays')
    .option('--older-than <time>', 'images that were not used for so long, e.g. 30d, 12h, 90m', parseTime)
    .option('--max-images <n>', 'images beyond so many, used longest ago first', parseCount)
    .option('--max-bytes <n>', 'images until the layers of the rest unpack to so many bytes', parseBytes)
    .option('--foreign', 'also directories of other programs that were put aside')
    .option('--dry-run', 'print what would go, and change nothing')
    .option(...LAYER_PATH)
    .action((options: PruneCommandOptions) =>
      run(options, async () => (await import('./commands.js')).prune(options, signal)),
    );

  addCommonOptions(program.command('verify'))
    .description('hold index, images and layers against what was recorded of them, to the last byte')
    .option('--quick', 'look at names, sizes, modes and times alone')
    .option('--repair', 'bring again what is damaged, from where its images came, and rebuild a damaged index')
    .option('--jobs <n>', 'layers looked at at once (default: number of cores)', parseCount)
    .option('--plain-http', 'speak plain HTTP with the registries of the images')
    .option('--no-sync', 'do not sync what is repaired')
    .option(...LAYER_PATH)
    .action((options: VerifyCommandOptions) =>
      run(options, async () => (await import('./commands.js')).verify(options, signal)),
    );

  addCommonOptions(program.command('pin'))
    .argument('<reference...>', 'references of images, also of those that are not there yet')
    .description('keep images from being pruned')
    .option('--remove', 'no longer keep them')
    .option(...PLATFORM)
    .action((references: string[], options: PinOptions) =>
      run(options, async () => (await import('./commands.js')).pin(references, options)),
    );
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30d` in milliseconds. */
function parseTime(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const factor = UNITS_MS[unit];
  if (factor === undefined) throw new InvalidArgumentError('It is a number with a unit: s, m, h or d.');
  return Number(digits) * factor;
}
