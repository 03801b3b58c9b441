import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSharedHash } from '../../src/layer/shared-hash.js';
import { UNTRACED } from '../../src/layer/tracer.js';
import { digestOf } from '../../src/oci/digest.js';
import { createRandom } from '../../src/testing/index.js';
import { SLOT_BYTES, type SlotHash } from '../../src/transfer/hashed-slots.js';
import { abortPackedChunks, createPackedChunks, openPackedChunks } from '../../src/transfer/packed-chunks.js';

const bytes = createRandom(3).bytes(20 * SLOT_BYTES + 7);
const hash = openSharedHash(digestOf(bytes), UNTRACED)!;

/** Counts what one thread hashes. */
function counting(): SlotHash & { readonly count: () => number } {
  let updates = 0;
  return {
    start: (state) => hash.start(state),
    update: (state, chunk) => (updates++, hash.update(state, chunk)),
    count: () => updates,
  };
}

test('a blob is hashed whoever does it, and no chunk is overwritten before', () => {
  for (const helpEvery of [Infinity, 1, 2, 5]) {
    const buffer = createPackedChunks();
    const [ours, others] = [counting(), counting()];
    const decoding = openPackedChunks(buffer, ours);
    const applying = openPackedChunks(buffer, others);
    for (let at = 0, turn = 1; at < bytes.length; at += SLOT_BYTES, turn++) {
      const part = bytes.subarray(at, at + SLOT_BYTES);
      decoding.next().set(part);
      decoding.fill(part.length);
      if (turn % helpEvery === 0) applying.hashSome();
    }
    assert.equal(hash.digest(decoding.finish()), digestOf(bytes));
    assert.equal(ours.count() + others.count(), 21);
    assert.equal(others.count(), helpEvery === Infinity ? 0 : Math.floor(21 / helpEvery));
  }
});

test('there is nothing to hash in a blob of no bytes, and its digest is right', () => {
  const chunks = openPackedChunks(createPackedChunks(), hash);
  assert.equal(chunks.hashSome(), false);
  assert.equal(hash.digest(chunks.finish()), digestOf(new Uint8Array(0)));
});

test('who waits for a thread that died hashing is woken by an abort', () => {
  const buffer = createPackedChunks();
  const dying = openPackedChunks(buffer, {
    ...hash,
    update: () => {
      const chunks = openPackedChunks(buffer, hash);
      assert.equal(chunks.hashSome(), false, 'one at a time');
      abortPackedChunks(buffer);
      assert.throws(() => chunks.finish(), { code: 'ABORTED' });
    },
  });
  dying.next();
  dying.fill(10);
  dying.hashSome();
});
