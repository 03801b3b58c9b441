import { doctor as examine, type MachineReport } from '../index.js';
import type { CommonOptions } from './options.js';
import { printJson, printLine } from './output.js';
import { formatTable, printable } from './text.js';

/** `sluice doctor`: what this machine has of what Sluice needs. */
export async function doctor({ home, json }: CommonOptions): Promise<number> {
  const report = await examine({ ...(home !== undefined && { home }) });
  if (json) printJson(report);
  else for (const line of linesOf(report)) printLine(printable(line));
  return 0;
}

function linesOf(report: MachineReport): string[] {
  const { home, fileSystem, openFiles } = report;
  const facts = formatTable([
    ['node', report.node],
    ['cores', String(report.cores)],
    ['open files', `${openFiles.soft ?? 'unlimited'} (at most ${openFiles.hard ?? 'unlimited'})`],
    ['addon', report.isAddonFound ? 'found' : 'missing'],
    ['decoders', report.decoders.join(', ')],
    ['zstd', report.isZstdFound ? 'found' : 'missing'],
    ['openat2', yesNo(report.hasOpenat2)],
    ['home', `${home.path} (${home.exists ? 'there' : 'absent'}, ${home.isWritable ? '' : 'not '}writable)`],
    ['file system', fileSystem.kind],
    ['user xattrs', yesNo(fileSystem.hasUserXattrs)],
    ['reflinks', yesNo(fileSystem.hasReflinks)],
    ['folds names', yesNo(fileSystem.foldsNames)],
  ]);
  const problems = report.problems.flatMap(({ code, message, hint }) => [
    `problem[${code}]: ${message}`,
    `hint: ${hint}`,
  ]);
  return [...facts, ...problems, ...report.advice.map((advice) => `advice: ${advice}`)];
}

function yesNo(fact: boolean | null): string {
  return fact === null ? 'unknown' : fact ? 'yes' : 'no';
}
