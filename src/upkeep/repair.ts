import { SluiceError } from '../errors.js';
import { Events } from '../events.js';
import { parseManifestDocument, parseImageConfig, type ResolvedImage } from '../oci/manifest.js';
import { type Digest, digestOf, parseDigest } from '../oci/digest.js';
import { parseSource } from '../oci/reference.js';
import { parsePullOptions, type PullOptions } from '../options.js';
import { preparePull, type Pull } from '../prepare.js';
import { pull, sourceSettings } from '../pull.js';
import { completeImage } from '../rootfs/complete-image.js';
import { openSource } from '../source/open-source.js';
import type { StoredImage } from '../store/types.js';
import { transferLayers } from '../transfer/transfer.js';
import type { Verifying, VerifyProblem } from './verify.js';

/**
 * Brings what is damaged again: damaged layers are taken away first, so that nobody uses them, and then every image that
 * misses one gets its own layers, by digest, from where it came. An image whose documents are damaged, or that was lost with
 * the index, is pulled anew.
 * @returns the problems, each with what became of it
 */
export async function repairStore(
  problems: readonly VerifyProblem[],
  images: readonly StoredImage[],
  verifying: Verifying,
): Promise<readonly VerifyProblem[]> {
  for (const { kind, name } of problems) if (kind === 'layer') await setAside(parseDigest(name), verifying);
  const failures = new Map<string, SluiceError>();
  const attempt = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code === 'ABORTED') throw error;
      failures.set(name, error);
    }
  };
  const unsound = new Set(problems.flatMap(({ kind, name }) => (kind === 'image' ? [name] : [])));
  for (const name of unsound) await attempt(name, () => pullAgain(name, images, verifying));
  for (const name of new Set(problems.flatMap((problem) => problem.images))) {
    const image = images.find(({ reference }) => reference === name);
    if (image && !unsound.has(name)) await attempt(name, () => bringLayers(image, verifying));
  }
  return await Promise.all(problems.map((problem) => outcomeOf(problem, failures, verifying)));
}

/** Whoever leases a layer keeps what was set aside, until the lease ends. */
async function setAside(digest: Digest, { context, settings, location }: Verifying): Promise<void> {
  const { store } = context.engine;
  await using _lock = await store.lockLayer(digest, location, settings.signal);
  await store.setLayerAside(digest, location);
}

async function outcomeOf(
  problem: VerifyProblem,
  failures: ReadonlyMap<string, SluiceError>,
  { context, location }: Verifying,
): Promise<VerifyProblem> {
  if (problem.kind === 'index') return problem;
  const names = problem.kind === 'image' ? [problem.name] : problem.images;
  const failure = names.map((name) => failures.get(name)).find((error) => error !== undefined);
  const isThere =
    problem.kind === 'image' ||
    names.length === 0 ||
    (await context.engine.store.readLayer(parseDigest(problem.name), location)) !== null;
  const isRepaired = isThere && (problem.kind === 'layer' || failure === undefined);
  return { ...problem, isRepaired, ...(!isRepaired && failure && { error: failure.toData() }) };
}

async function pullAgain(name: string, images: readonly StoredImage[], verifying: Verifying): Promise<void> {
  const { context } = verifying;
  const lost = context.engine.store.lost.find(({ reference }) => reference === name);
  const source = images.find(({ reference }) => reference === name)?.source ?? lost?.source ?? null;
  const { reference, options } = whereFrom(name, source, verifying);
  await context.engine.store.forgetImage(name);
  await pull(context, reference, parsePullOptions(options));
}

async function bringLayers(image: StoredImage, verifying: Verifying): Promise<void> {
  const { context, settings, location } = verifying;
  const { engine } = context;
  const { signal } = settings;
  const { reference, options } = whereFrom(image.reference, image.source, verifying);
  const prepared: Pull = {
    ...(await preparePull(context, reference, parsePullOptions(options))),
    key: image.reference,
  };
  const resolved = resolvedOf(image);
  const digests = resolved.layers.map(({ descriptor }) => descriptor.digest);
  await using _lease = await engine.store.lease([image.manifestDigest, ...digests], location, signal);
  const events = new Events();
  events.subscribe((event) => context.events.forward(event));
  const isBulk = (): boolean => true;
  await using source = openSource(reference, sourceSettings(prepared, { events, isBulk }));
  const stat = prepared.stat === 'sidecar' ? prepared.stat : (image.stat ?? prepared.stat);
  const transfer = { ...prepared, stat, engine, source, image: prepared.key, events, signal, isBulk };
  await completeImage(resolved, await transferLayers(resolved, transfer), transfer);
}

/** A platform other than the default one stands behind the name (compat I13). */
function whereFrom(
  name: string,
  source: string | null,
  { context, settings }: Verifying,
): { readonly reference: Pull['reference']; readonly options: PullOptions } {
  const [plain = '', platform] = name.split('#');
  const { defaultRegistry } = context;
  const reference = parseSource(source ?? plain, { defaultRegistry });
  const { plainHttp, sync, layerPath, signal } = settings;
  const options: PullOptions = {
    plainHttp: plainHttp && reference.kind === 'registry' ? [reference.host] : [],
    sync,
    signal,
    ...(layerPath !== undefined && { layerPath }),
    ...(platform !== undefined && { platform }),
    ...(reference.kind === 'oci' && { name: plain }),
  };
  return { reference, options };
}

/** The image as it was resolved, from its stored documents. */
function resolvedOf({ manifest, manifestDigest, config, platform, resolvedDigest }: StoredImage): ResolvedImage {
  const document = parseManifestDocument(manifest, null);
  if (document.kind !== 'manifest')
    throw new SluiceError('MANIFEST_INVALID', 'reading a stored manifest: it is an index');
  const value = parseImageConfig(config);
  return {
    resolvedDigest,
    index: null,
    manifest: { digest: manifestDigest, mediaType: document.mediaType, bytes: manifest, value: document },
    config: { digest: digestOf(config), mediaType: document.config.mediaType, bytes: config, value },
    platform,
    layers: document.layers.map((descriptor, at) => ({ descriptor, diffId: value.diffIds[at]! })),
  };
}
