import { readFileSync } from 'node:fs';

/**
 * The process's umask, read alone. `process.umask()` sets it to 0 for a moment to read it, and a file that any other
 * thread of the process makes meanwhile lets everybody in.
 */
export function readUmask(): number {
  const [, digits] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return digits === undefined ? process.umask() : parseInt(digits, 8);
}
