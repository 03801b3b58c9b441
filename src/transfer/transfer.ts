import { type ErrorCode, SluiceError } from '../errors.js';
import type { Events } from '../events.js';
import type { Flights } from '../flights.js';
import type { ImageLayer, ResolvedImage } from '../oci/manifest.js';
import type { PullSettings } from '../options.js';
import type { BlobAccess, BlobReader, Source } from '../source/source.js';
import type { LayersLocation, Staging, Store, StoredLayer, WantedLayer } from '../store/types.js';
import { startExtraction, type Extraction } from './extraction.js';
import { feedRing } from './feed.js';
import type { Pool } from './pool.js';
import type { Budget, LayerFacts, Outcome, PartialBlob, StatFormat } from './protocol.js';
import { createRing, type RingProducer } from './ring.js';
import type { Announced, Schedule, Turn } from './schedule.js';
import { timed, type Span } from '../spans.js';
import { openUsage } from './usage.js';

const MiB = 1024 * 1024;

/** Bytes asked for and not yet read, in the whole process (registry, table of defaults). */
const RINGS_BYTES = 32 * MiB;
const LARGEST_RING_BYTES = 8 * MiB;
const SMALLEST_RING_BYTES = 256 * 1024;
const PROGRESS_INTERVAL_MS = 100;

/** What all transfers of one Sluice share. */
export interface Engine {
  readonly store: Store;
  readonly pool: Pool;
  readonly schedule: Schedule;
  readonly layerFlights: Flights<StoredLayer>;
  readonly jobs: number;
  readonly walk: boolean;
}

/** One image's transfer. */
export interface Transfer {
  readonly engine: Engine;
  readonly source: Source;
  readonly location: LayersLocation;
  readonly stat: StatFormat;
  readonly settings: PullSettings;
  /** Name of the image in events. */
  readonly image: string;
  readonly events: Events;
  readonly signal: AbortSignal;
  /** Whether others go first at this moment (registry R75). */
  isBulk(): boolean;
}

/** A transfer and what its layers share. */
interface Running extends Transfer {
  readonly usage: SharedArrayBuffer;
}

/** The same for one layer that may run now. */
interface Extracting extends Running {
  readonly turn: Turn;
}

/**
 * Brings every layer of the image into the location that is not there yet.
 * @returns one layer for each digest, in no particular order
 * @throws SluiceError of the first layer that fails; layers that were finished stay, the others are cancelled
 */
export async function transferLayers(image: ResolvedImage, transfer: Transfer): Promise<readonly StoredLayer[]> {
  const stop = new AbortController();
  const running = { ...transfer, signal: AbortSignal.any([transfer.signal, stop.signal]), usage: openUsage().buffer };
  const largestFirst = distinctLayers(image).toSorted((a, b) => b.descriptor.size - a.descriptor.size);
  const results = await Promise.allSettled(
    largestFirst.map(async (layer) => {
      const announced = transfer.engine.schedule.announce(layer.descriptor.size, { isBulk: transfer.isBulk });
      try {
        return await bringLayer(layer, announced, running);
      } catch (error) {
        stop.abort();
        throw error;
      } finally {
        announced.leave();
      }
    }),
  );
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length > 0) throw firstCause(failures);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

/** The failure that made the others cancel. */
function firstCause(failures: readonly unknown[]): unknown {
  return failures.find((error) => !(error instanceof SluiceError && error.code === 'ABORTED')) ?? failures[0];
}

export function distinctLayers(image: ResolvedImage): readonly ImageLayer[] {
  return [...new Map(image.layers.map((layer) => [layer.descriptor.digest, layer])).values()];
}

async function bringLayer(layer: ImageLayer, announced: Announced, transfer: Running): Promise<StoredLayer> {
  const { engine, location, stat, image, events, signal, settings, isBulk } = transfer;
  const { digest } = layer.descriptor;
  const wanted = wantedOf(layer);
  const present = await engine.store.findLayer(wanted, location, stat);
  if (present) {
    events.emit({ kind: 'layer-present', image, layer: digest });
    return present;
  }
  const key = JSON.stringify([
    location.layers,
    digest,
    layer.diffId,
    stat,
    settings.decoder,
    settings.pipeline,
    settings.privilegedXattrs,
    settings.sync,
    settings.trace,
    settings.keepPartial,
  ]);
  announced.leave();
  const { budget } = settings;
  const waiter = {
    signal,
    events,
    isBulk,
    budget,
    isAnothers: (error: SluiceError) => isOfSource(error) || isAbove(budget, error),
  };
  return engine.layerFlights.share(key, waiter, async (flight) => {
    const ours = engine.schedule.announce(wanted.packedBytes, { isBulk: flight.isBulk });
    try {
      return await fetchLayer(layer, wanted, ours, { ...transfer, ...flight });
    } catch (error) {
      const failure = error instanceof SluiceError ? error.with({ layer: digest, image }) : error;
      if (failure instanceof SluiceError) {
        flight.events.emit({ kind: 'layer-failed', image, layer: digest, error: failure.toData() });
      }
      throw failure;
    } finally {
      ours.leave();
    }
  });
}

