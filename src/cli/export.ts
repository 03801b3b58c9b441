import { SluiceError } from '../index.js';
import { printJson } from './output.js';
import { type RootfsCommandOptions, withComposing } from './rootfs.js';

/** `sluice export REFERENCE FILE|-`: silent but for the archive itself. */
export async function exportTar(
  reference: string,
  file: string,
  options: RootfsCommandOptions,
  signal: AbortSignal,
): Promise<number> {
  if (file === '-' && options.json) throw usage('the archive and JSON cannot both go to standard output');
  if (file === '-' && process.stdout.isTTY) throw usage('an archive is nothing for a terminal');
  const target = file === '-' ? process.stdout : file;
  await withComposing(options, signal, (sluice, composing) => sluice.export(reference, target, composing));
  if (options.json) printJson({ file });
  return 0;
}

function usage(message: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', { message, hint: 'Name a file, or redirect standard output.' });
}
