import { mkdir, realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { errnoOf, fileSystemError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { LayersLocation } from './types.js';

/** A location before anything was tried in it. */
export type LocationPaths = Omit<LayersLocation, 'facts'>;

/** What the choice of the home depends on. */
export interface HomeSources {
  /** What the caller asks for. */
  readonly home?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The user's own directory. */
  readonly userHome?: string;
}

/**
 * Chooses the home (compat F1).
 * @param isOurs whether a store index exists and is none that a newer microsandbox took over (compat I4)
 * @returns an absolute path, which need not exist
 */
export async function chooseHome(sources: HomeSources, isOurs: (index: string) => Promise<boolean>): Promise<string> {
  const { home, environment = process.env, userHome = homedir() } = sources;
  const named = home || environment['SLUICE_HOME'] || environment['MICROSANDBOX_HOME'];
  if (named) return resolve(named);
  const seeds = join(userHome, '.microsandbox');
  return (await isOurs(indexPath(seeds))) ? seeds : join(userHome, '.sluice');
}

/** The store index of a home (compat F3). */
export function indexPath(home: string): string {
  return join(home, 'oci.db');
}

/** Where pins stand beside the index, see `pins.ts`. */
export function pinsFile(home: string): string {
  return join(home, 'pins');
}

/** Where processes that have the store open hold a shared lock, see `index-lock.ts`. */
export function indexLockFile(home: string): string {
  return join(homeLocation(home).locks, 'index');
}

/** The home's own location (compat F4). */
export function homeLocation(home: string): LocationPaths {
  return { layers: join(home, 'layers'), ...beside(home), isHome: true };
}

/** The location of `-L PATH` (compat F5). */
export function pathLocation(path: string): LocationPaths {
  return { layers: path, ...beside(join(path, '.sluice')), isHome: false };
}

function beside(folder: string): Pick<LocationPaths, 'staging' | 'trash' | 'locks' | 'partial'> {
  const [staging, trash, locks, partial] = ['staging', 'trash', 'locks', 'partial'].map((name) => join(folder, name));
  return { staging: staging!, trash: trash!, locks: locks!, partial: partial! };
}

/** Directory of a layer (compat F2). */
export function layerDirectory(location: LocationPaths, digest: Digest): string {
  return join(location.layers, `${digest}.extracted`);
}

/** Sidecar of a layer: the mark of its completeness (compat F6). */
export function layerSidecar(location: LocationPaths, digest: Digest): string {
  return join(location.layers, `${digest}.mtree`);
}

/** Lock file of a layer (compat F20). */
export function layerLockFile(location: LocationPaths, digest: Digest): string {
  return join(location.locks, digest);
}

/** File that keeps a layer or an image from being removed while a process holds a lock on it, see `lease.ts`. */
export function leaseFile(location: Pick<LocationPaths, 'locks'>, digest: Digest): string {
  return join(location.locks, `${digest}.lease`);
}

/** Where directories go that Sluice did not make (compat F6). */
export function foreignTrash(location: LocationPaths): string {
  return join(location.trash, 'foreign');
}

/** Makes the home with mode 0700 when it is absent; one that exists keeps its mode. */
export async function makeHome(home: string): Promise<void> {
  await makeDirectory(home, 0o700);
}

/** Makes the directories of a location that are absent. */
export async function makeLocation(location: LocationPaths): Promise<void> {
  for (const path of [location.layers, location.staging, location.locks, foreignTrash(location)])
    await makeDirectory(path);
}

async function makeDirectory(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { recursive: true, ...(mode !== undefined && { mode }) });
  } catch (error) {
    throw fileSystemError(`making directory ${JSON.stringify(path)}`, error);
  }
}

/** Whether two paths lead to one existing directory. */
export async function isSameDirectory(one: string, other: string): Promise<boolean> {
  try {
    return (await realpath(one)) === (await realpath(other));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw fileSystemError(`resolving ${JSON.stringify(one)}`, error);
  }
}
