import type { Connection } from './database.js';

/** What a file's schema says about who it belongs to. */
export type Owner = 'ours' | 'newer-sluice' | 'newer-microsandbox';

/** The last migration of the seed whose schema this is (compat I4). */
const LAST_SEED_MIGRATION = 20_250_128_014_905;

interface Table {
  readonly name: string;
  /** The seed's own. */
  readonly columns: readonly string[];
  readonly constraint?: string;
  /** Columns with an index of the seed's. */
  readonly indexed: readonly string[];
  /** Ours: nullable, without default, so that the seed's statements still fit (compat I3). */
  readonly added: Readonly<Record<string, string>>;
}

const link = (table: string): string => `REFERENCES ${table}(id) ON DELETE CASCADE`;

/** Compat §2, in the order in which tables refer to each other. */
const TABLES: readonly Table[] = [
  {
    name: 'images',
    columns: ['reference TEXT NOT NULL UNIQUE', 'size_bytes INTEGER NOT NULL', 'last_used_at DATETIME'],
    indexed: ['reference'],
    added: {
      manifest_id: 'INTEGER REFERENCES manifests(id) ON DELETE SET NULL',
      resolved_digest: 'TEXT',
      platform: 'TEXT',
    },
  },
  {
    name: 'indexes',
    columns: [
      `image_id INTEGER NOT NULL ${link('images')}`,
      'schema_version INTEGER NOT NULL',
      'media_type TEXT NOT NULL',
      'platform_os TEXT',
      'platform_arch TEXT',
      'platform_variant TEXT',
      'annotations_json TEXT',
    ],
    indexed: ['image_id'],
    added: { digest: 'TEXT' },
  },
  {
    name: 'manifests',
    columns: [
      `index_id INTEGER ${link('indexes')}`,
      `image_id INTEGER NOT NULL ${link('images')}`,
      'schema_version INTEGER NOT NULL',
      'media_type TEXT NOT NULL',
      'annotations_json TEXT',
    ],
    indexed: ['index_id', 'image_id'],
    added: { digest: 'TEXT', body: 'BLOB' },
  },
  {
    name: 'configs',
    columns: [
      `manifest_id INTEGER NOT NULL ${link('manifests')}`,
      'media_type TEXT NOT NULL',
      'created DATETIME',
      'architecture TEXT',
      'os TEXT',
      'os_variant TEXT',
      'config_env_json TEXT',
      'config_cmd_json TEXT',
      'config_working_dir TEXT',
      'config_entrypoint_json TEXT',
      'config_volumes_json TEXT',
      'config_exposed_ports_json TEXT',
      'config_user TEXT',
      'rootfs_type TEXT',
      'rootfs_diff_ids_json TEXT',
      'history_json TEXT',
    ],
    indexed: ['manifest_id'],
    added: { digest: 'TEXT', body: 'BLOB' },
  },
  {
    name: 'layers',
    columns: [
      'media_type TEXT NOT NULL',
      'digest TEXT NOT NULL UNIQUE',
      'diff_id TEXT NOT NULL',
      'size_bytes INTEGER NOT NULL',
    ],
    indexed: ['digest', 'diff_id'],
    added: {
      extracted_at: 'DATETIME',
      unpacked_bytes: 'INTEGER',
      entries: 'INTEGER',
      format: 'INTEGER',
      stat: 'TEXT',
      compose_required: 'INTEGER',
    },
  },
  {
    name: 'manifest_layers',
    columns: [`manifest_id INTEGER NOT NULL ${link('manifests')}`, `layer_id INTEGER NOT NULL ${link('layers')}`],
    constraint: 'UNIQUE(manifest_id, layer_id)',
    indexed: ['manifest_id', 'layer_id'],
    added: { position: 'INTEGER', compose_required: 'INTEGER' },
  },
];

