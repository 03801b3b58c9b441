import type { Digest } from '../../oci/digest.js';
import type { Connection } from './database.js';
import { CURRENT } from './images.js';

/** An image as pruning sees it. */
export interface UsedImage {
  readonly id: number;
  readonly reference: string;
  /** Of the current manifest; null for an image that another program wrote last. */
  readonly digest: Digest | null;
  /** `YYYY-MM-DD HH:MM:SS`, UTC, or what another program wrote. */
  readonly lastUsedAt: string | null;
  readonly isPinned: boolean;
  /** Ids of the layers of all its manifests. */
  readonly layers: readonly number[];
}

/** A layer's row as pruning sees it. */
export interface UsedLayer {
  readonly id: number;
  readonly digest: Digest;
  readonly packedBytes: number;
  readonly unpackedBytes: number | null;
}

/** Which images use which layers. */
export interface Usage {
  readonly images: readonly UsedImage[];
  readonly layers: readonly UsedLayer[];
}

/** One value a table, since a row costs the driver far more than SQLite a value: 2,000 images and 10,000 layers. */
const IMAGES = `SELECT COALESCE(json_group_array(json_array(images.id, images.reference,
    CASE WHEN COALESCE(${CURRENT}, 0) THEN manifests.digest END, COALESCE(images.last_used_at, images.created_at),
    EXISTS (SELECT 1 FROM sluice_pins WHERE sluice_pins.reference = images.reference),
    (SELECT json_group_array(manifest_layers.layer_id) FROM manifests AS owner
       JOIN manifest_layers ON manifest_layers.manifest_id = owner.id WHERE owner.image_id = images.id))), '[]') AS value
  FROM images LEFT JOIN manifests ON manifests.id = images.manifest_id`;

const LAYERS = `SELECT COALESCE(json_group_array(json_array(id, digest, size_bytes, unpacked_bytes)), '[]') AS value
  FROM layers`;

type ImageValues = readonly [number, string, Digest | null, string | null, 0 | 1, string];
type LayerValues = readonly [number, Digest, number, number | null];

/** To be run in a transaction or snapshot, so that it shows one moment. */
export async function selectUsage(connection: Connection): Promise<Usage> {
  const images = await selectValues<ImageValues>(connection, IMAGES);
  const layers = await selectValues<LayerValues>(connection, LAYERS);
  return {
    images: images.map(([id, reference, digest, lastUsedAt, pinned, ids]) => ({
      id,
      reference,
      digest,
      lastUsedAt,
      isPinned: pinned === 1,
      layers: typeof ids === 'string' ? (JSON.parse(ids) as number[]) : ids,
    })),
    layers: layers.map(([id, digest, packedBytes, unpackedBytes]) => ({ id, digest, packedBytes, unpackedBytes })),
  };
}

async function selectValues<Values>(connection: Connection, sql: string): Promise<readonly Values[]> {
  const [row] = await connection.all<{ value: string }>(sql);
  return JSON.parse(row?.value ?? '[]') as Values[];
}

/**
 * Removes images that are still what was seen: used and written since by nobody. Their manifests, configs and links go
 * along; their layers stay.
 * @returns ids of those that were removed
 */
export async function deleteImages(connection: Connection, images: readonly UsedImage[]): Promise<ReadonlySet<number>> {
  const seen = images.map(({ id, digest, lastUsedAt }) => [id, digest, lastUsedAt]);
  const rows = await connection.all<{ id: number }>(
    `DELETE FROM images WHERE id IN (
       SELECT images.id FROM json_each(?) AS seen
         JOIN images ON images.id = json_extract(seen.value, '$[0]')
         LEFT JOIN manifests ON manifests.id = images.manifest_id
       WHERE COALESCE(images.last_used_at, images.created_at) IS json_extract(seen.value, '$[2]')
         AND CASE WHEN COALESCE(${CURRENT}, 0) THEN manifests.digest END IS json_extract(seen.value, '$[1]'))
     RETURNING id`,
    JSON.stringify(seen),
  );
  return new Set(rows.map(({ id }) => id));
}

/** Which of the layers an image uses. */
export async function selectReferenced(
  connection: Connection,
  digests: readonly Digest[],
): Promise<ReadonlySet<Digest>> {
  const rows = await connection.all<{ digest: Digest }>(
    `SELECT digest FROM layers WHERE digest IN (SELECT value FROM json_each(?))
       AND EXISTS (SELECT 1 FROM manifest_layers WHERE layer_id = layers.id)`,
    JSON.stringify(digests),
  );
  return new Set(rows.map(({ digest }) => digest));
}

/** Forgets layers; of those that an image uses, nothing happens. */
export async function deleteLayers(connection: Connection, digests: readonly Digest[]): Promise<void> {
  await connection.all(
    `DELETE FROM layers WHERE digest IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM manifest_layers WHERE layer_id = layers.id)`,
    JSON.stringify(digests),
  );
}

/** References that are pinned, in their order. */
export async function selectPins(connection: Connection): Promise<readonly string[]> {
  const rows = await connection.all<{ reference: string }>('SELECT reference FROM sluice_pins ORDER BY reference');
  return rows.map(({ reference }) => reference);
}

/** Keeps an image from being pruned, also one that is not there yet. */
export async function pin(connection: Connection, reference: string): Promise<void> {
  await connection.all('INSERT INTO sluice_pins (reference) VALUES (?) ON CONFLICT(reference) DO NOTHING', reference);
}

export async function unpin(connection: Connection, reference: string): Promise<void> {
  await connection.all('DELETE FROM sluice_pins WHERE reference = ?', reference);
}
