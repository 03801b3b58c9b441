import { link, lstat, mkdir, mkdtemp, readdir, rename, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errnoOf, fileSystemError, SluiceError } from '../errors.js';
import { foldsNames } from '../store/probe.js';
import { type Composing, composeImage } from './compose-image.js';

/** A root file system on disk. */
export interface Rootfs {
  readonly path: string;
  /** True owner, mode and device of everything in it, as a BSD mtree: `<path>.mtree`. */
  readonly sidecar: string;
}

/**
 * Composes an image into a directory of its own: beside it first, then in place with one rename.
 * @param directory must be absent or empty
 * @throws SluiceError CONFIG_INVALID when something is in the way, else as {@link composeImage}
 */
export async function makeRootfs(composing: Composing, directory: string): Promise<Rootfs> {
  const path = resolve(directory);
  const sidecar = `${path}.mtree`;
  await checkPlace(path, sidecar);
  const staging = await makeStaging(path);
  try {
    await composeImage(composing, staging, await probeFolding(staging));
    await place(staging, path, sidecar);
    return { path, sidecar };
  } catch (error) {
    throw fileSystemError(`making ${JSON.stringify(path)}`, error);
  } finally {
    await composing.engine.pool.run({ kind: 'discard', paths: [staging] });
  }
}

/** The directory last: once it is there, all is. A link, unlike a rename, never replaces what came there meanwhile. */
async function place(staging: string, path: string, sidecar: string): Promise<void> {
  await link(join(staging, 'mtree'), sidecar);
  try {
    await rename(join(staging, 'tree'), path);
  } catch (error) {
    await unlink(sidecar);
    throw error;
  }
}

async function checkPlace(path: string, sidecar: string): Promise<void> {
  const names = await namesIn(path);
  if (names === 'other' || names.length > 0) throw inTheWay(path, 'is there and is no empty directory');
  if (await exists(sidecar)) throw inTheWay(sidecar, 'is there already');
}

async function namesIn(path: string): Promise<readonly string[] | 'other'> {
  try {
    return await readdir(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return [];
    if (errno === 'ENOTDIR') return 'other';
    throw fileSystemError(`listing ${JSON.stringify(path)}`, error);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
  }
}

/** A directory (0700) on the file system of the place. */
async function makeStaging(path: string): Promise<string> {
  try {
    return await mkdtemp(`${path}.sluice-`);
  } catch (error) {
    throw fileSystemError(`making a directory in ${JSON.stringify(dirname(path))}`, error);
  }
}

async function probeFolding(staging: string): Promise<boolean> {
  const folder = join(staging, 'probe');
  await mkdir(folder);
  const folds = await foldsNames(folder);
  await rm(folder, { recursive: true });
  return folds;
}

function inTheWay(path: string, what: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', {
    message: `making a root file system: ${JSON.stringify(path)} ${what}`,
    hint: 'Name a directory that does not exist yet.',
  });
}
