import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, Database, type Value } from '../../src/store/index/database.js';
import type { WantedLayer } from '../../src/store/store.js';
import { type Cleanup, temporaryDirectory } from '../helpers/temporary.js';
import { LAYER_MEDIA_TYPE, wantedLayer } from './fixtures.js';

/** The schema of compat §2, written out a second time: columns, foreign keys, then the indexed columns. */
const TABLES: readonly (readonly [name: string, columns: string, indexed: string, keys?: string])[] = [
  ['images', 'reference TEXT NOT NULL UNIQUE, size_bytes INTEGER NOT NULL, last_used_at DATETIME', 'reference'],
  [
    'indexes',
    `image_id INTEGER NOT NULL, schema_version INTEGER NOT NULL, media_type TEXT NOT NULL, platform_os TEXT,
     platform_arch TEXT, platform_variant TEXT, annotations_json TEXT`,
    'image_id',
    'FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE',
  ],
  [
    'manifests',
    `index_id INTEGER, image_id INTEGER NOT NULL, schema_version INTEGER NOT NULL, media_type TEXT NOT NULL,
     annotations_json TEXT`,
    'index_id image_id',
    `FOREIGN KEY (index_id) REFERENCES indexes(id) ON DELETE CASCADE,
     FOREIGN KEY (image_id) REFERENCES images(id) ON DELETE CASCADE`,
  ],
  [
    'configs',
    `manifest_id INTEGER NOT NULL, media_type TEXT NOT NULL, created DATETIME, architecture TEXT, os TEXT,
     os_variant TEXT, config_env_json TEXT, config_cmd_json TEXT, config_working_dir TEXT, config_entrypoint_json TEXT,
     config_volumes_json TEXT, config_exposed_ports_json TEXT, config_user TEXT, rootfs_type TEXT,
     rootfs_diff_ids_json TEXT, history_json TEXT`,
    'manifest_id',
    'FOREIGN KEY (manifest_id) REFERENCES manifests(id) ON DELETE CASCADE',
  ],
  [
    'layers',
    'media_type TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, diff_id TEXT NOT NULL, size_bytes INTEGER NOT NULL',
    'digest diff_id',
  ],
  [
    'manifest_layers',
    'manifest_id INTEGER NOT NULL, layer_id INTEGER NOT NULL',
    'manifest_id layer_id',
    `FOREIGN KEY (manifest_id) REFERENCES manifests(id) ON DELETE CASCADE,
     FOREIGN KEY (layer_id) REFERENCES layers(id) ON DELETE CASCADE, UNIQUE(manifest_id, layer_id)`,
  ],
];

/** What the seed's six migrations run; on a file that has it all already, nothing may happen. */
export const SEED_MIGRATIONS: readonly string[] = TABLES.flatMap(([name, columns, indexed, keys]) => [
  `CREATE TABLE IF NOT EXISTS ${name} (id INTEGER PRIMARY KEY, ${columns},
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP, modified_at DATETIME DEFAULT CURRENT_TIMESTAMP
    ${keys ? `, ${keys}` : ''})`,
  ...indexed.split(' ').map((column) => `CREATE INDEX IF NOT EXISTS idx_${name}_${column} ON ${name}(${column})`),
]);

/** Columns of the seed by table, in their order. */
export const SEED_COLUMNS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  TABLES.map(([name, columns]) => [
    name,
    ['id', ...columns.split(',').map((column) => column.trim().split(' ')[0]!), 'created_at', 'modified_at'],
  ]),
);

/** Names of the seed's indexes. */
export const SEED_INDEXES: readonly string[] = TABLES.flatMap(([name, , indexed]) =>
  indexed.split(' ').map((column) => `idx_${name}_${column}`),
);

const LAST_MIGRATION = 20_250_128_014_905;

/** A home that the seed wrote. */
export interface SeedHome {
  readonly home: string;
  readonly hubReference: string;
  /** Layers of the image from Hub, bottom to top; recorded in the order their downloads ended: top first. */
  readonly layers: readonly WantedLayer[];
}

/**
 * Makes a home as the seed leaves it: an image from Hub pulled twice, the second time after its tag moved; ghcr's row
 * under the bare tag; layer directories without sidecars, one of them half done.
 */
