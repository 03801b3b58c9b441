import { resolve } from 'node:path';
import { SluiceError } from '../errors.js';
import { homeLocation, isSameDirectory, type LocationPaths, makeLocation, pathLocation } from './layout.js';
import { probeLocation } from './probe.js';
import { sweepStaging } from './staging.js';
import { listTrash } from './trash.js';
import type { LayersLocation } from './types.js';

/** The places where layers of one store live. */
export interface Locations {
  /** The home's own, or that of `-L PATH`, made, swept and probed once. */
  readonly open: (layerPath?: string) => Promise<LayersLocation>;
  /** What is to be removed, in all of them. */
  readonly trash: string[];
}

/** @throws SluiceError STORE_FAILED | DISK_FULL */
export async function openLocations(home: string): Promise<Locations> {
  const trash: string[] = [];
  const paths = new Map<string, Promise<LayersLocation>>();
  const atHome = await openLocation(homeLocation(home), trash);

  const openPath = async (path: string): Promise<LayersLocation> => {
    if (await isSameDirectory(path, atHome.layers)) return atHome;
    return openLocation(pathLocation(path), trash);
  };
  const open = async (layerPath?: string): Promise<LayersLocation> => {
    if (layerPath === undefined) return atHome;
    const path = resolve(layerPath);
    const known = paths.get(path);
    if (known) return known;
    const opening = openPath(path);
    paths.set(path, opening);
    opening.catch(() => paths.delete(path));
    return opening;
  };
  return { open, trash };
}

async function openLocation(location: LocationPaths, trash: string[]): Promise<LayersLocation> {
  await makeLocation(location);
  trash.push(...(await listTrash(location)));
  try {
    const facts = await probeLocation(location);
    trash.push(...(await sweepStaging(location)));
    return { ...location, facts };
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'ADDON_MISSING') return { ...location, facts: null };
    throw error;
  }
}
