import { SluiceError } from '../errors.js';
import { entryNamed } from '../layer/path.js';

/** Runs a step for an entry: what it throws names the entry. */
export function namingEntry(path: Uint8Array, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw error.with(entryNamed(path));
  }
}
