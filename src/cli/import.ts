import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { SluiceError, type PulledImage } from '../index.js';
import { failureOf, type Failure } from './failure.js';
import type { TransferOptions } from './options.js';
import { noteLine, printJson } from './output.js';
import { withSession, type Session } from './session.js';

export interface ImportOptions extends TransferOptions {
  readonly from?: string;
  readonly name?: string;
}

/** While some images' layers are extracted, others are resolved; layers at once are bounded by `--jobs`. */
const IMAGES_AT_ONCE = 4;

/** `sluice import SOURCE… | --from FILE`: one image, or many of which some may fail (compat U3). */
export async function importImages(
  sources: readonly string[],
  options: ImportOptions,
  signal: AbortSignal,
): Promise<number> {
  const wanted = options.from === undefined ? sources : [...sources, ...(await readSources(options.from))];
  if (options.name !== undefined) checkName(wanted);
  if (wanted.length === 0 && options.from === undefined) throw usage('no SOURCE is named, and no file with --from');
  if (wanted.length === 1 && options.from === undefined) return importOne(wanted[0]!, options, signal);
  return importMany(wanted, options, signal);
}

async function importOne(source: string, options: ImportOptions, signal: AbortSignal): Promise<number> {
  const image = await withSession(options, signal, async ({ bring, report }) => {
    const brought = await bring(source, { ...(options.name !== undefined && { name: options.name }) });
    report.onImported(source, brought);
    return brought;
  });
  if (options.json) printJson({ result: image });
  return 0;
}

/** What became of many sources. */
interface Summary {
  readonly images: { readonly source: string; readonly reference: string; readonly digest: string }[];
  readonly failed: { readonly source: string; readonly error: Failure }[];
}

async function importMany(sources: readonly string[], options: ImportOptions, signal: AbortSignal): Promise<number> {
  const summary = await withSession(options, signal, (session) => bringAll(sources, session, signal));
  const failures = summary.failed.length;
  if (options.json) printJson({ result: summary });
  else if (failures > 0) noteLine(`${failures} of ${sources.length} images failed`);
  return failures > 0 ? 1 : 0;
}

async function bringAll(sources: readonly string[], session: Session, signal: AbortSignal): Promise<Summary> {
  const summary: Summary = { images: [], failed: [] };
  const queue = sources.values();
  const bringSome = async (): Promise<void> => {
    for (const source of queue) {
      if (signal.aborted) return;
      await bringOne(source, session, summary, signal);
    }
  };
  await Promise.all(Array.from({ length: IMAGES_AT_ONCE }, bringSome));
  signal.throwIfAborted();
  return summary;
}

async function bringOne(source: string, session: Session, summary: Summary, signal: AbortSignal): Promise<void> {
  let image: PulledImage;
  try {
    image = await session.bring(source, { priority: 'bulk' });
  } catch (error) {
    if (signal.aborted) return;
    summary.failed.push({ source, error: failureOf(error) });
    session.report.onImportFailed(source, error);
    return;
  }
  summary.images.push({ source, reference: image.reference, digest: image.digest });
  session.report.onImported(source, image);
}

/** One source a line; empty lines and those that begin with `#` are passed over. */
async function readSources(from: string): Promise<string[]> {
  const lines = (await readList(from)).split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

async function readList(from: string): Promise<string> {
  try {
    return from === '-' ? await text(process.stdin) : await readFile(from, 'utf8');
  } catch (error) {
    throw usage(`reading the list "${from}": ${String((error as NodeJS.ErrnoException).code ?? error)}`);
  }
}

function checkName(wanted: readonly string[]): void {
  const [source, ...more] = wanted;
  if (more.length > 0) throw usage('--name is for one SOURCE');
  if (source !== undefined && !source.startsWith('oci:')) throw usage('--name is for the image of an OCI layout');
}

function usage(message: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', { message, hint: 'See sluice import --help.' });
}
