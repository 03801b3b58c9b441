import type { Connection, Database } from '../index/database.js';
import { selectUsage } from '../index/usage.js';
import type { LocationPaths } from '../layout.js';
import { setPins } from '../pins.js';
import type { PruneResult } from './prune.js';
import { removeLayers } from './remove-layers.js';

/** What is removed. */
interface RemoveRequest {
  /** What an image is recorded as, or the digest of a manifest or of what was resolved. */
  readonly name: string;
  readonly home: string;
  readonly location: LocationPaths;
  /** Ends it between two layers, without an error: the caller has to know what went. */
  readonly signal: AbortSignal;
}

/**
 * Removes the images that a name stands for, with their pins, and the layers that only they used and nobody holds.
 * @returns null when there is none
 */
export async function removeImage(
  database: Database,
  { name, home, location, signal }: RemoveRequest,
): Promise<PruneResult | null> {
  const found = await database.transaction(`removing image ${name}`, async (connection) => {
    const ids = await selectIds(connection, name);
    const { images, layers } = await selectUsage(connection);
    const going = images.filter(({ id }) => ids.has(id));
    for (const { id } of going) await connection.all('DELETE FROM images WHERE id = ?', id);
    await setPins(
      connection,
      home,
      going.map(({ reference }) => reference),
      false,
    );
    const used = new Set(going.flatMap((image) => image.layers));
    return { references: going.map(({ reference }) => reference), layers: layers.filter(({ id }) => used.has(id)) };
  });
  if (found.references.length === 0) return null;
  const sizes = new Map(found.layers.map(({ digest, unpackedBytes }) => [digest, unpackedBytes]));
  const { removed, inUse, trash } = await removeLayers(database, [...sizes.keys()], location, signal);
  return {
    images: found.references.map((reference) => ({ reference, reason: 'asked' })),
    layers: removed.map((digest) => ({ digest, unpackedBytes: sizes.get(digest) ?? null })),
    kept: inUse.map((digest) => ({ name: digest, reason: 'in-use' })),
    foreign: [],
    trash,
  };
}

async function selectIds(connection: Connection, name: string): Promise<ReadonlySet<number>> {
  const rows = await connection.all<{ id: number }>(
    `SELECT images.id FROM images LEFT JOIN manifests ON manifests.id = images.manifest_id
     WHERE images.reference = ? OR manifests.digest = ? OR images.resolved_digest = ?`,
    name,
    name,
    name,
  );
  return new Set(rows.map(({ id }) => id));
}
