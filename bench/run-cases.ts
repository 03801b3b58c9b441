import { join } from 'node:path';
import type { Case } from './cases.js';
import type { Contender, Work } from './contenders/contender.js';
import { buildCorpus, missingForCorpus, type Corpus } from './corpus/corpus.js';
import { readImages } from './corpus/layout.js';
import type { Machine } from './measure/machine.js';
import type { Place } from './measure/place.js';
import { serveLayout } from './measure/serve-layout.js';
import { takeSample } from './measure/take-sample.js';
import type { RunRecord } from './record.js';

/** What all cases of a run share. */
export interface Running {
  readonly place: Place;
  readonly machine: Machine;
  /** Counted samples of each contender. */
  readonly rounds: number;
  readonly scale: number;
  readonly signal: AbortSignal;
  emit(record: RunRecord): void;
}

/** Runs cases one after the other; a contender that is missing or fails is told of and left out. */
export async function runCases(cases: readonly Case[], running: Running): Promise<void> {
  const corpora = new Map<string, Corpus>();
  const corpusOf = ({ images }: Case): Corpus => {
    if (typeof images !== 'string') return { layout: images.layout, images: readImages(images.layout, images.tags) };
    const directory = join(running.place.path, 'corpora', images);
    const corpus = corpora.get(images) ?? buildCorpus(images, running.scale, directory);
    corpora.set(images, corpus);
    return corpus;
  };
  for (const one of cases) {
    const { id, title, question, fairness, contenders } = one;
    const named = contenders.map((contender) => ({
      id: contender.id,
      title: contender.title,
      isOurs: contender.isOurs,
    }));
    running.emit({ kind: 'case', id, title, question, fairness, contenders: named });
    const missing = typeof one.images === 'string' ? missingForCorpus(one.images) : null;
    if (missing === null) await runCase(one, corpusOf(one), running);
    else for (const contender of contenders) leaveOut(one, contender, 'missing', missing, running);
  }
}

async function runCase(one: Case, corpus: Corpus, running: Running): Promise<void> {
  const tags = corpus.images.map(({ tag }) => tag);
  await using served = one.isServed ? await serveLayout(corpus.layout, tags) : null;
  await runContenders(one, { ...corpus, references: served?.references ?? [], isPlainHttp: true }, running);
}

/** Interleaved, so that what changes on the machine meets all of them. */
export async function runContenders(
  one: Pick<Case, 'id' | 'contenders'>,
  work: Omit<Work, 'out'>,
  running: Running,
): Promise<void> {
  const packings = new Set(work.images.flatMap(({ layers }) => layers.map(({ packing }) => packing)));
  const active = new Set<Contender>();
  for (const contender of one.contenders) {
    const unread = [...packings].find((packing) => !contender.packings.includes(packing));
    const reason =
      contender.missing(running.machine) ?? (unread === undefined ? null : `it does not read ${unread} layers`);
    if (reason === null) active.add(contender);
    else leaveOut(one, contender, 'missing', reason, running);
  }
  for (let round = 0; round <= running.rounds; round++) {
    for (const contender of active) {
      try {
        const sample = await takeSample(contender, work, running);
        running.emit({ kind: 'sample', case: one.id, contender: contender.id, round, ...sample });
      } catch (error) {
        running.signal.throwIfAborted();
        active.delete(contender);
        leaveOut(one, contender, 'failed', String((error as Error).message), running);
      }
    }
  }
}

function leaveOut(
  { id }: Pick<Case, 'id'>,
  contender: Contender,
  why: 'missing' | 'failed',
  reason: string,
  { emit }: Running,
): void {
  emit({ kind: 'left-out', case: id, contender: contender.id, why, reason });
}