/** Step n brings a file from version n to n + 1, and looks before it acts, so that it can be run again (compat I2). */
const MIGRATIONS: readonly ((connection: Connection) => Promise<void>)[] = [
  async (connection) => {
    for (const table of TABLES) await createTable(connection, table);
    for (const table of TABLES) await addColumns(connection, table.name, table.added);
  },
  async (connection) => {
    await connection.all(
      `CREATE TABLE IF NOT EXISTS sluice_pins (reference TEXT PRIMARY KEY, created_at DATETIME DEFAULT CURRENT_TIMESTAMP)`,
    );
    // What the image was last brought from: `docker://…` or `oci:…`.
    await addColumns(connection, 'images', { source: 'TEXT' });
  },
];

/** `PRAGMA user_version` of a file that all steps were done on; 0 is one that Sluice has never seen (compat I2). */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** Whether we may use a file; reads alone (compat I2, I4). */
export async function readOwner(connection: Connection): Promise<Owner> {
  if (await isTakenOver(connection)) return 'newer-microsandbox';
  return (await readVersion(connection)) > SCHEMA_VERSION ? 'newer-sluice' : 'ours';
}

/**
 * A file without manifests is new, or the seed is just making it; with them, it must be the shape we know. The version is read
 * first: another process may make tables and version between two statements.
 */
async function isTakenOver(connection: Connection): Promise<boolean> {
  const version = await readVersion(connection);
  const tables = new Set(await readTableNames(connection));
  if (tables.has('_sqlx_migrations') && (await readSeedMigration(connection)) > LAST_SEED_MIGRATION) return true;
  if (!tables.has('manifests')) return version > 0;
  return !tables.has('indexes') || !(await readColumnNames(connection, 'manifests')).has('index_id');
}

/** Brings a file to {@link SCHEMA_VERSION}, by the steps that it lacks; to be run in one transaction. */
export async function migrate(connection: Connection): Promise<void> {
  const version = await readVersion(connection);
  if (version >= SCHEMA_VERSION) return;
  for (const step of MIGRATIONS.slice(version)) await step(connection);
  await connection.all(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

async function createTable(connection: Connection, table: Table): Promise<void> {
  const lines = [
    'id INTEGER PRIMARY KEY',
    ...table.columns,
    'created_at DATETIME DEFAULT CURRENT_TIMESTAMP',
    'modified_at DATETIME DEFAULT CURRENT_TIMESTAMP',
    ...(table.constraint ? [table.constraint] : []),
  ];
  await connection.all(`CREATE TABLE IF NOT EXISTS ${table.name} (${lines.join(', ')})`);
  for (const column of table.indexed)
    await connection.all(`CREATE INDEX IF NOT EXISTS idx_${table.name}_${column} ON ${table.name}(${column})`);
}

async function addColumns(
  connection: Connection,
  table: string,
  columns: Readonly<Record<string, string>>,
): Promise<void> {
  const present = await readColumnNames(connection, table);
  for (const [column, declaration] of Object.entries(columns))
    if (!present.has(column)) await connection.all(`ALTER TABLE ${table} ADD COLUMN ${column} ${declaration}`);
}

/** @returns 0 for a file that Sluice has never seen */
export async function readVersion(connection: Connection): Promise<number> {
  const [row] = await connection.all<{ user_version: number }>('PRAGMA user_version');
  return row?.user_version ?? 0;
}

async function readTableNames(connection: Connection): Promise<readonly string[]> {
  const rows = await connection.all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
  return rows.map((row) => row.name);
}

async function readColumnNames(connection: Connection, table: string): Promise<ReadonlySet<string>> {
  const rows = await connection.all<{ name: string }>(`PRAGMA table_info(${table})`);
  return new Set(rows.map((row) => row.name));
}

async function readSeedMigration(connection: Connection): Promise<number> {
  const [row] = await connection.all<{ version: number | null }>(
    'SELECT MAX(version) AS version FROM _sqlx_migrations',
  );
  return row?.version ?? 0;
}
