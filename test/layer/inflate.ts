import assert from 'node:assert/strict';
import { SluiceError } from '../../src/errors.js';
import { createDecompress } from '../../src/layer/decompress.js';
import { createSlab } from '../../src/layer/stage.js';
import type { DecoderName } from '../../src/transfer/protocol.js';

/** What a decompressing stage made of some bytes. */
export interface Inflated {
  readonly verdict: string;
  readonly output: Buffer;
  readonly detected: readonly string[];
  /** Of each call of `admit`. */
  readonly admitted: readonly (readonly [produced: number, consumed: number])[];
}

/** Feeds the bytes in chunks of these sizes in turn, through buffers that are spoilt after each push. */
export function inflate(
  packed: Uint8Array,
  decoder: DecoderName,
  chunks: readonly number[] = [packed.length || 1],
): Inflated {
  const output: Buffer[] = [];
  const detected: string[] = [];
  const admitted: [number, number][] = [];
  let hasEnded = false;
  const stage = createDecompress({
    decoder,
    open: (compression) => {
      if (compression !== null) detected.push(compression);
      return createSlab({
        push: (bytes) => void output.push(Buffer.from(bytes)),
        end: () => void (hasEnded = true),
      });
    },
    admit: (produced, consumed) => void admitted.push([produced, consumed]),
  });
  let verdict = 'done';
  try {
    for (let at = 0, turn = 0; at < packed.length; turn++) {
      const chunk = Uint8Array.from(packed.subarray(at, at + chunks[turn % chunks.length]!));
      stage.push(chunk);
      at += chunk.length;
      chunk.fill(0xee);
    }
    stage.end();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    verdict = `${error.code} ${error.detail.rule}`;
    if (error.code === 'COMPRESSION_MALFORMED') assert.ok((error.detail.offset ?? Infinity) <= packed.length, 'offset');
  } finally {
    stage.close();
  }
  assert.equal(hasEnded, verdict === 'done', 'the next stage ends exactly when all went well');
  return { verdict, output: Buffer.concat(output), detected, admitted };
}

export function assertInflates(
  packed: Uint8Array,
  expected: Uint8Array,
  decoder: DecoderName,
  chunks?: readonly number[],
): void {
  const { verdict, output } = inflate(packed, decoder, chunks);
  const how = `${decoder}, chunks of ${chunks?.join() ?? 'all'}`;
  assert.equal(verdict, 'done', how);
  assert.ok(output.equals(expected), `bytes, ${how}`);
}
