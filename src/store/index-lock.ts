import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileSystemError, SluiceError } from '../errors.js';
import { indexLockFile } from './layout.js';
import { lockFile, tryLockFile } from './lock.js';

const NEVER: AbortSignal = new AbortController().signal;

/**
 * Tells other processes, until it is disposed of, that this one has the index open. Whoever sets a damaged index aside needs
 * it for itself: SQLite would go on in the file that was set aside, and remove the log of the new one by its name.
 * @throws SluiceError STORE_FAILED
 */
export async function holdIndex(home: string): Promise<AsyncDisposable> {
  try {
    const handle = await lockFile(await makePlace(home), null, NEVER, 'shared');
    return { [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    // Such a process only reads, and for the time of one command.
    if (error instanceof SluiceError && error.code === 'ADDON_MISSING')
      return { [Symbol.asyncDispose]: () => Promise.resolve() };
    throw error;
  }
}

/** The index for this process alone. @returns null when another has it open @throws SluiceError ADDON_MISSING | STORE_FAILED */
export async function takeIndex(home: string): Promise<AsyncDisposable | null> {
  const handle = await tryLockFile(await makePlace(home));
  return handle && { [Symbol.asyncDispose]: () => handle.close() };
}

async function makePlace(home: string): Promise<string> {
  const path = indexLockFile(home);
  try {
    await mkdir(dirname(path), { recursive: true });
    return path;
  } catch (error) {
    throw fileSystemError(`making ${JSON.stringify(dirname(path))}`, error);
  }
}