/** What one pull's source or its end brings about, another's need not meet. */
function isOfSource({ code, detail }: SluiceError): boolean {
  return OF_SOURCE.has(code) || detail.host !== undefined;
}

const OF_SOURCE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ABORTED', 'DIGEST_MISMATCH', 'SIZE_MISMATCH']);

/** Whether a limit was passed that the budget's own is above. */
export function isAbove(budget: Budget, { code, detail: { limit } }: SluiceError): boolean {
  return code === 'BUDGET_EXCEEDED' && limit !== undefined && (budget[limit.option as keyof Budget] ?? 0) > limit.value;
}

function wantedOf({ descriptor, diffId }: ImageLayer): WantedLayer {
  return { digest: descriptor.digest, diffId, mediaType: descriptor.mediaType, packedBytes: descriptor.size };
}

/** Under the layer's lock, in a thread of its own: stage, extract, commit. */
async function fetchLayer(
  layer: ImageLayer,
  wanted: WantedLayer,
  announced: Announced,
  transfer: Running,
): Promise<StoredLayer> {
  const { engine, location, stat, image, events, signal, settings } = transfer;
  await using _lock = await engine.store.lockLayer(wanted.digest, location, signal);
  const byAnother = await engine.store.findLayer(wanted, location, stat);
  if (byAnother) {
    events.emit({ kind: 'layer-present', image, layer: wanted.digest });
    return byAnother;
  }
  const record = recorder(layer, transfer);
  const turn = await timed('wait', record, () => announced.waitForTurn(settings.pipeline, signal));
  events.emit({ kind: 'layer-start', image, layer: wanted.digest });
  const staging = await engine.store.openStaging(wanted.digest, location);
  const facts = await extractInto(staging, layer, { ...transfer, turn });
  const stored = await timed('commit', record, () =>
    engine.store.commitLayer(wanted, staging, facts, location, { sync: settings.sync }),
  );
  await engine.store.dropPartial(wanted.digest, location);
  const { packedBytes, unpackedBytes, entries } = stored;
  events.emit({ kind: 'layer-done', image, layer: wanted.digest, packedBytes, unpackedBytes, entries });
  return stored;
}

async function extractInto(staging: Staging, layer: ImageLayer, transfer: Extracting): Promise<LayerFacts> {
  try {
    return await extract(staging, layer, transfer);
  } catch (error) {
    await transfer.engine.store.discardStaging(staging).catch(() => undefined);
    throw error;
  }
}

async function extract(staging: Staging, layer: ImageLayer, transfer: Extracting): Promise<LayerFacts> {
  const { source, image, events, signal } = transfer;
  const { descriptor } = layer;
  const access = await source.locateBlob(descriptor, signal);
  try {
    return await extractFrom(access, staging, layer, transfer);
  } catch (error) {
    if (!isWorthKeeping(error)) await transfer.engine.store.dropPartial(descriptor.digest, transfer.location);
    const isWorthAnother = access.kind === 'remote' && error instanceof SluiceError && error.code === 'DIGEST_MISMATCH';
    if (!isWorthAnother) throw error;
    events.emit({ kind: 'notice', image, level: 'warn', message: `${descriptor.digest} arrived damaged; once more` });
    return await extractFrom(access, staging, layer, transfer);
  }
}

/** What came is right as far as is known, and more may come later. */
function isWorthKeeping(error: unknown): boolean {
  return error instanceof SluiceError && (error.isRetryable || error.code === 'ABORTED');
}

