import assert from 'node:assert/strict';
import { createRandom } from '../../src/testing/index.js';
import { assertPlainAgrees } from '../layer/tar/plain-agrees.js';
import { readTar } from '../layer/tar/read-tar.js';
import { chooseChunks } from './chunks.js';
import { mutateTar } from './mutate-tar.js';
import { chooseSeedLayer } from './seed-layers.js';
import type { FuzzTarget } from './target.js';

/** What the reader itself refuses with; the rest is for those it hands entries to. */
const VERDICT = /^(?:done|(?:TAR_MALFORMED|NAME_REFUSED|BUDGET_EXCEEDED) (?:T\d+|X\d+|B\d+|M\d+) @\d+)$/;
const BLOCK = 512;

/** Mutated archives through the tar reader alone, and what of them is plain through the addon's (extraction T1 to T20). */
export function createReaderTarget(): FuzzTarget {
  return {
    run(seed) {
      const random = createRandom(seed);
      const tar = mutateTar(chooseSeedLayer(random), random, chooseSeedLayer(random));
      const maxMetaBytes = random.integer(8) === 0 ? 700 : 65_536;
      const reading = readTar(tar, { maxMetaBytes });
      assert.match(reading.verdict, VERDICT);
      assert.ok(reading.headers <= tar.length / BLOCK, 'no header is read twice');
      const stored = reading.members.flatMap(({ segments }) => segments.map(({ bytes }) => bytes.length));
      assert.ok(stored.reduce((sum, length) => sum + length, 0) <= tar.length, 'no byte is handed over twice');
      assertPlainAgrees(tar);
      assert.deepEqual(readTar(tar, { maxMetaBytes, chunks: chooseChunks(random, tar.length) }), reading);
    },
  };
}
