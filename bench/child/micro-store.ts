/** Asks a store of 2,000 images and 10,000 layers; the seconds are those of CPU.   micro-store.js ls|hit|prune OUT */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sluice } from '../../src/index.js';
import { digestOf } from '../../src/oci/digest.js';
import { formatSidecarHead } from '../../src/oci/sidecar-head.js';
import { Database } from '../../src/store/index/database.js';

const IMAGES = 2000;
/** Four of its own and six that it shares with its neighbours. */
const LAYERS = 10_000;
const LAYERS_OF_IMAGE = 10;

const digest = (kind: string, at: number): string => digestOf(Buffer.from(`${kind} ${at}`));

function makeLayers(home: string): void {
  const folder = join(home, 'layers');
  for (let at = 0; at < LAYERS; at++) {
    const layer = digestOf(Buffer.from(`layer ${at}`));
    mkdirSync(join(folder, `${layer}.extracted`));
    const facts = {
      stat: 'containers',
      packedBytes: 1,
      unpackedBytes: 1024,
      entries: 0,
      composeRequired: false,
    } as const;
    writeFileSync(join(folder, `${layer}.mtree`), formatSidecarHead({ digest: layer, diffId: layer, ...facts }));
  }
}

/** The rows that pulls would leave, in one transaction. */
async function makeRows(home: string): Promise<void> {
  await using database = await Database.open(join(home, 'oci.db'), 'create');
  await database.transaction('filling the index', async (connection) => {
    for (let at = 0; at < LAYERS; at++) {
      const name = digest('layer', at);
      await connection.all(
        `INSERT INTO layers (id, media_type, digest, diff_id, size_bytes, extracted_at, unpacked_bytes, entries, format, stat,
           compose_required) VALUES (?, 'x', ?, ?, 1, CURRENT_TIMESTAMP, 1024, 0, 1, 'containers', 0)`,
        at + 1,
        name,
        name,
      );
    }
    const config = Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }),
    );
    for (let at = 0; at < IMAGES; at++) {
      const [id, manifest] = [at + 1, digest('manifest', at)];
      await connection.all(
        `INSERT INTO images (id, reference, size_bytes, last_used_at, resolved_digest, platform)
           VALUES (?, ?, 10, CURRENT_TIMESTAMP, ?, 'linux/amd64')`,
        id,
        `a.test/image:${at}#any`,
        manifest,
      );
      await connection.all(
        `INSERT INTO manifests (id, image_id, schema_version, media_type, digest, body) VALUES (?, ?, 2, 'x', ?, ?)`,
        id,
        id,
        manifest,
        Buffer.from('{}'),
      );
      await connection.all(`INSERT INTO configs (manifest_id, media_type, body) VALUES (?, 'x', ?)`, id, config);
      await connection.all('UPDATE images SET manifest_id = ? WHERE id = ?', id, id);
      for (let place = 0; place < LAYERS_OF_IMAGE; place++)
        await connection.all(
          'INSERT INTO manifest_layers (manifest_id, layer_id, position) VALUES (?, ?, ?)',
          id,
          ((at * (LAYERS / IMAGES) + place) % LAYERS) + 1,
          place,
        );
    }
  });
}

async function ask(sluice: Sluice, what: string): Promise<number> {
  if (what === 'ls') return (await sluice.list()).length;
  if (what === 'prune') return (await sluice.prune({ dryRun: true })).layers.length + IMAGES;
  return (await sluice.pull('a.test/image:7', { platform: 'any', policy: 'never' })).layers.length;
}

const [what = 'ls', out = '.'] = process.argv.slice(2);
const home = join(out, 'home');
await (await Sluice.open({ home })).close();
makeLayers(home);
await makeRows(home);
await using sluice = await Sluice.open({ home });
await ask(sluice, 'hit'); // what is loaded once is not part of it
const before = process.cpuUsage();
const entries = await ask(sluice, what);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ seconds: (user + system) / 1e6, entries, bytes: 0 }));
