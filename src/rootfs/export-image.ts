import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import { type Composing, composeImage } from './compose-image.js';
import { packRootfs } from './pack.js';

/**
 * Writes an image's root file system as a tar, composed in the store's staging directory meanwhile.
 * @param target a stream, which is ended, or a path: written beside it and put in place when it is complete
 * @throws SluiceError as {@link composeImage}, and of packing
 */
export async function exportImage(composing: Composing, target: Writable | string): Promise<void> {
  const { engine, location, signal } = composing;
  const staging = await engine.store.openStaging('export', location);
  try {
    await composeImage({ ...composing, sync: false }, staging.path, location.facts?.foldsNames ?? false);
    const pieces = packRootfs(join(staging.path, 'tree'), join(staging.path, 'mtree'));
    await (typeof target === 'string' ? writeFileAt(target, pieces, signal) : send(pieces, target, signal));
  } finally {
    await engine.store.discardStaging(staging);
  }
}

async function send(pieces: AsyncIterable<Buffer>, target: Writable, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(Readable.from(pieces, { objectMode: false }), target, { signal });
  } catch (error) {
    if (signal.aborted) throw new SluiceError('ABORTED', 'exporting an image: cancelled', { cause: error });
    throw fileSystemError('exporting an image', error);
  }
}

async function writeFileAt(path: string, pieces: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
  const place = resolve(path);
  if (await isNoFile(place)) return send(pieces, createWriteStream(place), signal);
  const draft = `${place}.sluice-${randomBytes(8).toString('hex')}`;
  try {
    await send(pieces, createWriteStream(draft, { flags: 'wx' }), signal);
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // must not hide the first error
    throw fileSystemError(`writing ${JSON.stringify(place)}`, error);
  }
}

/** A device or FIFO is written to; a file, or nothing, is replaced. */
async function isNoFile(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
  }
}
