import {
  parseSource,
  Sluice,
  SluiceError,
  type Budget,
  type OpenOptions,
  type PulledImage,
  type PullOptions,
  type SluiceEvent,
} from '../index.js';
import type { CommonOptions, TransferOptions } from './options.js';
import { openReport } from './report/open-report.js';
import type { Report } from './report/report.js';
import { openTrace } from './trace.js';

/** A store that is open while a command brings images into it. */
export interface Session {
  readonly report: Report;
  /** Brings one image. @param source `[docker://]REFERENCE` or `oci:DIR[:TAG]` */
  bring(source: string, more?: Pick<PullOptions, 'name' | 'priority'>): Promise<PulledImage>;
}

/**
 * Opens the store, shows what happens in it, and closes both before it answers.
 * @throws SluiceError ABORTED whenever the signal has fired; else of opening the store and of the work
 */
export async function withSession<T>(
  options: TransferOptions,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const report = await openReport(options);
  using trace = options.trace === undefined ? null : openTrace(options.trace);
  try {
    await using sluice = await Sluice.open({ ...openOptions(options), pullFollows: true });
    for (const message of sluice.notices) report.onEvent({ kind: 'notice', image: '', level: 'warn', message });
    sluice.subscribe(
      eachOnce((event) => {
        if (event.kind === 'span') trace?.add(event);
        else report.onEvent(event);
      }),
    );
    return await work({ report, bring: (source, more) => bring({ sluice, report, options, signal }, source, more) });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new SluiceError('ABORTED', 'interrupted', { cause: error });
  } finally {
    report.close();
  }
}

/** Options of every command as the library takes them. */
export function openOptions({ home, jobs }: CommonOptions & { readonly jobs?: number }): OpenOptions {
  return { ...(home !== undefined && { home }), ...(jobs !== undefined && { jobs }) };
}

interface Bringing {
  readonly sluice: Sluice;
  readonly report: Report;
  readonly options: TransferOptions;
  readonly signal: AbortSignal;
}

async function bring(
  { sluice, report, options, signal }: Bringing,
  source: string,
  more: Pick<PullOptions, 'name' | 'priority'> = {},
): Promise<PulledImage> {
  let image: string | undefined;
  const onEvent = (event: SluiceEvent): void => void (image ??= event.image);
  try {
    const settings = pullOptions(options, source);
    return await sluice.import(source, { ...settings, ...more, signal, onEvent });
  } catch (error) {
    if (image !== undefined) report.onImageFailed(image);
    throw error;
  }
}

const BUDGET: readonly (keyof Budget)[] = [
  'maxCompressedBytes',
  'maxUnpackedBytes',
  'maxFileBytes',
  'maxEntries',
  'maxMetaBytes',
  'maxRatio',
  'ratioGraceBytes',
];
const SAME: readonly (keyof TransferOptions & keyof PullOptions)[] = [
  'layerPath',
  'policy',
  'platform',
  'decoder',
  'pipeline',
  'statFormat',
  'onMissingXattr',
  'privilegedXattrs',
  'keepPartial',
  'sync',
  'maxManifestBytes',
  'maxConfigBytes',
  'tlsCa',
  'foreignLayers',
  'verifyAccess',
  'rateFloor',
];

function pullOptions(options: TransferOptions, source: string): PullOptions {
  const hosts = hostsOf(source);
  const plainHttp = options.plainHttp ? hosts : [];
  const skipVerify = options.tlsSkipVerify ? hosts : [];
  return {
    ...pick(options, SAME),
    budget: pick(options, BUDGET),
    plainHttp,
    skipVerify,
    trace: options.trace !== undefined,
  };
}

function hostsOf(source: string): string[] {
  const reference = parseSource(source, { defaultRegistry: process.env['OCI_REGISTRY_DOMAIN'] });
  return reference.kind === 'registry' ? [reference.host] : [];
}

function pick<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Partial<Pick<T, K>> {
  const entries = keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]);
  return Object.fromEntries(entries) as Partial<Pick<T, K>>;
}

/** Images that share a layer each hand on what happens to it. */
function eachOnce(listener: (event: SluiceEvent) => void): (event: SluiceEvent) => void {
  const seen = new WeakSet<SluiceEvent>();
  return (event) => {
    if (seen.has(event)) return;
    seen.add(event);
    listener(event);
  };
}
