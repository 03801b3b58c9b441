import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Digest, digestOf } from '../../src/oci/digest.js';
import { type ImageManifest, parseImageConfig, type ResolvedImage } from '../../src/oci/manifest.js';
import { OCI_CONFIG_MEDIA_TYPE, OCI_INDEX_MEDIA_TYPE, OCI_MANIFEST_MEDIA_TYPE } from '../../src/oci/media-type.js';
import { formatSidecarHead, type SidecarHead } from '../../src/oci/sidecar-head.js';
import { Database, type Value } from '../../src/store/index/database.js';
import {
  type LayersLocation,
  openStore,
  type OpenStoreOptions,
  type PulledImage,
  type Staging,
  type Store,
  type StoredLayer,
  type WantedLayer,
} from '../../src/store/store.js';
import { type Cleanup, temporaryDirectory } from '../helpers/temporary.js';

const run = promisify(execFile);

export const LAYER_MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const PLATFORM = 'linux/amd64';
export const NEVER: AbortSignal = new AbortController().signal;

/** A store in a home of its own, closed after the test. */
export async function openTestStore(t: Cleanup, options: OpenStoreOptions = {}): Promise<Store> {
  const store = await openStore({ home: join(temporaryDirectory(t), 'home'), ...options });
  t.after(async () => await store[Symbol.asyncDispose]());
  return store;
}

/** A layer that nobody packed: its name stands for its bytes. */
export function wantedLayer(name: string): WantedLayer {
  return {
    digest: digestOf(Buffer.from(`packed ${name}`)),
    diffId: digestOf(Buffer.from(`unpacked ${name}`)),
    mediaType: LAYER_MEDIA_TYPE,
    packedBytes: 100 + name.length,
  };
}

/** Layers named by one letter, in an order that sorting their digests turns round (compat K1). */
export function reverseSortedLayers(count: number): readonly WantedLayer[] {
  const layers = Array.from({ length: count }, (_, place) => wantedLayer(`reverse ${place}`));
  return layers.toSorted((a, b) => (a.digest < b.digest ? 1 : -1));
}

/** What a sidecar of the layer says. */
export function headOf(layer: WantedLayer, more: Partial<SidecarHead> = {}): SidecarHead {
  const { digest, diffId, packedBytes } = layer;
  return {
    digest,
    diffId,
    packedBytes,
    stat: 'containers',
    unpackedBytes: 2048,
    entries: 1,
    composeRequired: false,
    ...more,
  };
}

/** A sidecar of one root line. */
export function sidecarOf(layer: WantedLayer, more: Partial<SidecarHead> = {}): string {
  const root = '. type=dir mode=0755 uid=0 gid=0 time=0.000000000\n';
  return Buffer.from(formatSidecarHead(headOf(layer, more))).toString() + root;
}

/** Fills a staging directory as a worker would. */
export function fillStaging(staging: Staging, layer: WantedLayer, more: Partial<SidecarHead> = {}): void {
  writeFileSync(join(staging.path, 'tree', 'file'), `content of ${layer.digest}`);
  writeFileSync(join(staging.path, 'mtree'), sidecarOf(layer, more));
}