async function extractFrom(
  access: BlobAccess,
  staging: Staging,
  layer: ImageLayer,
  transfer: Extracting,
): Promise<LayerFacts> {
  const { engine, location, settings, stat, usage, signal, turn } = transfer;
  const { descriptor, diffId } = layer;
  if (signal.aborted) throw new SluiceError('ABORTED', `transferring layer ${descriptor.digest}: cancelled`);
  const partial =
    access.kind === 'remote' && settings.keepPartial
      ? await engine.store.openPartial(descriptor.digest, descriptor.size, location)
      : null;
  const ring = access.kind === 'remote' ? createRing(ringBytes(descriptor.size, engine.jobs)) : null;
  const work = {
    usage,
    blob: ring
      ? { kind: 'ring' as const, ring: ring.buffer, ...(partial && { partial }) }
      : (access as BlobAccess & { kind: 'file' }),
    digest: descriptor.digest,
    diffId,
    sizeBytes: descriptor.size,
    mediaType: descriptor.mediaType,
    staging: staging.path,
    decoder: settings.decoder,
    budget: settings.budget,
    stat,
    privilegedXattrs: settings.privilegedXattrs,
    walk: engine.walk,
    folds: location.facts?.foldsNames ?? false,
    sync: settings.sync ? await engine.pool.syncGroupOf(staging.path) : null,
    isTraced: settings.trace,
  };
  const extraction = startExtraction(engine.pool, work, turn.pipeline);
  turn.follow(() => extraction.progress().packedBytes);
  const abort = (): void => {
    extraction.abort();
    ring?.abort();
  };
  signal.addEventListener('abort', abort, { once: true });
  const endProgress = reportProgress(extraction, layer, transfer);
  try {
    if (!ring || access.kind !== 'remote') return factsOf(await extraction.outcome, layer, transfer);
    return await feedWhile(
      extraction.outcome,
      ring,
      readerFrom(access.openReader(transfer.isBulk), partial),
      layer,
      transfer,
    );
  } finally {
    endProgress();
    signal.removeEventListener('abort', abort);
  }
}

/** The blob behind what is kept of it. */
function readerFrom(
  reader: BlobReader,
  partial: PartialBlob | null,
): { readonly reader: BlobReader; readonly start: number } {
  const start = partial?.length ?? 0;
  const read: BlobReader['read'] = (offset, length, sink, signal) => reader.read(start + offset, length, sink, signal);
  const setbacks = (): number => reader.setbacks?.() ?? 0;
  return { reader: { read, setbacks, host: () => reader.host?.(), close: () => reader.close() }, start };
}

/** Feeds the ring while the worker empties it; whoever fails first ends the other. */
async function feedWhile(
  outcome: Promise<Outcome>,
  ring: RingProducer,
  { reader, start }: { readonly reader: BlobReader; readonly start: number },
  layer: ImageLayer,
  transfer: Running,
): Promise<LayerFacts> {
  const stop = new AbortController();
  const signal = AbortSignal.any([transfer.signal, stop.signal]);
  const fed = timed('download', recorder(layer, transfer), () =>
    feedRing(ring, reader, layer.descriptor.size - start, signal),
  ).then(
    () => null,
    (error: unknown) => {
      ring.abort();
      return { error };
    },
  );
  try {
    const result = await outcome;
    const workerFailedFirst = result.kind === 'failed' && result.error.code !== 'ABORTED';
    if (result.kind === 'failed') {
      ring.abort();
      stop.abort();
    }
    const feedFailure = await fed;
    if (feedFailure && !workerFailedFirst && !transfer.signal.aborted) throw feedFailure.error;
    return factsOf(result, layer, transfer);
  } catch (error) {
    throw namingHost(error, reader);
  } finally {
    await reader.close().catch(() => undefined); // must not hide the first error
  }
}

/** Whose bytes are not what was promised (registry R96). */
function namingHost(error: unknown, reader: BlobReader): unknown {
  const host = reader.host?.();
  const isOfBytes = error instanceof SluiceError && error.code === 'DIGEST_MISMATCH';
  return isOfBytes && host !== undefined ? error.with({ host }) : error;
}

function factsOf(outcome: Outcome, { descriptor }: ImageLayer, { image, events }: Running): LayerFacts {
  for (const warning of outcome.warnings) {
    events.emit({ kind: 'warning', image, layer: descriptor.digest, ...warning });
  }
  for (const span of outcome.spans ?? []) events.emit({ kind: 'span', image, layer: descriptor.digest, span });
  if (outcome.kind === 'failed') throw SluiceError.fromData(outcome.error);
  return outcome.facts;
}

/** Tells of a layer's steps on the main thread, where the pull is traced. */
function recorder({ descriptor }: ImageLayer, { settings, image, events }: Transfer): ((span: Span) => void) | null {
  if (!settings.trace) return null;
  return (span) => events.emit({ kind: 'span', image, layer: descriptor.digest, span });
}

function reportProgress(extraction: Extraction, { descriptor }: ImageLayer, { image, events }: Running): () => void {
  const timer = setInterval(() => {
    events.emit({ kind: 'layer-progress', image, layer: descriptor.digest, ...extraction.progress() });
  }, PROGRESS_INTERVAL_MS);
  return () => clearInterval(timer);
}

/** Two ranges of the blob, out of the process's share for every job. */
function ringBytes(sizeBytes: number, jobs: number): number {
  const share = Math.min(LARGEST_RING_BYTES, Math.max(SMALLEST_RING_BYTES, Math.floor(RINGS_BYTES / jobs)));
  return Math.max(1, Math.min(share, sizeBytes * 2));
}
