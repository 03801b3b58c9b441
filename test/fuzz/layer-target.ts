import assert from 'node:assert/strict';
import { lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorCode, ErrorData } from '../../src/errors.js';
import { parseSidecar } from '../consumers/sidecar.js';
import { assertLines } from '../differential/independent.js';
import { readTree } from '../differential/tree.js';
import { extract, verdict, type Extraction } from '../helpers/extract.js';
import { createGuard, type Guard } from '../helpers/guard.js';
import type { Cleanup } from '../helpers/temporary.js';
import { assertAgree } from './agree.js';
import { makeLayerCase, type LayerCase, type Way } from './layer-case.js';
import type { FuzzTarget } from './target.js';

/** The table of refusals: what a layer may come to but for `done` (§1). */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENTRY_REFUSED',
  'NAME_REFUSED',
  'NUMBER_OUT_OF_RANGE',
  'TAR_MALFORMED',
  'ENTRY_TYPE_UNSUPPORTED',
  'COMPRESSION_MALFORMED',
  'COMPRESSION_UNSUPPORTED',
  'DIFF_ID_MISMATCH',
  'BUDGET_EXCEEDED',
]);

/** Mutated layers through the whole worker side, twice: in one push, and in other pushes with other means. */
export function createLayerTarget(t: Cleanup): FuzzTarget {
  const guard = createGuard(t);
  return {
    run(seed) {
      const layerCase = makeLayerCase(seed);
      const [first, second] = layerCase.ways.map((way) => extractOnce(layerCase, way, guard, t));
      assert.deepEqual(second!.outcome, first!.outcome);
      assertLines(second!.lines, first!.lines, 'other pushes give another layer');
    },
  };
}

interface Result {
  /** The error, or facts and warnings in the order of their rules: those of a rule have an order, rules among each other none. */
  readonly outcome: unknown;
  readonly lines: readonly string[];
}

function extractOnce(layerCase: LayerCase, way: Way, guard: Guard, t: Cleanup): Result {
  const { isPromiseTrue, ...task } = layerCase;
  const extraction = extract(t, Buffer.alloc(0), { ...task, ...way, staging: guard.staging });
  guard.check();
  const { outcome, tree, staging } = extraction;
  if (outcome.kind === 'failed') {
    const { code, detail } = outcome.error;
    assert.ok(REFUSALS.has(code), `${verdict(extraction)}: ${detail.message}`);
    if (isPromiseTrue) assert.notEqual(code, 'DIFF_ID_MISMATCH', detail.message);
    assert.ok(detail.rule, 'a refusal names its rule');
    for (const path of [tree, join(staging, 'mtree')]) assert.ok(!isThere(path), `${path} is left`);
    return { outcome: comparable(outcome.error), lines: [] };
  }
  const warnings = outcome.warnings.toSorted((a, b) => (a.rule < b.rule ? -1 : 1));
  const lines = readLayer(extraction);
  rmSync(tree, { recursive: true });
  rmSync(join(staging, 'mtree'));
  return { outcome: { ...outcome, warnings }, lines };
}

/**
 * The one difference that pushes may make: implied directories are counted when their batch runs, so that another entry
 * may be the one too many (B4). Limit and rule are the same.
 */
function comparable({ code, detail }: ErrorData): unknown {
  return detail.rule === 'B4' ? { code, rule: detail.rule, limit: detail.limit } : { code, detail };
}

/** All that came out, once it is known to agree with itself. */
function readLayer({ tree, sidecar }: Extraction): readonly string[] {
  const text = sidecar();
  const nodes = readTree(tree);
  assertAgree(tree, nodes, parseSidecar(text));
  return [...nodes.map((node) => JSON.stringify({ ...node, time: String(node.time) })), ...text.split('\n')];
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
