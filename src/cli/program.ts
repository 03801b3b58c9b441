import { Command, Option } from 'commander';
import { version } from '../version.js';
import { reportFailure, reportUsage } from './failure.js';
import type { BenchOptions } from './bench.js';
import type { ImportOptions } from './import.js';
import type { InspectOptions } from './inspect.js';
import type { LayersOptions } from './layers.js';
import type { ListOptions } from './ls.js';
import type { LoginCommandOptions, LogoutCommandOptions } from './login.js';
import type { MtreeOptions } from './mtree.js';
import type { RootfsCommandOptions } from './rootfs.js';
import {
  addCommonOptions,
  addComposingOptions,
  addConnectionOptions,
  addImageOptions,
  addTransferOptions,
  parseCount,
  type CommonOptions,
  type TransferOptions,
} from './options.js';
import { addUpkeepCommands } from './upkeep-commands.js';

/**
 * Runs one command line. A command's module, and with it the library, is loaded when the command runs.
 * @param words behind the program's name
 * @param signal ends what runs
 * @returns the exit status; never rejects
 */
export async function runCommandLine(words: readonly string[], signal: AbortSignal): Promise<number> {
  let status = 0;
  const run = async ({ json = false }: Pick<CommonOptions, 'json'>, command: () => Promise<number>): Promise<void> => {
    try {
      status = await command();
    } catch (error) {
      status = await reportFailure(error, json);
    }
  };
  const program = createProgram();

  addTransferOptions(addCommonOptions(program.command('pull')))
    .argument('<name>', 'reference of the image: [host/]path[:tag][@digest]')
    .description('bring an image of a registry into the store')
    .addOption(new Option('-i, --image', 'without effect').hideHelp())
    .action((name: string, options: TransferOptions) =>
      run(options, async () => (await import('./commands.js')).pull(name, options, signal)),
    );

  addTransferOptions(addCommonOptions(program.command('import')))
    .argument('[source...]', 'docker://REFERENCE or oci:DIR[:TAG]')
    .description('bring images of any source into the store and print the references they are recorded under')
    .option('--from <file>', 'file with one source a line, - for standard input')
    .option('--name <reference>', 'reference to record the image of an OCI layout under')
    .action((sources: string[], options: ImportOptions) =>
      run(options, async () => (await import('./commands.js')).importImages(sources, options, signal)),
    );

  addCommonOptions(program.command('ls'))
    .description('list the images of the store')
    .option('-a, --all', 'also rows that another program wrote')
    .action((options: ListOptions) => run(options, async () => (await import('./commands.js')).list(options)));

  addCommonOptions(program.command('inspect'))
    .argument('<reference>', 'reference of an image in the store')
    .description('print digests, config and layers of an image as JSON')
    .option('--platform <os/arch[/variant]>', 'platform of the image, or any (default: this machine)')
    .action((reference: string, options: InspectOptions) =>
      run(options, async () => (await import('./commands.js')).inspect(reference, options)),
    );

  addImageOptions(addCommonOptions(program.command('layers')))
    .argument('<reference>', 'reference of an image in the store')
    .description("print the directories of an image's layers, bottom to top")
    .option(
      '--overlay',
      'print them as a lowerdir= option of fuse-overlayfs, which knows whiteouts as files, and colons in names from 1.15 on',
    )
    .action((reference: string, options: LayersOptions) =>
      run(options, async () => (await import('./commands.js')).layers(reference, options)),
    );

  addCommonOptions(program.command('mtree'))
    .argument('<digest>', 'digest of a layer in the store')
    .description('print the sidecar of a layer, a BSD mtree')
    .option('-L, --layer-path <dir>', 'directory that takes the place of HOME/layers')
    .option('--host', "only what mtree -p finds in the layer's directory on this machine")
    .action((digest: string, options: MtreeOptions) =>
      run(options, async () => (await import('./commands.js')).mtree(digest, options)),
    );

  addComposingOptions(addCommonOptions(program.command('rootfs')))
    .argument('<reference>', 'reference of an image in the store')
    .argument('<dir>', 'directory to make; absent, or empty')
    .description("compose an image's layers into one root file system, with its sidecar DIR.mtree")
    .option('--no-sync', 'do not sync')
    .action((reference: string, directory: string, options: RootfsCommandOptions) =>
      run(options, async () => (await import('./commands.js')).rootfs(reference, directory, options, signal)),
    );

  addComposingOptions(addCommonOptions(program.command('export')))
    .argument('<reference>', 'reference of an image in the store')
    .argument('<file>', 'archive to write, - for standard output')
    .description("write an image's root file system as a tar, with true owners, modes and devices")
    .action((reference: string, file: string, options: RootfsCommandOptions) =>
      run(options, async () => (await import('./commands.js')).exportTar(reference, file, options, signal)),
    );

  addConnectionOptions(program.command('login'))
    .argument('<host>', 'registry: host[:port]; the Hub is docker.io')
    .description('check user and password with a registry and keep them where docker does')
    .option('-u, --username <name>', 'user name')
    .option('--password-stdin', 'read the password from standard input instead of asking for it')
    .addOption(new Option('-p, --password <word>').hideHelp())
    .option('--authfile <file>', "file in podman's form to keep them in (default: docker's config.json)")
    .option('--json', 'print JSON on standard output')
    .option('-q, --quiet', 'print errors and nothing else on standard error')
    .action((host: string, options: LoginCommandOptions) =>
      run(options, async () => (await import('./commands.js')).login(host, options, signal)),
    );

  program
    .command('logout')
    .argument('<host>', 'registry: host[:port]; the Hub is docker.io')
    .description('forget what login kept')
    .option('--authfile <file>', "file in podman's form (default: docker's config.json)")
    .option('--json', 'print JSON on standard output')
    .action((host: string, options: LogoutCommandOptions) =>
      run(options, async () => (await import('./commands.js')).logout(host, options, signal)),
    );

  addUpkeepCommands(program, run, signal);

  addCommonOptions(program.command('doctor'))
    .description('print what this machine has of what Sluice needs')
    .action((options: CommonOptions) => run(options, async () => (await import('./commands.js')).doctor(options)));

  program
    .command('bench')
    .argument('<source>', 'docker://REFERENCE or oci:DIR[:TAG]')
    .description('time Sluice beside whoever of its peers is installed, on an image of yours')
    .option('--rounds <n>', 'samples of each contender that count; one before warms up', parseCount, 3)
    .option('--work <dir>', 'directory to write into (default: the one for temporary files)')
    .option('--plain-http', 'speak plain HTTP with the host of the reference')
    .option('--json', 'print the samples as one JSON value')
    .option('-q, --quiet', 'print errors and nothing else on standard error')
    .action((source: string, options: BenchOptions) =>
      run(options, async () => (await import('./commands.js')).bench(source, options, signal)),
    );

  try {
    await program.parseAsync(words, { from: 'user' });
    return status;
  } catch (error) {
    return reportUsage(error, words.includes('--json'));
  }
}

function createProgram(): Command {
  return new Command('sluice')
    .description('Pulls OCI and Docker images and extracts every layer into a directory of its own.')
    .version(version())
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}
