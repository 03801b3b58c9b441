import type { Digest } from '../../oci/digest.js';
import type { Connection } from './database.js';
import { LAYER_COLUMNS } from './layers.js';
import { formatTime, type ImageRow, type LinkedLayerRow, parseTime } from './rows.js';

/** How long a use of an image goes unrecorded after the last recorded one (compat I15). */
const TOUCH_INTERVAL_MS = 60_000;

/** A row is ours, and vouches for its image, while no manifest of another program is newer (compat I12). */
export const CURRENT = `images.manifest_id = (SELECT MAX(id) FROM manifests WHERE manifests.image_id = images.id)`;

type RawImageRow = { [Name in keyof ImageRow]: ImageRow[Name] | null } & { is_current: number; layers_json: string };

/**
 * An image with everything a lookup needs, from one statement, so that it shows one moment.
 * @returns `foreign` for an image that another program wrote last
 */
export async function selectImage(connection: Connection, key: string): Promise<ImageRow | 'foreign' | null> {
  const layer = LAYER_COLUMNS.split(', ');
  const [row] = await connection.all<RawImageRow>(
    `SELECT images.id, images.reference, images.resolved_digest, images.platform, images.last_used_at, images.source,
       manifests.digest AS manifest_digest, manifests.body AS manifest_body, configs.body AS config_body,
       COALESCE(${CURRENT}, 0) AS is_current,
       (SELECT json_group_array(json_object(${layer.map((name) => `'${name}', ${name}`).join(', ')},
          'link_compose_required', link_compose_required)) FROM (
            SELECT ${layer.map((name) => `layers.${name}`).join(', ')},
              manifest_layers.compose_required AS link_compose_required
            FROM manifest_layers JOIN layers ON layers.id = manifest_layers.layer_id
            WHERE manifest_layers.manifest_id = images.manifest_id ORDER BY manifest_layers.position)) AS layers_json
     FROM images LEFT JOIN manifests ON manifests.id = images.manifest_id
       LEFT JOIN configs ON configs.manifest_id = images.manifest_id
     WHERE images.reference = ?`,
    key,
  );
  if (!row) return null;
  return isOurs(row) ? { ...row, layers: JSON.parse(row.layers_json) as LinkedLayerRow[] } : 'foreign';
}

function isOurs(row: RawImageRow): row is RawImageRow & ImageRow {
  const needed = [row.resolved_digest, row.platform, row.manifest_digest, row.manifest_body, row.config_body];
  return row.is_current === 1 && needed.every((value) => value !== null);
}

/** One image as a list shows it. */
export interface ListedImageRow {
  readonly reference: string;
  readonly digest: Digest | null;
  readonly platform: string | null;
  readonly size_bytes: number;
  readonly layers: number;
  readonly last_used_at: string | null;
  readonly is_pinned: number;
  readonly is_current: number;
}

/** Layers of an image that is not ours are counted over all its manifests. */
export async function selectImages(connection: Connection): Promise<readonly ListedImageRow[]> {
  return await connection.all<ListedImageRow>(
    `SELECT images.reference, manifests.digest, images.platform, images.size_bytes, images.last_used_at,
       COALESCE(${CURRENT}, 0) AS is_current,
       EXISTS (SELECT 1 FROM sluice_pins WHERE sluice_pins.reference = images.reference) AS is_pinned,
       (SELECT COUNT(DISTINCT manifest_layers.layer_id) FROM manifest_layers
          JOIN manifests AS owner ON owner.id = manifest_layers.manifest_id
          WHERE owner.image_id = images.id) AS layers
     FROM images LEFT JOIN manifests ON manifests.id = images.manifest_id ORDER BY images.reference`,
  );
}

/** Records that an image was used, at most once a minute (compat I15). */
export async function touchImage(connection: Connection, image: ImageRow, now: Date): Promise<void> {
  const last = parseTime(image.last_used_at);
  if (last && Math.abs(now.getTime() - last.getTime()) < TOUCH_INTERVAL_MS) return;
  await connection.all('UPDATE images SET last_used_at = ? WHERE id = ?', formatTime(now), image.id);
}
