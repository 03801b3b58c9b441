import { Sluice, SluiceError, type RootfsOptions } from '../index.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';
import { messageOf } from './report/message.js';
import { openOptions } from './session.js';

export interface RootfsCommandOptions extends CommonOptions {
  readonly layerPath?: string;
  readonly platform?: string;
  readonly statFormat?: 'containers' | 'libkrun';
  readonly sync?: boolean;
  readonly maxUnpackedBytes?: number;
  readonly maxFileBytes?: number;
  readonly maxEntries?: number;
}

/** `sluice rootfs REFERENCE DIR`: prints the directory, or with `--json` the sidecar beside it too. */
export async function rootfs(
  reference: string,
  directory: string,
  options: RootfsCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  const made = await withComposing(options, signal, (sluice, composing) =>
    sluice.rootfs(reference, directory, composing),
  );
  if (options.json) printJson(made);
  else printLine(made.path);
  return 0;
}

/**
 * Opens the store for a command that composes an image, and prints what it warns of.
 * @throws SluiceError ABORTED whenever the signal has fired; else of opening the store and of the work
 */
export async function withComposing<T>(
  options: RootfsCommandOptions,
  signal: AbortSignal,
  work: (sluice: Sluice, composing: RootfsOptions) => Promise<T>,
): Promise<T> {
  const { layerPath, platform, statFormat, sync, quiet, json, logLevel } = options;
  const { maxUnpackedBytes, maxFileBytes, maxEntries } = options;
  try {
    await using sluice = await Sluice.open(openOptions(options));
    sluice.subscribe((event) => {
      const line = quiet || json ? null : messageOf(event, logLevel);
      if (line !== null) noteLine(line);
    });
    return await work(sluice, {
      ...(layerPath !== undefined && { layerPath }),
      ...(platform !== undefined && { platform }),
      ...(statFormat !== undefined && { statFormat }),
      ...(sync !== undefined && { sync }),
      budget: {
        ...(maxUnpackedBytes !== undefined && { maxUnpackedBytes }),
        ...(maxFileBytes !== undefined && { maxFileBytes }),
        ...(maxEntries !== undefined && { maxEntries }),
      },
      signal,
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SluiceError('ABORTED', 'interrupted', { cause: error });
  }
}
