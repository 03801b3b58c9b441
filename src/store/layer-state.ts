import { lstat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { errnoOf, fileSystemError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { SIDECAR_FORMAT, type SidecarHead } from '../oci/sidecar-head.js';
import type { StatFormat } from '../transfer/protocol.js';
import type { LayerRow } from './index/rows.js';
import { layerDirectory, layerSidecar, type LocationPaths } from './layout.js';
import { readSidecar } from './sidecar.js';
import type { StoredLayer } from './types.js';

/** What is on disk of one layer. */
export type LayerState =
  | {
      readonly kind: 'complete';
      readonly layer: StoredLayer;
      /** True when the sidecar was read, as the row says nothing. */
      readonly isUnrecorded: boolean;
    }
  | { readonly kind: 'missing'; readonly reason: 'layer-absent' | 'layer-incomplete' | 'format' };

/**
 * Whether a layer is complete at a location: a real directory, its sidecar, and the wanted format (compat F6, F11).
 * The row vouches for the home alone, and only with `extracted_at`; else the sidecar is read (compat F5, F13).
 * @throws SluiceError STORE_FAILED | SIDECAR_CORRUPT
 */
export async function readLayerState(
  digest: Digest,
  row: LayerRow | null,
  wanted: { readonly location: LocationPaths; readonly stat: StatFormat },
): Promise<LayerState> {
  const { location, stat } = wanted;
  const [directory, sidecar] = [layerDirectory(location, digest), layerSidecar(location, digest)];
  const [found, mark] = await Promise.all([lstatOrNull(directory), lstatOrNull(sidecar)]);
  if (!found) return { kind: 'missing', reason: 'layer-absent' };
  if (!found.isDirectory() || !mark?.isFile()) return { kind: 'missing', reason: 'layer-incomplete' };

  const recorded = location.isHome ? readRow(row) : null;
  const head = recorded ?? (await readSidecar(sidecar, digest));
  if (head === null || head === 'other-format' || head.stat !== stat) return { kind: 'missing', reason: 'format' };
  return { kind: 'complete', layer: { ...head, path: directory }, isUnrecorded: recorded === null };
}

/** What a complete layer's sidecar says of it, in whatever form its files keep owners; null for one that is not complete. */
export async function readStoredLayer(digest: Digest, location: LocationPaths): Promise<StoredLayer | null> {
  const [path, sidecar] = [layerDirectory(location, digest), layerSidecar(location, digest)];
  const [found, mark] = await Promise.all([lstatOrNull(path), lstatOrNull(sidecar)]);
  const head = found?.isDirectory() && mark?.isFile() ? await readSidecar(sidecar, digest) : null;
  return head && { ...head, path };
}

/** Null for a row that says nothing. */
function readRow(row: LayerRow | null): SidecarHead | 'other-format' | null {
  if (!row || row.extracted_at === null || row.format === null || row.stat === null) return null;
  if (row.format !== SIDECAR_FORMAT) return 'other-format';
  const { unpacked_bytes: unpackedBytes, entries, compose_required: compose } = row;
  if (unpackedBytes === null || entries === null || compose === null) return null;
  return {
    digest: row.digest,
    diffId: row.diff_id,
    stat: row.stat,
    packedBytes: row.size_bytes,
    unpackedBytes,
    entries,
    composeRequired: compose !== 0,
  };
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw fileSystemError(`looking at ${JSON.stringify(path)}`, error);
  }
}
