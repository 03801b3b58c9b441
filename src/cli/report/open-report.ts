import type { CommonOptions } from '../options.js';
import { createJsonReport } from './json.js';
import { createPlainReport } from './plain.js';
import { createQuietReport } from './quiet.js';
import type { Report } from './report.js';
import { openTerminalReport } from './tty.js';

/** Chooses how to show what happens: as JSON, not at all, drawn on a terminal, or in plain lines. */
export function openReport({ json, quiet, logLevel }: CommonOptions): Report {
  if (json) return createJsonReport();
  if (quiet) return createQuietReport();
  const canDraw = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  return canDraw ? openTerminalReport(process.stderr, logLevel) : createPlainReport(logLevel);
}
