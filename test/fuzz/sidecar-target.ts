import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../src/errors.js';
import { parseSidecarHead } from '../../src/oci/sidecar-head.js';
import type { SidecarItem } from '../../src/oci/sidecar.js';
import { readSidecarFile } from '../../src/rootfs/sidecar-file.js';
import { createRandom, type Random } from '../../src/testing/index.js';
import { parseSidecar, type Sidecar } from '../consumers/sidecar.js';
import { extract, verdict } from '../helpers/extract.js';
import { createGuard } from '../helpers/guard.js';
import type { Cleanup } from '../helpers/temporary.js';
import { makeHostileLayer, type HostileEntry } from './hostile-layer.js';
import { mutateSidecar } from './mutate-sidecar.js';
import type { FuzzTarget } from './target.js';

/** Hostile names into a sidecar and back, then the sidecar with changes (§13). */
export function createSidecarTarget(t: Cleanup): FuzzTarget {
  const guard = createGuard(t);
  return {
    run(seed) {
      const random = createRandom(seed);
      const { tar, entries } = makeHostileLayer(random);
      const extraction = extract(t, tar, { staging: guard.staging, chunkBytes: tar.length });
      guard.check();
      assert.equal(verdict(extraction), 'done');
      const file = join(guard.staging, 'mtree');
      const text = extraction.sidecar();
      const items = [...readSidecarFile(file)];
      assert.deepEqual(tellStrictly(parseSidecar(text)), tell(items));
      assert.deepEqual(tell(items.filter(({ path }) => path.length > 0)), tellExpected(entries));
      for (let tries = 0; tries < TRIES; tries++) checkMutated(text, random, file);
      rmSync(extraction.tree, { recursive: true });
      rmSync(file);
    },
  };
}

const TRIES = 5;

/** Read by both readers, and alike, or refused by both. */
function checkMutated(text: string, random: Random, file: string): void {
  const mutated = mutateSidecar(Buffer.from(text, 'latin1'), random);
  writeFileSync(file, mutated);
  const items = readOrRefuse(() => [...readSidecarFile(file)]);
  const head = readOrRefuse(() => parseSidecarHead(mutated));
  const strict = readStrictly(mutated.toString('latin1'));
  assert.equal(items !== null && head !== null, strict !== null, 'one reader alone refuses it');
  if (items && strict) assert.deepEqual(tell(items), tellStrictly(strict));
}

function readOrRefuse<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'SIDECAR_CORRUPT') return null;
    throw error;
  }
}

function readStrictly(text: string): Sidecar | null {
  try {
    return parseSidecar(text);
  } catch (error) {
    if (error instanceof assert.AssertionError || error instanceof SluiceError || error instanceof TypeError)
      return null;
    throw error;
  }
}

type Told = readonly [path: string, kind: string, target: string, xattrs: readonly (readonly [string, string])[]];

/** One line an entry: what names of bytes may have changed. */
function tellOne(...[path, kind, target, xattrs]: Told): string {
  return JSON.stringify([path, kind, target, xattrs.toSorted()]);
}

function tell(items: readonly SidecarItem[]): readonly string[] {
  return items
    .map((item) => {
      const path = item.path.toString('latin1');
      if (item.kind === 'deferred') return tellOne(path, 'deferred', item.target.toString('latin1'), []);
      const xattrs = item.xattrs.map(({ name, value }) => [name.toString('latin1'), value.toString('latin1')] as const);
      const target = item.hardLink ?? item.link;
      return tellOne(path, item.hardLink ? 'hardlink' : item.type, target.toString('latin1'), xattrs);
    })
    .toSorted();
}

function tellStrictly({ entries, deferred }: Sidecar): readonly string[] {
  return [
    ...entries.map(({ path, type, link, hardlink, xattrs }) => {
      const shown = xattrs.map(({ name, value }) => [name, value.toString('latin1')] as const);
      return tellOne(path, hardlink === null ? type : 'hardlink', hardlink ?? link ?? '', shown);
    }),
    ...deferred.map(({ path, target }) => tellOne(path, 'deferred', target, [])),
  ].toSorted();
}

/** Of the names of one inode the first by its bytes has the attributes, and the others name it. */
function tellExpected(entries: readonly HostileEntry[]): readonly string[] {
  const origins = new Map(entries.map(({ path, kind, target }) => [path, kind === 'hardlink' ? target! : path]));
  return entries
    .map(({ path, kind, target, xattrs }) => {
      if (kind !== 'file' && kind !== 'hardlink') return tellOne(path, kind, target ?? '', xattrs);
      const origin = origins.get(path);
      const [first] = entries
        .filter((one) => origins.get(one.path) === origin)
        .map((one) => one.path)
        .toSorted();
      const own = entries.find((one) => one.path === origin)!.xattrs;
      return first === path ? tellOne(path, 'file', '', own) : tellOne(path, 'hardlink', first!, own);
    })
    .toSorted();
}
