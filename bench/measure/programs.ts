import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/** Whether a program is on PATH. */
export function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && isProgram(join(folder, program)));
}

/** Whether a file can be run. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
