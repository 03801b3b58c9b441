import { CommanderError } from 'commander';
import type { ErrorCode, SluiceError } from '../index.js';
import { noteLine, printJson } from './output.js';
import { printable, shortDigest } from './text.js';

const FAILED = 1;
const WRONG_USAGE = 2;

/** What of an error is printed; `INTERNAL` is none of Sluice's own. */
export interface Failure {
  readonly code: ErrorCode | 'INTERNAL';
  readonly message: string;
  readonly hint: string;
}

/**
 * Prints why a command failed, on standard error or as the last line of JSON.
 * @returns the exit status
 */
export async function reportFailure(error: unknown, json: boolean): Promise<number> {
  const { ERRORS, SluiceError: SluiceErrorClass } = await import('../index.js');
  if (json) printJson({ error: failureOf(error) });
  else for (const line of failureLines(error)) noteLine(line);
  return error instanceof SluiceErrorClass ? ERRORS[error.code].exit : FAILED;
}

/**
 * Prints why the command line was not understood; help that was asked for is no failure.
 * @returns the exit status
 */
export function reportUsage(error: unknown, json: boolean): number {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) return 0;
  if (error.code === 'commander.help') return WRONG_USAGE;
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  const failure: Failure = { code: 'CONFIG_INVALID', message, hint: 'See sluice --help and sluice COMMAND --help.' };
  if (json) printJson({ error: failure });
  else for (const line of linesOf(failure, [])) noteLine(line);
  return WRONG_USAGE;
}

/** An error as data. */
export function failureOf(error: unknown): Failure {
  if (isSluiceError(error)) return error.toJSON() as unknown as Failure;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message, hint: 'This is an error in Sluice; please report it.' };
}

/**
 * An error as lines of text: what happened and where, then what to do.
 * @param source what an image was to come from, where there are several
 */
export function failureLines(error: unknown, source?: string): string[] {
  const { layer, entry } = isSluiceError(error) ? error.detail : {};
  const places = [
    ...(source === undefined ? [] : [`source ${source}`]),
    ...(layer === undefined ? [] : [`layer ${shortDigest(layer, 12)}`]),
    ...(entry === undefined ? [] : [`entry ${entry}`]),
  ];
  return linesOf(failureOf(error), places);
}

function linesOf({ code, message, hint }: Failure, places: readonly string[]): string[] {
  const where = places.length === 0 ? '' : ` (${places.join(', ')})`;
  return [`error[${code}]: ${message}${where}`, `hint: ${hint}`].map(printable);
}

function isSluiceError(error: unknown): error is SluiceError {
  return error instanceof Error && error.name === 'SluiceError';
}
