import type { Connection } from './database.js';

/**
 * What SQLite finds wrong with the file, and with references between its rows.
 * @param quick leave out whether its own indexes agree with their tables
 */
export async function findDamage(connection: Connection, quick: boolean): Promise<readonly string[]> {
  const pragma = quick ? 'quick_check' : 'integrity_check';
  const found = await connection.all<Record<string, string>>(`PRAGMA ${pragma}`);
  const broken = await connection.all<{ table: string; rowid: number; parent: string }>('PRAGMA foreign_key_check');
  return [
    ...found.map((row) => row[pragma]!).filter((text) => text !== 'ok'),
    ...broken.map(({ table, rowid, parent }) => `row ${rowid} of ${table} refers to a row of ${parent} that is gone`),
  ];
}
