import { availableParallelism } from 'node:os';
import * as z from 'zod/mini';
import { SluiceError } from './errors.js';
import type { EventListener } from './events.js';
import type { Credentials, CredentialsFunction } from './source/registry/credentials/credential.js';
import { isCredentialsForm } from './source/registry/credentials/parse-credentials.js';
import { hostPlatform, parsePlatform, type Platform } from './oci/platform.js';
import type { Budget, DecoderName, Pipeline, StatFormat } from './transfer/protocol.js';
import { validate } from './validate.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** How a pull uses what the store has (compat F15 to F18). */
export type Policy = 'missing' | 'always' | 'never';

/** Options of {@link Sluice.open}. */
export interface OpenOptions {
  /** Directory of the store; default as compat F1: `$SLUICE_HOME`, `$MICROSANDBOX_HOME`, `~/.microsandbox`, `~/.sluice`. */
  readonly home?: string;
  /** Layers extracted at once; default: the number of cores. */
  readonly jobs?: number;
  /** Find parent directories by walking alone, as on a kernel without openat2. */
  readonly walk?: boolean;
  /**
   * Set a damaged store index aside and begin a new one (compat I16); {@link Sluice.notices} tells of it, and
   * {@link Sluice.verify} with `repair` brings its images back. No other process may have the store open.
   */
  readonly repairIndex?: boolean;
  /** A pull follows at once: where the store has no index yet, worker threads start while it is made. */
  readonly pullFollows?: boolean;
}

/** Options of one pull or import. */
export interface PullOptions {
  /** `os/arch[/variant]`, or `any`; default: linux on this machine's architecture. */
  readonly platform?: string;
  /** `missing` (default): a complete image costs no request. `always`: a tag is asked again. `never`: no request. */
  readonly policy?: Policy;
  /** Directory that takes the place of `<home>/layers` (compat F5). */
  readonly layerPath?: string;
  readonly decoder?: DecoderName;
  /** Threads that one layer takes: `one`, `split` for two, `auto` (default) for what is faster at that moment. */
  readonly pipeline?: Pipeline;
  /** Hosts (with port, when it is not the default one) that are spoken to by plain HTTP. */
  readonly plainHttp?: readonly string[];
  /** Files of certificate authorities (PEM) that are trusted beside those of Node and of the system. */
  readonly tlsCa?: readonly string[];
  /** Hosts (with port, when it is not the default one) whose certificates are not verified. */
  readonly skipVerify?: readonly string[];
  /**
   * What the registry is shown when it wants a login: user and password, or a token; or a function of host and repository
   * that answers with it. Where it has nothing, the environment and the files of docker and podman are asked.
   */
  readonly credentials?: Credentials | CredentialsFunction;
  /** Hosts that foreign layers may be read from, by https and without a login, when the registry lacks them. */
  readonly foreignLayers?: readonly string[];
  /** True: a hit in the store asks the registry first whether this caller may have the image. */
  readonly verifyAccess?: boolean;
  /** `bulk`: others may overtake this pull, at the registry and in the threads. Default: `interactive`. */
  readonly priority?: 'interactive' | 'bulk';
  /** Fewest bytes a second of a large blob before its connections are replaced; 0 for none. Default: 16384. */
  readonly rateFloor?: number;
  readonly budget?: Partial<Budget>;
  /** How devices' and files' true metadata is written (extraction M5). */
  readonly statFormat?: 'containers' | 'libkrun';
  /** `record`: on a file system without user xattrs the sidecar alone holds owners and modes (extraction M10). */
  readonly onMissingXattr?: 'error' | 'record';
  /**
   * True: `security.*`, `trusted.*` and `system.*` of the image are really set where that is permitted, beside being listed
   * in the sidecar (extraction M13, M15).
   */
  readonly privilegedXattrs?: boolean;
  /** Keep the packed bytes of a layer whose transfer is interrupted; the next call with it goes on from there (registry R91). */
  readonly keepPartial?: boolean;
  /** False: do not sync; for stores that need not survive a power failure. */
  readonly sync?: boolean;
  /** Also emit `span` events, which say when each step ran in which thread. */
  readonly trace?: boolean;
  /** Largest manifest or index in bytes. */
  readonly maxManifestBytes?: number;
  /** Largest image config in bytes. */
  readonly maxConfigBytes?: number;
  /** Records an image from an OCI layout under this reference. */
  readonly name?: string;
  /** Ends the call with ABORTED, and with DEADLINE when it comes of `AbortSignal.timeout()`. */
  readonly signal?: AbortSignal;
  readonly onEvent?: EventListener;
}

