import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Budget } from '../../src/transfer/protocol.js';
import { compose } from './compose-layers.js';

interface Case {
  readonly title: string;
  readonly layers: readonly string[];
  readonly option: keyof Budget;
  readonly rule: string;
  /** What is just enough. */
  readonly value: number;
  /** The entry that is one too many, and the number of its layer from below. */
  readonly entry?: string;
  readonly layer?: number;
}

/** One file by many names, and links to each of them from above: every one is a copy of its own. */
const COPIES = ['file a zero*1000\nlink b -> a\nlink c -> a', 'link x -> a\nlink y -> b\nlink z -> c'];

const CASES: readonly Case[] = [
  {
    title: 'B2 H6 links to several names of one file below are as many copies, and count before they are made',
    layers: COPIES,
    option: 'maxUnpackedBytes',
    rule: 'B2',
    value: 4000,
    entry: 'z',
    layer: 1,
  },
  {
    title: 'B2 the files of all layers count together, also those that are replaced',
    layers: ['file a zero*1000', 'file a zero*1000'],
    option: 'maxUnpackedBytes',
    rule: 'B2',
    value: 2000,
    entry: 'a',
    layer: 1,
  },
  {
    title: 'B3 no file is larger, holes and all',
    layers: ['file a "1"', 'sparse b data@0*512 hole*1M fmt=1.0'],
    option: 'maxFileBytes',
    rule: 'B3',
    value: 512 + 2 ** 20,
    entry: 'b',
    layer: 1,
  },
  {
    title: 'B4 entries of all layers count together, directories that their children make too',
    layers: ['file d/a "1"\nfile e ""', 'link l -> e\nwh x'],
    option: 'maxEntries',
    rule: 'B4',
    value: 5,
    entry: 'l',
    layer: 1,
  },
  {
    title: 'B2 the composed sidecar is bounded by itself',
    layers: ['dir d'],
    option: 'maxUnpackedBytes',
    rule: 'B2',
    value: 144,
  },
];

for (const { title, layers, option, rule, value, entry, layer } of CASES) {
  test(`extraction ${title} (composing)`, (t) => {
    assert.equal(compose(t, layers, { budget: { [option]: value } }).outcome.kind, 'done', 'just enough');
    const { outcome, layers: places, tree } = compose(t, layers, { budget: { [option]: value - 1 } });
    assert.ok(outcome.kind === 'failed');
    const { code, detail } = outcome.error;
    assert.deepEqual(
      [code, detail.rule, detail.limit, detail.entry, detail.layer],
      [
        'BUDGET_EXCEEDED',
        rule,
        { option, value: value - 1 },
        entry,
        layer === undefined ? undefined : places[layer]!.digest,
      ],
    );
    if (entry !== undefined && entry !== 'a') assert.ok(!existsSync(join(tree, entry)), 'before it is made');
  });
}