export async function makeSeedHome(t: Cleanup): Promise<SeedHome> {
  const home = join(temporaryDirectory(t), 'home');
  mkdirSync(join(home, 'layers'), { recursive: true });
  const hubReference = 'docker.io/library/app:1';
  const layers = [wantedLayer('seed base'), wantedLayer('seed app')];
  await using database = await Database.open(join(home, 'oci.db'), 'create');
  await database.transaction('making a seed home', async (connection) => {
    for (const statement of SEED_MIGRATIONS) await connection.all(statement);
    await recordMigrations(connection);
    await pullAsSeed(connection, hubReference, [layers[1]!, wantedLayer('seed old app')]);
    await pullAsSeed(connection, hubReference, layers.toReversed());
    await pullAsSeed(connection, '2', [wantedLayer('seed ghcr')], { sizeBytes: 0 });
  });
  for (const layer of layers) mkdirSync(join(home, 'layers', `${layer.digest}.extracted`));
  writeFileSync(join(home, 'layers', `${layers[0]!.digest}.extracted`, 'done'), 'by the seed');
  return { home, hubReference, layers };
}

async function recordMigrations(connection: Connection): Promise<void> {
  await connection.all(
    `CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,
      installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL,
      execution_time BIGINT NOT NULL)`,
  );
  for (let version = LAST_MIGRATION - 5; version <= LAST_MIGRATION; version++)
    await connection.all(
      'INSERT INTO _sqlx_migrations VALUES (?, ?, CURRENT_TIMESTAMP, 1, ?, 1)',
      version,
      'create',
      Buffer.from('00'),
    );
}

/**
 * Writes what one pull of the seed writes, in its order (compat Q11).
 * @param layers in the order in which their downloads ended
 */
export async function pullAsSeed(
  connection: Connection,
  reference: string,
  layers: readonly WantedLayer[],
  { sizeBytes = 1234 }: { readonly sizeBytes?: number } = {},
): Promise<void> {
  const imageId =
    (await insert(
      connection,
      `UPDATE images SET size_bytes = ?, last_used_at = CURRENT_TIMESTAMP, modified_at = CURRENT_TIMESTAMP
       WHERE reference = ? RETURNING id`,
      sizeBytes,
      reference,
    )) ??
    (await insert(
      connection,
      'INSERT INTO images (size_bytes, reference, last_used_at) VALUES (?, ?, CURRENT_TIMESTAMP) RETURNING id',
      sizeBytes,
      reference,
    ));
  const indexId = await insert(
    connection,
    'INSERT INTO indexes (image_id, schema_version, media_type, platform_os, platform_arch) VALUES (?, 2, ?, ?, ?) RETURNING id',
    imageId,
    'application/vnd.oci.image.index.v1+json',
    'linux',
    'amd64',
  );
  const manifestId = await insert(
    connection,
    'INSERT INTO manifests (index_id, image_id, schema_version, media_type) VALUES (?, ?, 2, ?) RETURNING id',
    indexId,
    imageId,
    'application/vnd.oci.image.manifest.v1+json',
  );
  await insert(
    connection,
    'INSERT INTO configs (manifest_id, media_type, architecture, os, config_env_json, history_json) VALUES (?, ?, ?, ?, ?, ?)',
    manifestId,
    'application/vnd.oci.image.config.v1+json',
    'amd64',
    'linux',
    'null',
    'null',
  );
  for (const layer of layers) await recordLayerAsSeed(connection, manifestId, layer);
}

async function recordLayerAsSeed(connection: Connection, manifestId: Value, layer: WantedLayer): Promise<void> {
  const values = [LAYER_MEDIA_TYPE, layer.packedBytes, layer.diffId, layer.digest] as const;
  const layerId =
    (await insert(
      connection,
      `UPDATE layers SET media_type = ?, size_bytes = ?, diff_id = ?, modified_at = CURRENT_TIMESTAMP
       WHERE digest = ? RETURNING id`,
      ...values,
    )) ??
    (await insert(
      connection,
      'INSERT INTO layers (media_type, size_bytes, diff_id, digest) VALUES (?, ?, ?, ?) RETURNING id',
      ...values,
    ));
  await insert(
    connection,
    'INSERT INTO manifest_layers (manifest_id, layer_id) VALUES (?, ?) ON CONFLICT (manifest_id, layer_id) DO NOTHING',
    manifestId,
    layerId,
  );
}

/** @returns the id, null when the statement changed nothing or names none */
async function insert(connection: Connection, statement: string, ...values: readonly Value[]): Promise<number | null> {
  const [row] = await connection.all<{ id: number }>(statement, ...values);
  return row?.id ?? null;
}
