import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, readdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { decoders } from '../../src/layer/inflate/open-inflater.js';
import { checkLayer } from '../../src/store/check/check-layer.js';
import type { CheckedLayer } from '../../src/transfer/check-task.js';
import { openControl } from '../../src/transfer/control.js';
import type { StatFormat } from '../../src/transfer/protocol.js';
import { parseLayer } from '../../src/testing/index.js';
import { extract, verdict, type ExtractOptions, type Extraction } from './extract.js';
import { createGuard, type Guard } from './guard.js';
import { expectedLines, treeText } from './tree-text.js';

/** A layer, and what must become of it. */
export interface LayerCase {
  /** Begins with rule ids. */
  readonly title: string;
  /** The layer's text, in which `$HOST` is the absolute path of a directory of victims; or the tar itself. */
  readonly layer: string | Uint8Array;
  /** The tree as {@link treeText} shows it; `$IN` is `$HOST` inside the layer, with `implied $IN` for all its parts. */
  readonly tree?: string;
  /** Code and rule of the refusal instead. */
  readonly refused?: string;
  /** Rules that warn, in order, with the number of times where it is not 1: `H6 N6*3`. */
  readonly warns?: string;
  readonly options?: ExtractOptions;
}

/** One way to extract a layer; all ways must end alike (S23). */
interface Way {
  readonly walk: boolean;
  readonly chunkBytes: number;
  readonly compression: 'none' | 'gzip' | 'gzip-members' | 'zstd-stored';
  readonly decoder: 'isal' | 'zlib' | 'pako';
  readonly pipeline: 'one' | 'split';
}

const AXES: { readonly [K in keyof Way]: readonly Way[K][] } = {
  chunkBytes: [2 ** 30, 1, 511, 512, 513, 64 * 1024],
  compression: ['none', 'gzip', 'gzip-members', 'zstd-stored'],
  walk: [false, true],
  decoder: decoders(),
  pipeline: ['one', 'split'],
};

/** `full`: every combination; `one`: a single way; else every pair of values at least once. */
const WAYS: readonly Way[] = selectWays(process.env['SLUICE_MATRIX']);

/** A file that takes one line a case, for comparing runs of different users. */
const FINGERPRINTS = process.env['SLUICE_FINGERPRINTS'];

/**
 * Registers a test for each layer: every way of the matrix has the expected outcome, all outcomes are equal to the
 * last byte of tree and sidecar, a refusal leaves nothing behind, and nothing outside of the layer's root is touched.
 * @param books what stands before the rule ids in the titles
 */
export function testLayers(cases: readonly LayerCase[], books = 'extraction'): void {
  for (const layerCase of cases) {
    test(`${books} ${layerCase.title}`, (t) => {
      const guard = createGuard(t);
      const insert = (text: string): string => text.replaceAll('$HOST', guard.host);
      const { layer } = layerCase;
      const tar = typeof layer === 'string' ? parseLayer(insert(layer)) : layer;
      const outcomes = WAYS.map((way) => {
        const extraction = extract(t, tar, { ...layerCase.options, ...way, staging: guard.staging });
        return { way, ...record(extraction, guard, layerCase.options?.stat ?? 'containers') };
      });
      guard.check();
      const { way: _, ...first } = outcomes[0]!;
      assert.equal(first.verdict, layerCase.refused ?? 'done');
      if (layerCase.refused === undefined) {
        assert.deepEqual(first.tree, expandHost(layerCase.tree ?? '', guard.host));
      }
      assert.equal(first.warned, layerCase.warns ?? '');
      assert.deepEqual(first.problems, []);
      for (const { way, ...outcome } of outcomes) assert.deepEqual(outcome, first, `differs: ${JSON.stringify(way)}`);
      if (FINGERPRINTS !== undefined) {
        const text = JSON.stringify(first).replaceAll(guard.host.slice(1), '');
        appendFileSync(FINGERPRINTS, `${layerCase.title}: ${createHash('sha256').update(text).digest('hex')}\n`);
      }
    });
  }
}

/** All that may not depend on the way; empties the staging directory. */
function record(extraction: Extraction, { staging }: Guard, stat: StatFormat) {
  const { outcome, tree } = extraction;
  const isDone = outcome.kind === 'done';
  const result = {
    verdict: verdict(extraction),
    facts: isDone ? outcome.facts : null,
    place: isDone ? null : [outcome.error.detail.entryBase64, outcome.error.detail.offset],
    warnings: outcome.warnings.toSorted((a, b) => (a.rule < b.rule ? -1 : 1)),
    warned: outcome.warnings
      .map(({ rule, count }) => (count === 1 ? rule : `${rule}*${count}`))
      .toSorted()
      .join(' '),
    tree: isDone ? treeText(tree, extraction.sidecar()) : [],
    sidecar: isDone ? extraction.lines() : [],
    problems: isDone ? problemsOf(tree, `${staging}/mtree`, stat) : [],
  };
  if (!isDone)
    assert.ok(!readdirSync(staging).some((name) => name === 'tree' || name === 'mtree'), 'something is left');
  rmSync(tree, { recursive: true, force: true });
  rmSync(`${staging}/mtree`, { force: true });
  return result;
}

/** What verifying the layer finds; nothing, as nobody touched it. */
function problemsOf(tree: string, sidecar: string, stat: StatFormat): CheckedLayer['first'] {
  const layer = { digest: '', directory: tree, sidecar, stat };
  return checkLayer({ kind: 'check', control: openControl().buffer, layer, quick: false }).first;
}

function expandHost(text: string, host: string): readonly string[] {
  const inside = host.slice(1);
  const lines = expectedLines(text.replaceAll('$IN', inside).replaceAll('$HOST', host));
  const expanded = lines.flatMap((line) => {
    const name = /^implied (\S+)$/.exec(line)?.[1];
    if (name === undefined || !name.startsWith(inside)) return [line];
    const parts = name.split('/');
    return parts.map((_, at) => `implied ${parts.slice(0, at + 1).join('/')}`);
  });
  return [...new Set(expanded)].toSorted();
}

function selectWays(selection: string | undefined): readonly Way[] {
  const product = AXES.chunkBytes.flatMap((chunkBytes) =>
    AXES.compression.flatMap((compression) =>
      AXES.walk.flatMap((walk) =>
        AXES.decoder.flatMap((decoder) =>
          AXES.pipeline.map((pipeline) => ({ chunkBytes, compression, walk, decoder, pipeline })),
        ),
      ),
    ),
  );
  if (selection === 'full') return product.filter((way) => way.compression !== 'none' || way.decoder === 'pako');
  if (selection === 'one') return product.slice(0, 1);
  return pairwise(product);
}

/** The fewest ways, more or less, that have every pair of values of two axes among them. */
function pairwise(product: readonly Way[]): readonly Way[] {
  const pairsOf = (way: Way): readonly string[] => {
    const values = Object.entries(way).map(([axis, value]) => `${axis}=${String(value)}`);
    return values.flatMap((value, at) => values.slice(at + 1).map((other) => `${value} ${other}`));
  };
  const missing = new Set(product.flatMap(pairsOf));
  const chosen: Way[] = [];
  const gainOf = (way: Way): number => pairsOf(way).filter((pair) => missing.has(pair)).length;
  while (missing.size > 0) {
    const best = product.reduce((a, b) => (gainOf(b) > gainOf(a) ? b : a));
    for (const pair of pairsOf(best)) missing.delete(pair);
    chosen.push(best);
  }
  return chosen;
}