/** Locks, stages and commits a layer. */
export async function storeLayer(
  store: Store,
  layer: WantedLayer,
  location: LayersLocation,
  more: Partial<SidecarHead> = {},
): Promise<StoredLayer> {
  await using lock = await store.lockLayer(layer.digest, location, NEVER);
  const staging = await store.openStaging(lock.digest, location);
  fillStaging(staging, layer, more);
  const { unpackedBytes, entries, composeRequired } = headOf(layer, more);
  try {
    return await store.commitLayer(layer, staging, { unpackedBytes, entries, composeRequired }, location);
  } catch (error) {
    // As at the end of a process: what was staged stays, nobody holds it.
    await staging.hold[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the documents of a made-up image say. */
export interface ImageOptions {
  readonly layers: readonly WantedLayer[];
  /** Members of the config document. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** False: the reference leads to the manifest itself. */
  readonly hasIndex?: boolean;
  readonly platform?: string;
}

/** An image as a source resolves it. */
export function resolvedImage(options: ImageOptions): ResolvedImage {
  const { layers, annotations, hasIndex = true, platform = PLATFORM } = options;
  const [os, architecture] = platform.split('/');
  const rootfs = { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) };
  const config = toBytes({ os, architecture, rootfs, ...options.config });
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST_MEDIA_TYPE,
    config: { mediaType: OCI_CONFIG_MEDIA_TYPE, digest: digestOf(config), size: config.length },
    layers: layers.map((layer) => descriptorOf(layer)),
    ...(annotations && { annotations }),
  };
  const manifest = toBytes(document);
  const index = toBytes({ schemaVersion: 2, manifests: [{ digest: digestOf(manifest) }] });
  const value: ImageManifest = { kind: 'manifest', ...document };
  return {
    resolvedDigest: digestOf(hasIndex ? index : manifest),
    index: hasIndex
      ? {
          digest: digestOf(index),
          mediaType: OCI_INDEX_MEDIA_TYPE,
          bytes: index,
          value: { kind: 'index', mediaType: OCI_INDEX_MEDIA_TYPE, manifests: [], ...(annotations && { annotations }) },
        }
      : null,
    manifest: { digest: digestOf(manifest), mediaType: OCI_MANIFEST_MEDIA_TYPE, bytes: manifest, value },
    config: {
      digest: digestOf(config),
      mediaType: OCI_CONFIG_MEDIA_TYPE,
      bytes: config,
      value: parseImageConfig(config),
    },
    platform,
    layers: layers.map((layer) => ({ descriptor: descriptorOf(layer), diffId: layer.diffId })),
  };
}

function descriptorOf({ mediaType, digest, packedBytes }: WantedLayer): {
  mediaType: string;
  digest: Digest;
  size: number;
} {
  return { mediaType, digest, size: packedBytes };
}

function toBytes(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

/** What a pull does with a store: missing layers are stored in the order given, then the image is recorded. */
export async function storeImage(
  store: Store,
  key: string,
  options: ImageOptions & { readonly order?: readonly WantedLayer[]; readonly location?: LayersLocation },
): Promise<PulledImage> {
  const location = options.location ?? (await store.location());
  const distinct = new Map((options.order ?? options.layers).map((layer) => [layer.digest, layer]));
  const stored: StoredLayer[] = [];
  for (const layer of distinct.values())
    stored.push((await store.findLayer(layer, location, 'containers')) ?? (await storeLayer(store, layer, location)));
  return await store.commitImage(key, resolvedImage(options), stored);
}

/** Puts a complete layer into a directory without any store: what is left when the index is lost. */
export function plantLayer(layers: string, layer: WantedLayer, more: Partial<SidecarHead> = {}): void {
  mkdirSync(join(layers, `${layer.digest}.extracted`), { recursive: true });
  writeFileSync(join(layers, `${layer.digest}.extracted`, 'file'), 'planted');
  writeFileSync(join(layers, `${layer.digest}.mtree`), sidecarOf(layer, more));
}

/** Runs one statement on a store index, past the store. */
export async function sql<Row = Record<string, Value>>(
  home: string,
  statement: string,
  ...values: readonly Value[]
): Promise<readonly Row[]> {
  await using database = await Database.open(join(home, 'oci.db'), 'create');
  return await database.use('testing', async (connection) => {
    await connection.all('PRAGMA foreign_keys = ON');
    return await connection.all<Row>(statement, ...values);
  });
}

/**
 * Runs statements through Python's sqlite3: another library than ours, as a reader that knows nothing of Sluice.
 * @returns the rows of each statement
 */
export async function readAsSeed(
  home: string,
  ...queries: readonly (readonly [sql: string, ...values: string[]])[]
): Promise<readonly Row[][]> {
  const { stdout } = await run('python3', ['-c', PYTHON, join(home, 'oci.db'), JSON.stringify(queries)]);
  return JSON.parse(stdout) as Row[][];
}

/** A row by column; a BLOB is its length. */
export type Row = Record<string, string | number | null>;

const PYTHON = `
import json, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.row_factory = sqlite3.Row
plain = lambda value: len(value) if isinstance(value, bytes) else value
rows = lambda query: [{name: plain(row[name]) for name in row.keys()} for row in db.execute(query[0], query[1:])]
print(json.dumps([rows(query) for query in json.loads(sys.argv[2])]))
`;

/** The seed's reads (compat Q5 to Q9), by name. */
export const SEED_QUERIES = {
  imageExists: 'SELECT COUNT(*) AS count FROM images WHERE reference = ?',
  imageLayers: `SELECT l.id, l.media_type, l.digest, l.diff_id, l.size_bytes, l.created_at, l.modified_at
    FROM layers l JOIN manifest_layers ml ON l.id = ml.layer_id JOIN manifests m ON ml.manifest_id = m.id
    JOIN images i ON m.image_id = i.id WHERE i.reference = ? ORDER BY l.id ASC`,
  imageConfig: `SELECT c.* FROM configs c JOIN manifests m ON c.manifest_id = m.id JOIN images i ON m.image_id = i.id
    WHERE i.reference = ? LIMIT 1`,
} as const;
