import { SIDECAR_FORMAT } from '../../oci/sidecar-head.js';
import type { Digest } from '../../oci/digest.js';
import type { StoredLayer } from '../types.js';
import type { Connection } from './database.js';
import { formatTime, type LayerRow } from './rows.js';

export const LAYER_COLUMNS =
  'digest, diff_id, size_bytes, extracted_at, unpacked_bytes, entries, format, stat, compose_required';

export async function selectLayer(connection: Connection, digest: Digest): Promise<LayerRow | null> {
  const [row] = await connection.all<LayerRow>(`SELECT ${LAYER_COLUMNS} FROM layers WHERE digest = ?`, digest);
  return row ?? null;
}

/** Rows of the digests that the index knows, each once, in no order. */
export async function selectLayers(connection: Connection, digests: readonly Digest[]): Promise<readonly LayerRow[]> {
  return await connection.all<LayerRow>(
    `SELECT ${LAYER_COLUMNS} FROM layers WHERE digest IN (SELECT value FROM json_each(?))`,
    JSON.stringify(digests),
  );
}

/**
 * Inserts a layer, or brings its row up to date; the id stays (compat I7, Q3).
 * @param isHome whether the layer lies in the home, which the row vouches for
 * @returns the row's id
 */
export async function upsertLayer(
  connection: Connection,
  layer: StoredLayer,
  options: { readonly mediaType: string; readonly isHome: boolean; readonly now: Date },
): Promise<number> {
  const now = formatTime(options.now);
  const [row] = await connection.all<{ id: number }>(
    `INSERT INTO layers (media_type, digest, diff_id, size_bytes, created_at, modified_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT(digest) DO UPDATE SET media_type = excluded.media_type, diff_id = excluded.diff_id,
       size_bytes = excluded.size_bytes, modified_at = excluded.modified_at
     RETURNING id`,
    options.mediaType,
    layer.digest,
    layer.diffId,
    layer.packedBytes,
    now,
    now,
  );
  if (options.isHome) await markExtracted(connection, layer, options.now);
  return row!.id;
}

/**
 * Notes that a layer is complete in the home, in the row it has; without one, nothing happens. The time of the first
 * note stays.
 */
export async function markExtracted(connection: Connection, layer: StoredLayer, now: Date): Promise<void> {
  const time = formatTime(now);
  await connection.all(
    `UPDATE layers SET diff_id = ?, size_bytes = ?, extracted_at = COALESCE(extracted_at, ?), unpacked_bytes = ?,
       entries = ?, format = ?, stat = ?, compose_required = ?, modified_at = ? WHERE digest = ?`,
    layer.diffId,
    layer.packedBytes,
    time,
    layer.unpackedBytes,
    layer.entries,
    SIDECAR_FORMAT,
    layer.stat,
    layer.composeRequired ? 1 : 0,
    time,
    layer.digest,
  );
}

/** Takes back what {@link markExtracted} said. */
export async function unmarkExtracted(connection: Connection, digest: Digest): Promise<void> {
  await connection.all('UPDATE layers SET extracted_at = NULL WHERE digest = ?', digest);
}
