import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { native } from '../../src/native.js';
import { createRandom } from '../../src/testing/index.js';

const ALGORITHMS = ['sha256', 'sha384', 'sha512'] as const;
const random = createRandom(11);

/** Shared memory that begins at an odd address. */
const createState = (): Uint8Array => new Uint8Array(new SharedArrayBuffer(300), 7, 256);

for (const algorithm of ALGORITHMS) {
  test(`a ${algorithm} whose state is moved about comes to what node's own does`, () => {
    let state = createState();
    native().digestStart(algorithm, state);
    const hash = createHash(algorithm);
    for (let turn = 0; turn < 500; turn++) {
      const bytes = random.bytes(random.integer(400));
      native().digestUpdate(algorithm, state, bytes);
      hash.update(bytes);
      const moved = createState();
      moved.set(state);
      state = moved;
      assert.equal(native().digestEnd(algorithm, state).toString('hex'), hash.copy().digest('hex'));
    }
  });
}

test('a state that is none is refused, and never followed', () => {
  for (const algorithm of ALGORITHMS) {
    for (const fill of [0, 1, 64, 128, 255]) {
      const state = new Uint8Array(256).fill(fill);
      assert.throws(() => native().digestUpdate(algorithm, state, Buffer.from('x')), { code: 'EINVAL' });
      assert.throws(() => native().digestEnd(algorithm, state), { code: 'EINVAL' });
    }
    const short = new Uint8Array(255);
    assert.throws(() => native().digestStart(algorithm, short), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => native().digestUpdate(algorithm, short, short), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => native().digestEnd(algorithm, short), { code: 'ERR_OUT_OF_RANGE' });
  }
  const state = createState();
  for (const name of ['md5', '', 'sha256x', 'sha256'.repeat(100)]) {
    assert.throws(() => native().digestStart(name, state), { code: 'ENOSYS' });
  }
  native().digestStart('sha256', state);
  assert.throws(() => native().digestUpdate('sha512', state, Buffer.from('x')), { code: 'EINVAL' });
});
