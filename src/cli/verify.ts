import { Sluice, type LayerProblem, type Verified, type VerifyOptions, type VerifyProblem } from '../index.js';
import type { CommonOptions } from './options.js';
import { noteLine, printJson, printLine } from './output.js';
import { openOptions } from './session.js';
import { formatBytes, printable } from './text.js';

export interface VerifyCommandOptions extends CommonOptions {
  readonly layerPath?: string;
  readonly quick?: boolean;
  readonly repair?: boolean;
  readonly jobs?: number;
  readonly plainHttp?: boolean;
  readonly sync: boolean;
}

/** `sluice verify`: exits 1 when something is damaged that was not repaired. */
export async function verify(options: VerifyCommandOptions, signal: AbortSignal): Promise<number> {
  const { repair = false, json, quiet } = options;
  await using sluice = await Sluice.open({ ...openOptions(options), repairIndex: repair });
  for (const message of sluice.notices) {
    if (json) printJson({ kind: 'notice', level: 'warn', message });
    else noteLine(`warning: ${printable(message)}`);
  }
  const verified = await sluice.verify({ ...settingsOf(options), signal });
  const left = verified.problems.filter(({ isRepaired }) => !isRepaired).length;
  for (const problem of verified.problems) {
    if (json) printJson({ kind: 'problem', problem });
    else for (const line of linesOf(problem)) printLine(printable(line));
  }
  if (json) printJson({ result: { ...verified, problems: verified.problems.length, left } });
  else if (!quiet) noteLine(summaryOf(verified, left));
  return left > 0 ? 1 : 0;
}

function settingsOf(options: VerifyCommandOptions): VerifyOptions {
  const { layerPath, quick = false, repair = false, plainHttp = false, sync } = options;
  return { quick, repair, plainHttp, sync, ...(layerPath !== undefined && { layerPath }) };
}

function linesOf({ kind, name, message, found, images, isRepaired, error }: VerifyProblem): string[] {
  const what = kind === 'index' ? 'index' : `${kind} ${name}`;
  const state = isRepaired ? 'repaired' : 'damaged';
  const more = found ? found.problems - found.first.length : 0;
  return [
    `${state}: ${what}: ${message}`,
    ...(found?.first ?? []).map(entryLine),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(isRepaired ? [] : images.map((image) => `  used by ${image}`)),
    ...(error ? [`  not repaired: error[${error.code}]: ${error.detail.message}`] : []),
  ];
}

function entryLine({ kind, entry, expected, got }: LayerProblem): string {
  const values = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(got === undefined ? [] : [`got ${got}`]),
  ];
  return `  ${entry}: ${kind}${values.length === 0 ? '' : ` (${values.join(', ')})`}`;
}

function summaryOf({ images, layers, entries, bytes, problems }: Verified, left: number): string {
  const sound = `verified ${images} images, ${layers} layers, ${entries} entries, ${formatBytes(bytes)}`;
  return `${sound}: ${problems.length} problems, ${left} left`;
}
