import type { CommonOptions } from '../options.js';
import { createJsonReport } from './json.js';
import { createPlainReport } from './plain.js';
import { createQuietReport } from './quiet.js';
import type { Report } from './report.js';

/** Chooses how to show what happens: as JSON, not at all, drawn on a terminal, or in plain lines. */
export async function openReport({ json, quiet, logLevel }: CommonOptions): Promise<Report> {
  if (json) return createJsonReport();
  if (quiet) return createQuietReport();
  const canDraw = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  if (!canDraw) return createPlainReport(logLevel);
  const { openTerminalReport } = await import('./tty.js');
  return openTerminalReport(process.stderr, logLevel);
}
