import { SluiceError } from '../../errors.js';
import type { Digest } from '../../oci/digest.js';
import type { ResolvedImage } from '../../oci/manifest.js';
import type { StoredLayer } from '../types.js';
import type { Connection } from './database.js';
import { type Columns, configColumns, indexColumns, manifestColumns } from './document-columns.js';
import { upsertLayer } from './layers.js';
import { formatTime } from './rows.js';

/** One place of an image's stack. */
export interface StackedLayer {
  readonly layer: StoredLayer;
  readonly mediaType: string;
  /** Place in the manifest, 0 = bottom. */
  readonly position: number;
  readonly composeRequired: boolean;
}

/** An image that is to be recorded. */
interface RecordedImage {
  readonly key: string;
  readonly image: ResolvedImage;
  /** Bottom to top, each layer once. */
  readonly stack: readonly StackedLayer[];
  readonly now: Date;
  readonly isInHome: (layer: StoredLayer) => boolean;
  /** What it came from, as `parseSource` reads it; null: not known. */
  readonly source: string | null;
}

/**
 * The stack as directories: a layer that the manifest names several times stands at its topmost place (compat I9).
 * @throws SluiceError LAYER_FAILED when a layer is missing from `layers`
 */
export function stackLayers(
  image: ResolvedImage,
  layers: readonly StoredLayer[],
  composeLinks: ReadonlySet<Digest>,
): readonly StackedLayer[] {
  const byDigest = new Map(layers.map((layer) => [layer.digest, layer]));
  const topmost = new Map(image.layers.map(({ descriptor }, position) => [descriptor.digest, position]));
  return image.layers.flatMap(({ descriptor: { digest, mediaType } }, position) => {
    if (topmost.get(digest) !== position) return [];
    const layer = byDigest.get(digest);
    if (!layer)
      throw new SluiceError('LAYER_FAILED', { message: 'recording an image without one of its layers', layer: digest });
    return [{ layer, mediaType, position, composeRequired: composeLinks.has(digest) }];
  });
}

/** The statements of compat I7; to be run in one transaction. */
export async function recordImage(connection: Connection, recorded: RecordedImage): Promise<void> {
  const { key, image, stack } = recorded;
  const now = formatTime(recorded.now);
  const imageId = await upsertImage(connection, key, now);
  await connection.all('DELETE FROM manifests WHERE image_id = ?', imageId);
  await connection.all('DELETE FROM indexes WHERE image_id = ?', imageId);

  const times = { created_at: now, modified_at: now };
  const index = image.index && { image_id: imageId, ...indexColumns(image.index, image.platform), ...times };
  const indexId = index && (await insert(connection, 'indexes', index));
  const manifest = { image_id: imageId, index_id: indexId, ...manifestColumns(image.manifest), ...times };
  const manifestId = await insert(connection, 'manifests', manifest);
  await insert(connection, 'configs', { manifest_id: manifestId, ...configColumns(image.config), ...times });

  for (const { layer, mediaType, position, composeRequired } of stack) {
    const isHome = recorded.isInHome(layer);
    const layerId = await upsertLayer(connection, layer, { mediaType, isHome, now: recorded.now });
    const place = { position, compose_required: composeRequired ? 1 : 0 };
    await insert(connection, 'manifest_layers', { manifest_id: manifestId, layer_id: layerId, ...place, ...times });
  }
  await finishImage(connection, imageId, manifestId, recorded, now);
}

async function upsertImage(connection: Connection, key: string, now: string): Promise<number> {
  const [row] = await connection.all<{ id: number }>(
    `INSERT INTO images (reference, size_bytes, created_at, modified_at) VALUES (?, 0, ?, ?)
     ON CONFLICT(reference) DO UPDATE SET modified_at = excluded.modified_at RETURNING id`,
    key,
    now,
    now,
  );
  return row!.id;
}

async function finishImage(
  connection: Connection,
  imageId: number,
  manifestId: number,
  { image, stack, source }: RecordedImage,
  now: string,
): Promise<void> {
  await connection.all(
    `UPDATE images SET manifest_id = ?, resolved_digest = ?, platform = ?, size_bytes = ?, last_used_at = ?,
       modified_at = ?, source = ? WHERE id = ?`,
    manifestId,
    image.resolvedDigest,
    image.platform,
    stack.reduce((sum, { layer }) => sum + layer.packedBytes, 0),
    now,
    now,
    source,
    imageId,
  );
}

async function insert(connection: Connection, table: string, columns: Columns): Promise<number> {
  const names = Object.keys(columns);
  const [row] = await connection.all<{ id: number }>(
    `INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')}) RETURNING id`,
    ...Object.values(columns),
  );
  return row!.id;
}
