import { SluiceError } from '../errors.js';
import { parseImageConfig } from '../oci/manifest.js';
import { isPlatformMatch, parsePlatform } from '../oci/platform.js';
import type { StatFormat } from '../transfer/protocol.js';
import { adoptLayers } from './adopt.js';
import type { Database } from './index/database.js';
import { selectImage, touchImage } from './index/images.js';
import { selectLayer } from './index/layers.js';
import type { ImageRow } from './index/rows.js';
import type { LocationPaths } from './layout.js';
import { type LayerState, readLayerState } from './layer-state.js';
import type { Lookup, PulledImage, StoredLayer, Wanted, WantedLayer } from './types.js';

/** What lookups are made with. */
export interface Lookups {
  readonly database: Database;
  readonly now: () => Date;
}

/** See {@link Store.find}. */
export async function findImage(lookups: Lookups, key: string, platform: string, wanted: Wanted): Promise<Lookup> {
  const { database, now } = lookups;
  const row = await database.use(`looking for image ${key}`, (connection) => selectImage(connection, key));
  if (row === null) return { kind: 'miss', reason: 'absent' };
  if (row === 'foreign') return { kind: 'miss', reason: 'foreign-row' };
  const resolvedDigest = row.resolved_digest;
  if (!isWantedPlatform(row.platform, platform)) return { kind: 'miss', reason: 'platform', resolvedDigest };

  const states = await Promise.all(row.layers.map((layer) => readLayerState(layer.digest, layer, wanted)));
  const missing = states.findIndex((state) => state.kind === 'missing');
  const state = states[missing];
  if (state?.kind === 'missing')
    return { kind: 'miss', reason: state.reason, layer: row.layers[missing]!.digest, resolvedDigest };

  await adoptLayers(database, states, wanted.location, now());
  // Noting its use is worth no wait: a hit is not held up by another process that writes.
  if (wanted.touch)
    await database.useUnlessBusy('recording the use of an image', (connection) => touchImage(connection, row, now()));
  return { kind: 'hit', image: assemble(row, states) };
}

/** The variant is no part of it: of an image without an index any is taken (registry R112). */
function isWantedPlatform(recorded: string, wanted: string): boolean {
  if (wanted === 'any') return true;
  const [os = '', architecture = ''] = recorded.split('/');
  return isPlatformMatch(parsePlatform(wanted), { os, architecture });
}

function assemble(row: ImageRow, states: readonly LayerState[]): PulledImage {
  const layers = states.flatMap((state) => (state.kind === 'complete' ? [state.layer] : []));
  return {
    reference: row.reference,
    digest: row.manifest_digest,
    resolvedDigest: row.resolved_digest,
    platform: row.platform,
    layers,
    composeRequired:
      layers.some((layer) => layer.composeRequired) || row.layers.some((layer) => layer.link_compose_required === 1),
    config: parseImageConfig(row.config_body),
  };
}

/** See {@link Store.findLayer}. */
export async function findLayer(
  { database, now }: Lookups,
  layer: WantedLayer,
  wanted: { readonly location: LocationPaths; readonly stat: StatFormat },
): Promise<StoredLayer | null> {
  const doing = `looking for layer ${layer.digest}`;
  const row = wanted.location.isHome
    ? await database.use(doing, (connection) => selectLayer(connection, layer.digest))
    : null;
  const state = await readLayerState(layer.digest, row, wanted);
  if (state.kind === 'missing') return null;
  refuseContradiction(layer, state.layer);
  if (row) await adoptLayers(database, [state], wanted.location, now());
  return state.layer;
}

/** What is stored was verified; an image that describes the same bytes otherwise would fail a transfer too. */
function refuseContradiction(wanted: WantedLayer, stored: StoredLayer): void {
  if (wanted.diffId !== stored.diffId)
    throw new SluiceError('DIFF_ID_MISMATCH', {
      message: `looking for layer ${wanted.digest}`,
      rule: 'compat K8',
      layer: wanted.digest,
      expected: wanted.diffId,
      got: stored.diffId,
    });
  if (wanted.packedBytes !== stored.packedBytes)
    throw new SluiceError('SIZE_MISMATCH', {
      message: `looking for layer ${wanted.digest}`,
      layer: wanted.digest,
      expected: String(wanted.packedBytes),
      got: String(stored.packedBytes),
    });
}
