import assert from 'node:assert/strict';
import { createRandom } from '../../src/testing/index.js';
import { createRing, openRing } from '../../src/transfer/ring.js';
import { pick } from './mutate-bytes.js';
import type { FuzzTarget } from './target.js';

/** Words of the ring's header. */
const [HEAD, TAIL] = [0, 1];

/**
 * Streams through a ring, written ahead in pieces of any size and order, published and read in steps of others, the
 * counts of bytes about to wrap. Both ends are in this thread, so nothing is read when the reader would wait.
 */
export function createRingTarget(): FuzzTarget {
  return {
    run(seed) {
      const random = createRandom(seed);
      const capacity = 1 + random.integer(pick(random, [4, 100, 5000]));
      const stream = random.bytes(random.integer(20 * capacity));
      const isAborted = random.integer(4) === 0;
      const producer = createRing(capacity);
      const words = new Int32Array(producer.buffer, 0, 2);
      words[HEAD] = words[TAIL] = pick(random, [0, 2 ** 31 - random.integer(50), -random.integer(50)]);
      const consumer = openRing(producer.buffer);
      let read = 0;
      for (let published = 0; read < stream.length;) {
        const end = Math.min(stream.length, published + random.integer(capacity - (published - read) + 1));
        const pieces: (readonly [number, number])[] = [];
        for (let at = published; at < end;) {
          const length = Math.min(end - at, 1 + random.integer(capacity));
          pieces.push([at, at + length]);
          at += length;
        }
        // As ranges of a blob come: the second of two may be first.
        if (random.integer(2) === 0) pieces.reverse();
        for (const [from, to] of pieces) producer.write(from, stream.subarray(from, to));
        producer.publish(end);
        published = end;
        for (let steps = random.integer(4); steps > 0 && read < published; steps--) {
          const bytes = consumer.read();
          assert.ok(bytes instanceof Uint8Array && bytes.length > 0, 'there are bytes to read');
          assert.ok(bytes.length <= published - read, 'no byte is read before it is published');
          const taken = bytes.subarray(0, 1 + random.integer(bytes.length));
          assert.ok(stream.subarray(read, read + taken.length).equals(taken), `bytes from ${read} on`);
          consumer.consume(taken.length);
          read += taken.length;
        }
      }
      if (isAborted) producer.abort();
      else producer.end();
      assert.equal(consumer.read(), isAborted ? 'aborted' : null);
    },
  };
}
