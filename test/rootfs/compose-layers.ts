import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTask } from '../../src/layer/run-task.js';
import { parseSidecar, type SidecarEntry } from '../../src/oci/sidecar.js';
import { parseLayer } from '../../src/testing/index.js';
import { openControl } from '../../src/transfer/control.js';
import type { Budget, Outcome, StatFormat } from '../../src/transfer/protocol.js';
import type { ComposeTask, LayerPlace } from '../../src/transfer/rootfs-tasks.js';
import { AMPLE, extract, verdict, type Extraction } from '../helpers/extract.js';
import { temporaryDirectory, type Cleanup } from '../helpers/temporary.js';

/** What came of layers that were put one over the other. */
export interface Composition {
  readonly outcome: Outcome<unknown>;
  readonly tree: string;
  readonly layers: readonly LayerPlace[];
  /** Entries of the composed root's own sidecar, by path. */
  entries(): ReadonlyMap<string, SidecarEntry>;
}

export type ComposeOptions = Partial<Pick<ComposeTask, 'control' | 'walk' | 'folds'>> & {
  readonly stat?: StatFormat;
  readonly budget?: Partial<Budget>;
};

/** Extracts layers and composes them in this thread. @param texts bottom to top, in the DSL */
export function compose(t: Cleanup, texts: readonly string[], options: ComposeOptions = {}): Composition {
  return composeLayersOf(
    t,
    texts.map((text) => extractLayerOf(t, text, options.stat)),
    options,
  );
}

export function composeLayersOf(t: Cleanup, layers: readonly LayerPlace[], options: ComposeOptions = {}): Composition {
  const { walk = false, folds = false, control = openControl().buffer } = options;
  const budget = { ...AMPLE, ...options.budget };
  const staging = temporaryDirectory(t, 'sluice-rootfs');
  const outcome = runTask({ kind: 'compose', control, layers, staging, walk, folds, budget, sync: null });
  return {
    outcome,
    tree: join(staging, 'tree'),
    layers,
    entries: () => {
      const lines = readFileSync(join(staging, 'mtree'), 'latin1').split('\n').slice(0, -1);
      const items = [...parseSidecar(lines)].filter((item) => item.kind === 'entry');
      return new Map(items.map((entry) => [entry.path.toString('latin1'), entry]));
    },
  };
}

export function extractLayerOf(t: Cleanup, text: string, stat: StatFormat = 'containers'): LayerPlace {
  const extraction = extract(t, parseLayer(text), { stat });
  assert.equal(verdict(extraction), 'done');
  return placeOf(extraction, stat);
}

export function placeOf({ tree, staging }: Extraction, stat: StatFormat = 'containers'): LayerPlace {
  return {
    digest: `sha256:${Buffer.from(staging).toString('hex')}`,
    directory: tree,
    sidecar: join(staging, 'mtree'),
    stat,
  };
}

/** The outcome's error code and rule, or `done` and the rules that warned. */
export function judged({ outcome }: Composition): string {
  if (outcome.kind === 'failed') return `${outcome.error.code} ${outcome.error.detail.rule ?? ''}`.trim();
  return ['done', ...outcome.warnings.map(({ rule }) => rule)].join(' ');
}
