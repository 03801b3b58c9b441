import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SluiceError } from '../../src/errors.js';
import { readBlob } from '../../src/layer/blob.js';
import type { Stage } from '../../src/layer/stage.js';
import { createRandom } from '../../src/testing/index.js';
import { openControl } from '../../src/transfer/control.js';
import type { LayerBlob } from '../../src/transfer/protocol.js';
import { createRing } from '../../src/transfer/ring.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const BYTES = createRandom(11).bytes(1_400_000);

interface Collected extends Stage {
  readonly bytes: () => Buffer;
  readonly ends: () => number;
}

function collect(onPush: (total: number) => void = () => undefined): Collected {
  const chunks: Buffer[] = [];
  let ends = 0;
  return {
    push: (bytes) => {
      chunks.push(Buffer.from(bytes));
      onPush(chunks.length);
    },
    end: () => void ends++,
    bytes: () => Buffer.concat(chunks),
    ends: () => ends,
  };
}

function fileBlob(t: TestContext, offset: number, length: number): LayerBlob {
  const path = join(temporaryDirectory(t), 'blob');
  writeFileSync(path, BYTES);
  return { kind: 'file', path, offset, length };
}

/** A ring that holds everything already. */
function fullRing(bytes: Uint8Array): LayerBlob & { readonly kind: 'ring' } {
  const ring = createRing(bytes.length + 1);
  ring.write(0, bytes);
  ring.publish(bytes.length);
  ring.end();
  return { kind: 'ring', ring: ring.buffer };
}

for (const [offset, length] of [
  [0, 1_400_000],
  [1, 1_399_999],
  [512, 524_288],
  [300_000, 1],
  [1_400_000, 0],
] as const) {
  test(`a file range ${offset}+${length} is pushed whole, then ended once`, (t) => {
    const stage = collect();
    const progress: number[] = [];
    readBlob(fileBlob(t, offset, length), openControl(), stage, (packedBytes) => progress.push(packedBytes));
    assert.ok(stage.bytes().equals(BYTES.subarray(offset, offset + length)));
    assert.equal(stage.ends(), 1);
    assert.equal(progress.at(-1) ?? 0, length);
  });
}

test('extraction D1 a file that is shorter than its range just ends: the size decides', (t) => {
  const stage = collect();
  readBlob(fileBlob(t, 1_300_000, 200_000), openControl(), stage, () => undefined);
  assert.deepEqual([stage.bytes().length, stage.ends()], [100_000, 1]);
});

test('a file that is not there is a typed error', () => {
  const blob: LayerBlob = { kind: 'file', path: '/nonexistent/blob', offset: 0, length: 1 };
  assert.throws(
    () => readBlob(blob, openControl(), collect(), () => undefined),
    (error: SluiceError) => error.code === 'STORE_FAILED' && error.detail.errno === 'ENOENT',
  );
});

test('a ring is pushed whole, in bounded chunks, then ended once', () => {
  const stage = collect();
  const progress: number[] = [];
  readBlob(fullRing(BYTES), openControl(), stage, (packedBytes) => progress.push(packedBytes));
  assert.ok(stage.bytes().equals(BYTES));
  assert.equal(stage.ends(), 1);
  assert.ok(progress.length >= 3, 'an abort is seen between chunks');
  assert.equal(progress.at(-1), BYTES.length);
});

test('an empty ring ends', () => {
  const stage = collect();
  readBlob(fullRing(new Uint8Array(0)), openControl(), stage, () => undefined);
  assert.deepEqual([stage.bytes().length, stage.ends()], [0, 1]);
});

test('extraction D5 an abort ends the reading between two chunks, and the stage is not ended', (t) => {
  for (const blob of [fileBlob(t, 0, BYTES.length), fullRing(BYTES)]) {
    const control = openControl();
    const stage = collect((count) => count === 1 && control.abort());
    assert.throws(() => readBlob(blob, control, stage, () => undefined), { code: 'ABORTED' });
    assert.ok(stage.bytes().length < BYTES.length);
    assert.equal(stage.ends(), 0);
  }
});

test('an aborted ring is an abort, though bytes are left in it', () => {
  const ring = createRing(100);
  ring.write(0, BYTES.subarray(0, 50));
  ring.publish(50);
  ring.abort();
  const stage = collect();
  assert.throws(() => readBlob({ kind: 'ring', ring: ring.buffer }, openControl(), stage, () => undefined), {
    code: 'ABORTED',
  });
  assert.equal(stage.ends(), 0);
});

test('what the stage throws goes on, from file and ring', (t) => {
  for (const blob of [fileBlob(t, 0, 10), fullRing(BYTES)]) {
    const stage: Stage = {
      push: () => {
        throw new RangeError('stage');
      },
      end: () => assert.fail('ended'),
    };
    assert.throws(() => readBlob(blob, openControl(), stage, () => undefined), RangeError);
  }
});
