import { SluiceError } from './errors.js';
import { Events } from './events.js';
import type { ResolvedImage } from './oci/manifest.js';
import type { Reference } from './oci/reference.js';
import type { PullSettings } from './options.js';
import { flightKey, preparePull, type Pull, type PullContext, sourceText } from './prepare.js';
import { completeImage } from './rootfs/complete-image.js';
import { timed, type Span } from './spans.js';
import { openSource } from './source/open-source.js';
import { readAuthorities } from './source/registry/tls.js';
import { resolveImage } from './source/resolve.js';
import type { Source } from './source/source.js';
import type { Lookup, PulledImage } from './store/types.js';
import { distinctLayers, isAbove, transferLayers } from './transfer/transfer.js';

/**
 * The main path: look in the store → open the source → resolve → transfer the layers that are missing → complete their
 * implied directories → commit.
 * @throws SluiceError; nothing of a failed pull stays but layers that were finished
 */
export async function pull(context: PullContext, reference: Reference, settings: PullSettings): Promise<PulledImage> {
  const prepared = await preparePull(context, reference, settings);
  const { budget } = settings;
  const waiter = {
    signal: settings.signal,
    events: listenersOf(context, settings),
    isBulk: () => settings.priority === 'bulk',
    budget,
    isAnothers: (error: SluiceError) => isAbove(budget, error),
  };
  return context.imageFlights.share(flightKey(prepared), waiter, async ({ events, signal, isBulk }) => {
    const found = await findInStore(prepared, events);
    const isHit = found.kind === 'hit' && !mustAsk(prepared);
    if (isHit && !settings.verifyAccess) return answerHit(found.image, events);
    if (settings.policy === 'never') throw notHere(prepared);
    await using source = openSource(reference, sourceSettings(prepared, { events, isBulk }));
    if (isHit) {
      await source.checkAccess?.(signal);
      return answerHit(found.image, events);
    }
    if (found.kind === 'hit' && (await isCurrent(found.image, source, signal))) return answerHit(found.image, events);
    context.engine.pool.warm();
    const record = recorder(prepared, events);
    const image = await timed('resolve', record, () => resolve(source, prepared, events, signal));
    await using _lease = await leaseOf(image, prepared, signal);
    const transfer = { ...prepared, engine: context.engine, source, image: prepared.key, events, signal, isBulk };
    const layers = await transferLayers(image, transfer);
    const pulled = await timed('commit', record, async () => {
      const composeLinks = await completeImage(image, layers, transfer);
      const options = { composeLinks, source: sourceText(reference) };
      return context.engine.store.commitImage(prepared.key, image, layers, options);
    });
    events.emit({ kind: 'committed', image: prepared.key });
    return pulled;
  });
}

async function findInStore({ context, key, platform, location, stat }: Pull, events: Events): Promise<Lookup> {
  const found = await context.engine.store.find(key, platform, { location, stat, touch: true });
  if (found.kind === 'miss') {
    events.emit({ kind: 'miss', image: key, reason: found.reason, ...(found.layer && { layer: found.layer }) });
  }
  return found;
}

/** A tag may have moved, and so may a layout on disk; content by digest can't (compat F15 to F18). */
function mustAsk({ reference, settings }: Pull): boolean {
  if (settings.policy === 'never') return false;
  if (reference.kind === 'oci') return true;
  return settings.policy === 'always' && reference.digest === null;
}

async function isCurrent(image: PulledImage, source: Source, signal: AbortSignal): Promise<boolean> {
  return (await withPolicyHint(() => source.peekDigest(signal))) === image.resolvedDigest;
}

/** Until the image is recorded, no row keeps its layers from being pruned. */
function leaseOf(image: ResolvedImage, { context, location }: Pull, signal: AbortSignal): Promise<AsyncDisposable> {
  const digests = distinctLayers(image).map(({ descriptor }) => descriptor.digest);
  return context.engine.store.lease([image.manifest.digest, ...digests], location, signal);
}

function answerHit(image: PulledImage, events: Events): PulledImage {
  events.emit({ kind: 'hit', image: image.reference });
  return image;
}

async function resolve(
  source: Source,
  { key, settings }: Pull,
  events: Events,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  events.emit({ kind: 'resolve', image: key });
  const image = await withPolicyHint(() =>
    resolveImage(source, {
      platform: settings.platform,
      maxManifestBytes: settings.maxManifestBytes,
      maxConfigBytes: settings.maxConfigBytes,
      signal,
      notice: noticesOf(key, events),
    }),
  );
  const layers = distinctLayers(image).map(({ descriptor }) => ({
    digest: descriptor.digest,
    packedBytes: descriptor.size,
  }));
  checkPackedBytes(layers, settings);
  events.emit({ kind: 'resolved', image: key, digest: image.manifest.digest, platform: image.platform, layers });
  return image;
}

/** Tells of the image's own steps, where the pull is traced. */
function recorder({ key, settings }: Pull, events: Events): ((span: Span) => void) | null {
  return settings.trace ? (span) => events.emit({ kind: 'span', image: key, span }) : null;
}

/** Before the first byte of a blob is asked for (extraction B1, registry R99). */
function checkPackedBytes(layers: readonly { readonly packedBytes: number }[], { budget }: PullSettings): void {
  const packedBytes = layers.reduce((sum, layer) => sum + layer.packedBytes, 0);
  if (packedBytes <= budget.maxCompressedBytes) return;
  throw new SluiceError('BUDGET_EXCEEDED', {
    message: `resolving the image: its layers have ${packedBytes} packed bytes`,
    rule: 'B1',
    limit: { option: 'maxCompressedBytes', value: budget.maxCompressedBytes },
  });
}

/** What is in the store may serve while the registry does not (compat F15). */
async function withPolicyHint<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'REGISTRY_UNREACHABLE') throw error;
    throw error.with({
      hint: `${error.hint} With --policy missing an image that is complete in the store needs no registry.`,
    });
  }
}

/** What a source is opened with. */
export function sourceSettings(
  { context, settings, key, location }: Pull,
  { events, isBulk }: { readonly events: Events; isBulk(): boolean },
): Parameters<typeof openSource>[1] {
  const { maxManifestBytes, maxConfigBytes, plainHttp, skipVerify, credentials, rateFloor, foreignLayers } = settings;
  return {
    client: context.client,
    plainHttp,
    tls: { authorities: readAuthorities(settings.tlsCa), skipVerify },
    credentials,
    isBulk,
    rateFloor,
    foreignLayers,
    caps: { maxManifestBytes, maxConfigBytes, maxTokenBytes: MAX_TOKEN_BYTES },
    maxManifestBytes,
    maxConfigBytes,
    notice: noticesOf(key, events),
    spillDirectory: location.staging,
  };
}

/** Token replies are never larger (registry R98). */
const MAX_TOKEN_BYTES = 1024 * 1024;

type Notice = (level: 'debug' | 'info' | 'warn', message: string, host?: string) => void;

function noticesOf(image: string, events: Events): Notice {
  return (level, message, host) =>
    events.emit({ kind: 'notice', image, level, message, ...(host !== undefined && { host }) });
}

function notHere({ key }: Pull): SluiceError {
  return new SluiceError('IMAGE_NOT_FOUND', {
    message: `looking for "${key}": it is not complete in the store`,
    image: key,
  });
}

/** Every event of the call goes to its own listener and to those of the whole Sluice. */
function listenersOf(context: PullContext, { onEvent }: PullSettings): Events {
  const events = new Events();
  events.subscribe((event) => context.events.forward(event));
  if (onEvent) events.subscribe(onEvent);
  return events;
}
