import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fileSystemError } from '../errors.js';
import type { Connection, Database } from './index/database.js';
import { pin, selectPins, unpin } from './index/usage.js';
import { homeLocation, pinsFile } from './layout.js';

/**
 * Pins are the one thing of the index that the disk could not tell anew, so they also stand in a file, a reference a line,
 * which an index that is made reads (compat I16). To be run in a transaction: it keeps other processes out meanwhile, and
 * the file is there before the transaction ends.
 */
export async function setPins(
  connection: Connection,
  home: string,
  references: readonly string[],
  isPinned: boolean,
): Promise<void> {
  const before = await selectPins(connection);
  for (const reference of references) await (isPinned ? pin : unpin)(connection, reference);
  const pins = await selectPins(connection);
  if (pins.join('\n') !== before.join('\n')) await writePins(home, pins);
}

/** Takes over what the file says; to be run in the transaction that makes the index. */
export async function restorePins(connection: Connection, home: string): Promise<void> {
  for (const reference of (await readPins(home)) ?? []) await pin(connection, reference);
}

/**
 * Writes the file where an index has pins and it is not there: of a home that was made before there was one. Nobody waits for
 * that; while another process writes, it is left to the next opening.
 */
export async function keepPins(database: Database, home: string): Promise<void> {
  if ((await readPins(home)) !== null) return;
  const doing = 'looking for pins without a file';
  if ((await database.use(doing, selectPins)).length === 0) return;
  await database.transactionUnlessBusy(doing, async (connection) => writePins(home, await selectPins(connection)));
}

/** @returns null when there is no file */
async function readPins(home: string): Promise<readonly string[] | null> {
  const path = pinsFile(home);
  try {
    return (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileSystemError(`reading ${JSON.stringify(path)}`, error);
  }
}

/** A file that is left in staging when the process dies is swept (compat F21). */
async function writePins(home: string, references: readonly string[]): Promise<void> {
  const path = pinsFile(home);
  const staged = join(homeLocation(home).staging, `pins.${randomBytes(8).toString('hex')}`);
  try {
    await using file = await open(staged, 'wx', 0o600);
    await file.writeFile(references.map((reference) => `${reference}\n`).join(''));
    await file.sync();
    await rename(staged, path);
  } catch (error) {
    throw fileSystemError(`writing ${JSON.stringify(path)}`, error);
  }
}
