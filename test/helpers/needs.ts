import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * For `{ skip: needs('skopeo') }` of a test.
 * @returns false when the program is on PATH, else the reason to skip
 * @throws Error instead of a reason where `CI` is set: nothing is skipped there
 */
export function needs(program: string): false | string {
  if (isOnPath(program)) return false;
  const reason = `needs the program ${program}`;
  if (process.env['CI']) throw new Error(`${reason}, and nothing is skipped in CI`);
  return reason;
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .filter((folder) => folder !== '')
    .some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