/** Options of {@link Sluice.prune}. Without a limit, layers go that no image uses, and images that no name leads to. */
export interface PruneOptions {
  /** Images that were not used for so many milliseconds go. */
  readonly olderThanMs?: number;
  /** Images beyond so many go, those that were used longest ago first. */
  readonly maxImages?: number;
  /** Images go, those that were used longest ago first, until the layers of the rest have so many unpacked bytes. */
  readonly maxBytes?: number;
  /** Also directories that another program made, and that Sluice put aside when it extracted their layers (compat F6). */
  readonly foreign?: boolean;
  /** Tell what would go, and change nothing. */
  readonly dryRun?: boolean;
  /** Directory that takes the place of `<home>/layers`. */
  readonly layerPath?: string;
  /** Ends it between two images or layers; what went until then is gone. */
  readonly signal?: AbortSignal;
}

/** Options of {@link Sluice.verify}. */
export interface VerifyOptions {
  /** Look at names, sizes, modes and times alone; without it, every byte and attribute is read. */
  readonly quick?: boolean;
  /** Bring again what is damaged, from where its images came. */
  readonly repair?: boolean;
  /** Directory that takes the place of `<home>/layers`. */
  readonly layerPath?: string;
  /** Speak plain HTTP with the registries that images are brought from again. */
  readonly plainHttp?: boolean;
  /** False: do not sync what is repaired. */
  readonly sync?: boolean;
  readonly signal?: AbortSignal;
}

const count = z.int().check(z.nonnegative());
const name = z.string().check(z.minLength(1));
const names = z._default(z.array(name), []);
const signal = z.optional(z.instanceof(AbortSignal));
const flag = (byDefault: boolean): z.ZodMiniDefault<z.ZodMiniBoolean> => z._default(z.boolean(), byDefault);
const bytes = (byDefault: number): z.ZodMiniDefault<z.ZodMiniNumberFormat> => z._default(count, byDefault);

const budgetSchema = z.strictObject({
  maxCompressedBytes: bytes(32 * GiB),
  maxUnpackedBytes: bytes(64 * GiB),
  maxFileBytes: bytes(32 * GiB),
  maxEntries: bytes(5_000_000),
  maxMetaBytes: bytes(MiB),
  maxRatio: bytes(1100),
  ratioGraceBytes: bytes(64 * MiB),
});

/** Nothing of a wrong value may show in the error, so its form is looked at here and no issue names it. */
function isCredentials(value: unknown): boolean {
  return typeof value === 'function' || isCredentialsForm(value);
}

const openSchema = z.strictObject({
  home: z.optional(name),
  jobs: z._default(z.int().check(z.minimum(1), z.maximum(1024)), availableParallelism),
  walk: flag(false),
  repairIndex: flag(false),
  pullFollows: flag(false),
});

const pruneSchema = z.strictObject({
  olderThanMs: z.optional(z.number().check(z.nonnegative())),
  maxImages: z.optional(count),
  maxBytes: z.optional(count),
  foreign: flag(false),
  dryRun: flag(false),
  layerPath: z.optional(name),
  signal,
});

const verifySchema = z.strictObject({
  quick: flag(false),
  repair: flag(false),
  layerPath: z.optional(name),
  plainHttp: flag(false),
  sync: flag(true),
  signal,
});

const pullSchema = z.strictObject({
  platform: z.optional(z.string()),
  policy: z._default(z.enum(['missing', 'always', 'never']), 'missing'),
  layerPath: z.optional(name),
  decoder: z._default(z.enum(['auto', 'isal', 'zlib', 'pako']), 'auto'),
  pipeline: z._default(z.enum(['auto', 'one', 'split']), 'auto'),
  plainHttp: names,
  tlsCa: names,
  skipVerify: names,
  credentials: z.optional(z.custom<Credentials | CredentialsFunction>(isCredentials, 'user and password, or a token')),
  foreignLayers: names,
  verifyAccess: flag(false),
  priority: z._default(z.enum(['interactive', 'bulk']), 'interactive'),
  rateFloor: bytes(16 * KiB),
  budget: z.prefault(budgetSchema, {}),
  statFormat: z._default(z.enum(['containers', 'libkrun']), 'containers'),
  onMissingXattr: z._default(z.enum(['error', 'record']), 'error'),
  privilegedXattrs: flag(false),
  keepPartial: flag(false),
  sync: flag(true),
  trace: flag(false),
  maxManifestBytes: bytes(4 * MiB),
  maxConfigBytes: bytes(8 * MiB),
  name: z.optional(z.string()),
  signal,
  onEvent: z.optional(z.custom<EventListener>((value) => typeof value === 'function')),
});

