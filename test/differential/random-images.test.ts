import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildImage, writeOciLayout } from '../../src/testing/index.js';
import { parseRootfsSidecar } from '../consumers/sidecar.js';
import { extract, verdict } from '../helpers/extract.js';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory, withCleanup } from '../helpers/temporary.js';
import { composeLayersOf, judged, placeOf } from '../rootfs/compose-layers.js';
import { packPlans, tameLayer, wildLayer, type EntryPlan } from './arbitrary-layer.js';
import { assertLines, assertSameRoot, createIndependentComposer } from './independent.js';
import { readTree, type HostNode } from './tree.js';

/** More where someone waits for it. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 25) * 2;

const image = fc.array(wildLayer, { minLength: 2, maxLength: 4 });

test(
  'extraction W3 W5 W8 W9 H6 H7 P5 P6 E21 E26 random layers compose to the root that the second reading has',
  { skip: needs('python3') },
  async (t) => {
    const composeIndependently = createIndependentComposer(t);
    let composed = 0;
    const property = fc.asyncProperty(image, (layers) =>
      withCleanup(async (cleanup) => {
        const tars = layers.map(packPlans);
        const extractions = tars.map((tar) => extract(cleanup, tar));
        fc.pre(extractions.every((extraction) => verdict(extraction) === 'done'));
        const folder = temporaryDirectory(cleanup, 'sluice-image');
        const archives = tars.map((tar, index) => {
          const path = join(folder, `${index}.tar`);
          writeFileSync(path, tar);
          return path;
        });
        const reading = await composeIndependently(archives);
        const places = extractions.map((extraction) => placeOf(extraction));
        const composition = composeLayersOf(cleanup, places);
        if ('refused' in reading) return assert.equal(judged(composition).split(' ')[1], reading.refused);
        assert.equal(composition.outcome.kind, 'done', JSON.stringify(composition.outcome));
        const sidecar = parseRootfsSidecar(readFileSync(join(composition.tree, '../mtree'), 'latin1'));
        assertSameRoot(reading, readTree(composition.tree), sidecar);
        composed++;
      }),
    );
    await fc.assert(property, { numRuns: RUNS });
    t.diagnostic(`${composed} composed`);
    assert.ok(composed > 0);
  },
);

/**
 * Layers that say what they do: over the names of the layer below they put others, whiteouts and opaque marks.
 */
const tameImage: fc.Arbitrary<readonly (readonly EntryPlan[])[]> = fc
  .array(tameLayer, { minLength: 2, maxLength: 4 })
  .map((layers) =>
    layers.map((plans, at) => {
      const below = layers[at - 1] ?? [];
      // umoci passes over a marker below a file of the same layer, for which the file gives way here (N6).
      const isFree = (name: string): boolean =>
        plans.every((plan) => plan.name !== name && (plan.kind === 'dir' || !name.startsWith(`${plan.name}/`)));
      const markers = below.filter(({ name, fill }) => fill < 100 && isFree(name) && leafOf(name).length <= 251);
      return [...plans, ...markers.map(markerOver)].map(forUmoci);
    }),
  );

/** Attributes that the kernel refuses, and sparse files in GNU's old form, end umoci (T10). */
function forUmoci(plan: EntryPlan): EntryPlan {
  return { ...plan, hasXattr: false, format: plan.kind === 'sparse' ? 'pax' : plan.format };
}

function leafOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

function markerOver(plan: EntryPlan): EntryPlan {
  return { ...plan, kind: plan.kind === 'dir' && plan.fill < 50 ? 'opaque' : 'whiteout', format: 'pax' };
}

/** What umoci as root, and the sidecar of a composed root, both tell. */
function plainLine({ path, type, mode, owner, size, sha256, target, time, names }: HostNode): string {
  return JSON.stringify([path, type, type === 'sym' ? 0 : mode, owner, size, sha256, target, String(time), names]);
}

test(
  'extraction W3 W5 W8 W9 P4 random layers compose to what umoci unpacks',
  { skip: needs('umoci') || (process.getuid!() !== 0 && 'needs root, for owners') },
  async () => {
    const property = fc.asyncProperty(tameImage, (layers) =>
      withCleanup((cleanup) => {
        const tars = layers.map(packPlans);
        const folder = temporaryDirectory(cleanup, 'sluice-umoci');
        writeOciLayout(join(folder, 'layout'), { made: buildImage({ layers: tars.map((tar) => ({ tar })) }) });
        execFileSync('umoci', ['unpack', '--image', `${folder}/layout:made`, `${folder}/bundle`], { stdio: 'pipe' });
        const extractions = tars.map((tar) => extract(cleanup, tar));
        for (const extraction of extractions) assert.equal(verdict(extraction), 'done');
        const places = extractions.map((extraction) => placeOf(extraction));
        const composition = composeLayersOf(cleanup, places);
        assert.equal(judged(composition), 'done');
        const truth = new Map(composition.entries());
        const composed = readTree(composition.tree).map((node) => {
          const { mode, uid, gid } = truth.get(node.path)!;
          return plainLine({ ...node, mode, owner: `${uid}:${gid}` });
        });
        assertLines(composed, readTree(join(folder, 'bundle/rootfs')).map(plainLine));
      }),
    );
    await fc.assert(property, { numRuns: Math.ceil(RUNS / 5), endOnFailure: true });
  },
);
