import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Budget, DecoderName, Pipeline, Policy } from '../index.js';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** Options of every command. */
export interface CommonOptions {
  readonly home?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly logLevel: LogLevel;
}

/** Options of the commands that bring images. */
export interface TransferOptions extends CommonOptions, ConnectionOptions, Partial<Budget> {
  readonly layerPath?: string;
  readonly policy?: Policy;
  readonly platform?: string;
  readonly jobs?: number;
  readonly decoder?: DecoderName;
  readonly pipeline?: Pipeline;
  readonly statFormat?: 'containers' | 'libkrun';
  readonly onMissingXattr?: 'error' | 'record';
  readonly foreignLayers?: readonly string[];
  readonly verifyAccess?: boolean;
  readonly rateFloor?: number;
  readonly privilegedXattrs?: boolean;
  readonly keepPartial?: boolean;
  readonly sync: boolean;
  readonly trace?: string;
  readonly maxManifestBytes?: number;
  readonly maxConfigBytes?: number;
}

export function addCommonOptions(command: Command): Command {
  return command
    .option('--home <dir>', 'directory of the store (default: $SLUICE_HOME, $MICROSANDBOX_HOME, ~/.sluice)')
    .option('--json', 'print JSON on standard output')
    .option('-q, --quiet', 'print errors and nothing else on standard error')
    .addOption(
      new Option('--log-level <level>', 'least level of the messages to print')
        .choices(['error', 'warn', 'info', 'debug'])
        .default('warn'),
    );
}

/** How a registry is spoken to. */
export interface ConnectionOptions {
  readonly plainHttp?: boolean;
  readonly tlsCa?: readonly string[];
  readonly tlsSkipVerify?: boolean;
}

export function addConnectionOptions(command: Command): Command {
  return command
    .option('--plain-http', 'speak plain HTTP with the host')
    .option(
      '--tls-ca <file>',
      'certificate authorities (PEM) to trust beside those of the system; may be given several times',
      (file: string, before: readonly string[] = []) => [...before, file],
    )
    .option('--tls-skip-verify', "do not verify the host's certificate: whoever is on the way can answer in its place");
}

export function addTransferOptions(command: Command): Command {
  addConnectionOptions(addImageOptions(command))
    .addOption(
      new Option(
        '--policy <policy>',
        'missing: an image complete in the store costs no request, so a tag that moved is not noticed; ' +
          'always: a tag is asked again; never: no request (default: missing)',
      ).choices(['missing', 'always', 'never']),
    )
    .option('--jobs <n>', 'layers extracted at once (default: number of cores)', parseCount)
    .addOption(
      new Option('--decoder <name>', 'decoder of gzip (default: auto)').choices(['auto', 'isal', 'zlib', 'pako']),
    )
    .addOption(
      new Option(
        '--pipeline <form>',
        'one: a layer takes one thread; split: it takes two; auto: what is faster at that moment (default: auto)',
      ).choices(['auto', 'one', 'split']),
    )
    .addOption(
      new Option(
        '--on-missing-xattr <what>',
        'on a file system without user xattrs: error, or record owners and modes in the sidecar alone (default: error)',
      ).choices(['error', 'record']),
    )
    .option(
      '--foreign-layers <host>',
      'host that foreign layers may be read from when the registry lacks them; may be given several times',
      (host: string, before: readonly string[] = []) => [...before, host],
    )
    .option('--verify-access', 'ask the registry for permission before the store answers')
    .option(
      '--rate-floor <n>',
      'fewest bytes a second of a large layer before its connections are replaced',
      parseBytes,
    )
    .option('--privileged-xattrs', 'set security.*, trusted.* and system.* attributes where permitted')
    .option('--keep-partial', 'keep the packed bytes of an interrupted layer, and go on from there the next time')
    .option('--no-sync', 'do not sync; for stores that need not survive a power failure')
    .option('--trace <file>', 'write when each thread did what, as Chrome trace events, which Perfetto opens')
    .option('--max-compressed-bytes <n>', 'largest sum of packed layers (K, M, G: KiB, MiB, GiB)', parseBytes)
    .option('--max-unpacked-bytes <n>', 'largest sum of layers, unpacked', parseBytes)
    .option('--max-file-bytes <n>', 'largest file', parseBytes)
    .option('--max-entries <n>', 'most entries of all layers', parseCount)
    .option('--max-meta-bytes <n>', 'largest extended header of an entry', parseBytes)
    .option('--max-ratio <n>', 'most unpacked bytes for a packed one', parseCount)
    .option('--ratio-grace-bytes <n>', 'unpacked bytes before the ratio counts', parseBytes)
    .option('--max-manifest-bytes <n>', 'largest manifest or image index', parseBytes)
    .option('--max-config-bytes <n>', 'largest image config', parseBytes);
  return command;
}

/** What an image that is composed may cost. */
export function addComposingOptions(command: Command): Command {
  return addImageOptions(command)
    .option('--max-unpacked-bytes <n>', 'largest sum of files (K, M, G: KiB, MiB, GiB)', parseBytes)
    .option('--max-file-bytes <n>', 'largest file', parseBytes)
    .option('--max-entries <n>', 'most entries of all layers', parseCount);
}

/** What of an image's names and places every command that looks for its layers takes. */
export function addImageOptions(command: Command): Command {
  return command
    .option('-L, --layer-path <dir>', 'directory that takes the place of HOME/layers')
    .option('--platform <os/arch[/variant]>', 'platform of the image, or any (default: this machine)')
    .addOption(
      new Option(
        '--stat-format <form>',
        'how devices are written: as containers/storage and fuse-overlayfs read them, or as libkrun does (default: containers)',
      ).choices(['containers', 'libkrun']),
    );
}

const FACTORS: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** `64M` is 67108864. */
export function parseBytes(text: string): number {
  const [, digits = '', suffix = ''] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * FACTORS[suffix.toUpperCase()]!;
  if (digits === '' || !Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('A number of bytes is needed, e.g. 1048576, 1024K or 1M.');
  }
  return bytes;
}

/** A whole number, not negative. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count)) throw new InvalidArgumentError('A whole number is needed.');
  return count;
}