/** {@link OpenOptions}, complete. */
export interface OpenSettings {
  readonly home: string | undefined;
  readonly jobs: number;
  readonly walk: boolean;
  readonly repairIndex: boolean;
  readonly pullFollows: boolean;
}

/** {@link PruneOptions}, complete. */
export interface PruneSettings {
  readonly olderThanMs: number | undefined;
  readonly maxImages: number | undefined;
  readonly maxBytes: number | undefined;
  readonly foreign: boolean;
  readonly dryRun: boolean;
  readonly layerPath: string | undefined;
  readonly signal: AbortSignal;
}

/** {@link VerifyOptions}, complete. */
export interface VerifySettings {
  readonly quick: boolean;
  readonly repair: boolean;
  readonly layerPath: string | undefined;
  readonly plainHttp: boolean;
  readonly sync: boolean;
  readonly signal: AbortSignal;
}

/** {@link PullOptions}, complete and parsed. */
export interface PullSettings {
  readonly platform: Platform | 'any';
  /** Whether the platform is the one that an image's plain name stands for (compat I13). */
  readonly isDefaultPlatform: boolean;
  readonly policy: Policy;
  readonly layerPath: string | undefined;
  readonly decoder: DecoderName;
  readonly pipeline: Pipeline;
  readonly plainHttp: readonly string[];
  readonly tlsCa: readonly string[];
  readonly skipVerify: readonly string[];
  readonly credentials: Credentials | CredentialsFunction | undefined;
  readonly foreignLayers: readonly string[];
  readonly verifyAccess: boolean;
  readonly priority: 'interactive' | 'bulk';
  readonly rateFloor: number;
  readonly budget: Budget;
  readonly statFormat: Exclude<StatFormat, 'sidecar'>;
  readonly onMissingXattr: 'error' | 'record';
  readonly privilegedXattrs: boolean;
  readonly keepPartial: boolean;
  readonly sync: boolean;
  readonly trace: boolean;
  readonly maxManifestBytes: number;
  readonly maxConfigBytes: number;
  readonly name: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onEvent: EventListener | undefined;
}

/** @throws SluiceError CONFIG_INVALID naming the option */
export function parseOpenOptions(options: OpenOptions): OpenSettings {
  const { home, jobs, walk, repairIndex, pullFollows } = parse(openSchema, options);
  return { home, jobs, walk, repairIndex, pullFollows };
}

/** @throws SluiceError CONFIG_INVALID naming the option */
export function parsePruneOptions(options: PruneOptions): PruneSettings {
  const { olderThanMs, maxImages, maxBytes, foreign, dryRun, layerPath, signal } = parse(pruneSchema, options);
  return {
    olderThanMs,
    maxImages,
    maxBytes,
    foreign,
    dryRun,
    layerPath,
    signal: signal ?? new AbortController().signal,
  };
}

/** @throws SluiceError CONFIG_INVALID naming the option */
export function parseVerifyOptions(options: VerifyOptions): VerifySettings {
  const { quick, repair, layerPath, plainHttp, sync, signal } = parse(verifySchema, options);
  return { quick, repair, layerPath, plainHttp, sync, signal: signal ?? new AbortController().signal };
}

/** @throws SluiceError CONFIG_INVALID naming the option */
export function parsePullOptions(options: PullOptions): PullSettings {
  const parsed = parse(pullSchema, options);
  if (parsed.verifyAccess && parsed.policy === 'never') {
    throw new SluiceError('CONFIG_INVALID', 'reading option "verifyAccess": policy "never" makes no request');
  }
  const platform =
    parsed.platform === undefined ? hostPlatform() : parsed.platform === 'any' ? 'any' : parsePlatform(parsed.platform);
  return {
    ...parsed,
    platform,
    isDefaultPlatform: platform !== 'any' && isSamePlatform(platform, hostPlatform()),
    layerPath: parsed.layerPath,
    name: parsed.name,
    credentials: parsed.credentials,
    signal: parsed.signal,
    onEvent: parsed.onEvent,
  };
}

function isSamePlatform(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && a.variant === b.variant;
}

function parse<T>(schema: z.ZodMiniType<T>, options: unknown): T {
  return validate(
    schema,
    options,
    (path, why) => new SluiceError('CONFIG_INVALID', `reading option "${path.join('.')}": ${why}`),
  );
}
