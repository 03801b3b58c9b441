import { parseSource, SluiceError } from '../src/index.js';
import { ARCHIVERS, ZSTD_ARCHIVERS } from './contenders/archivers.js';
import { CTR } from './contenders/containerd.js';
import type { Contender, Work } from './contenders/contender.js';
import { BUILDAH, SKOPEO_UMOCI, UMOCI } from './contenders/engines.js';
import { NAIVE, NAIVE_PULL } from './contenders/naive.js';
import { everyWay, sluiceFromLayout, sluiceFromRegistry } from './contenders/sluice.js';
import { readImage, type ImageFiles } from './corpus/layout.js';
import { describeMachine } from './measure/machine.js';
import { openPlace } from './measure/place.js';
import { progressLine } from './progress-line.js';
import type { RunRecord } from './record.js';
import { renderMarkdown } from './report/markdown.js';
import { summarize } from './report/summary.js';
import { runContenders } from './run-cases.js';

export interface OwnImageOptions {
  /** Counted samples of each contender. */
  readonly rounds: number;
  /** Directory to write into; its file system is what is measured. */
  readonly directory: string;
  readonly isPlainHttp: boolean;
  readonly defaultRegistry: string | undefined;
  readonly signal: AbortSignal;
  /** Told of each sample. */
  onLine(line: string): void;
}

/** What became of a bench of one image. */
export interface OwnImageReport {
  readonly markdown: string;
  readonly records: readonly RunRecord[];
  /** Whether Sluice itself could extract the image. */
  readonly isMeasured: boolean;
}

/**
 * Measures Sluice, each of its ways, and whoever of its peers is installed on an image of the user's own.
 * @param source `docker://REFERENCE` or `oci:DIR[:TAG]`
 * @throws SluiceError of a source that is none, MANIFEST_UNKNOWN | ABORTED
 */
export async function benchOwnImage(source: string, options: OwnImageOptions): Promise<OwnImageReport> {
  const { rounds, signal } = options;
  const { work, contenders, fairness } = planFor(source, options);
  const records: RunRecord[] = [];
  const emit = (record: RunRecord): void => {
    records.push(record);
    const line = progressLine(record);
    if (line !== null) options.onLine(line);
  };
  using place = openPlace(options.directory);
  const machine = await describeMachine(place.path);
  const command = `sluice bench ${source}`;
  emit({ kind: 'run', ...machine, date: new Date().toISOString(), command, rounds, scale: 1 });
  const named = contenders.map(({ id, title, isOurs }) => ({ id, title, isOurs }));
  const question = 'How long until this image is unpacked?';
  emit({ kind: 'case', id: 'image', title: source, question, fairness, contenders: named });
  try {
    await runContenders({ id: 'image', contenders }, work, { place, machine, rounds, scale: 1, signal, emit });
  } catch (cause) {
    throw signal.aborted ? new SluiceError('ABORTED', 'measuring: interrupted', { cause }) : cause;
  }
  const summary = summarize(records);
  const isMeasured = summary.cases[0]!.rows.some(({ isBase }) => isBase);
  return { markdown: renderMarkdown(summary), records, isMeasured };
}

interface Plan {
  readonly work: Omit<Work, 'out'>;
  readonly contenders: readonly Contender[];
  readonly fairness: string;
}

function planFor(source: string, { isPlainHttp, defaultRegistry }: OwnImageOptions): Plan {
  const reference = parseSource(source, { defaultRegistry });
  if (reference.kind === 'oci') {
    const images = [imageOf(reference.dir, reference.tag)];
    return {
      work: { layout: reference.dir, images, references: [], isPlainHttp },
      contenders: [...everyWay(sluiceFromLayout), NAIVE, ...new Set([...ARCHIVERS, ...ZSTD_ARCHIVERS]), UMOCI],
      fairness:
        'All read the same layout. Sluice alone checks both digests, keeps true owners without root, and syncs.',
    };
  }
  const { host, path, tag, digest } = reference;
  const name = `${host}/${path}${digest === null ? `:${tag}` : `@${digest}`}`;
  return {
    work: { layout: '', images: [], references: [name], isPlainHttp },
    contenders: [...everyWay(sluiceFromRegistry), NAIVE_PULL, SKOPEO_UMOCI, BUILDAH, CTR],
    fairness: 'Each sample asks the registry for everything again. Engines also keep the packed blobs.',
  };
}

function imageOf(layout: string, tag: string | null): ImageFiles {
  try {
    return readImage(layout, tag);
  } catch (cause) {
    throw new SluiceError('MANIFEST_UNKNOWN', `opening OCI layout: ${(cause as Error).message}`, { cause });
  }
}
