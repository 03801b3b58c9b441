import { resolve } from 'node:path';
import { SluiceError } from './errors.js';
import type { Events } from './events.js';
import type { Flights } from './flights.js';
import { formatPlatform } from './oci/platform.js';
import { formatReference, type Reference } from './oci/reference.js';
import type { PullSettings } from './options.js';
import { readRecordedName } from './source/open-source.js';
import { callerOf } from './source/registry/credentials/credential.js';
import type { RegistryClient } from './source/registry/registry-client.js';
import type { LayersLocation, PulledImage } from './store/types.js';
import type { StatFormat } from './transfer/protocol.js';
import type { Engine } from './transfer/transfer.js';

/** What every pull of one Sluice shares. */
export interface PullContext {
  readonly engine: Engine;
  readonly client: RegistryClient;
  readonly imageFlights: Flights<PulledImage>;
  readonly events: Events;
  readonly defaultRegistry: string;
}

/** One pull with everything decided that needs no source. */
export interface Pull {
  readonly context: PullContext;
  readonly reference: Reference;
  readonly settings: PullSettings;
  /** What the image is recorded as (compat G5, I13). */
  readonly key: string;
  /** `os/arch[/variant]`, or `any`. */
  readonly platform: string;
  readonly location: LayersLocation;
  readonly stat: StatFormat;
}

/** Decides where the layers go, how their owners are kept, and what the image is called. */
export async function preparePull(context: PullContext, reference: Reference, settings: PullSettings): Promise<Pull> {
  const location = await context.engine.store.location(settings.layerPath);
  const signal = settings.signal ?? new AbortController().signal;
  const name = await readRecordedName(reference, { ...settings, defaultRegistry: context.defaultRegistry }, signal);
  return {
    context,
    reference,
    settings,
    key: imageKey(formatReference(name), settings),
    platform: platformName(settings),
    location,
    stat: chooseStat(location, settings),
  };
}

/** What a reference is written as for a later process, which may work in another directory. */
export function sourceText(reference: Reference): string {
  if (reference.kind === 'registry') return `docker://${formatReference(reference)}`;
  return formatReference({ ...reference, dir: resolve(reference.dir) });
}

/** A platform other than the default one is an image of its own (compat I13). */
export function imageKey(reference: string, settings: Pick<PullSettings, 'platform' | 'isDefaultPlatform'>): string {
  return settings.isDefaultPlatform ? reference : `${reference}#${platformName(settings)}`;
}

function platformName({ platform }: Pick<PullSettings, 'platform'>): string {
  return platform === 'any' ? 'any' : formatPlatform(platform);
}

/** Concurrent pulls that would do the same are one; how much they may cost is each one's own affair (registry R119). */
export function flightKey({ key, location, stat, settings, reference }: Pull): string {
  const { signal: _signal, onEvent: _onEvent, priority: _priority, budget: _budget, credentials, ...rest } = settings;
  return JSON.stringify([key, formatReference(reference), location.layers, stat, callerOf(credentials), rest]);
}

/** @throws SluiceError XATTR_UNSUPPORTED, before any byte is asked for (extraction M10) */
function chooseStat(
  { facts, layers }: LayersLocation,
  { statFormat, onMissingXattr, policy }: PullSettings,
): StatFormat {
  if (facts === null || facts.hasUserXattrs) return statFormat;
  if (onMissingXattr === 'record' || policy === 'never') return 'sidecar';
  throw new SluiceError('XATTR_UNSUPPORTED', {
    message: `opening the store: the file system of "${layers}" has no user xattrs`,
    rule: 'M10',
  });
}
