import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openControl } from '../../src/transfer/control.js';

test('both sides see the same words', () => {
  const main = openControl();
  const worker = openControl(main.buffer);
  assert.deepEqual(main.progress(), { packedBytes: 0, unpackedBytes: 0, entries: 0 });
  worker.reportBytes(2 ** 40, 2 ** 50);
  worker.reportEntries(5_000_000);
  assert.deepEqual(main.progress(), { packedBytes: 2 ** 40, unpackedBytes: 2 ** 50, entries: 5_000_000 });
  assert.equal(worker.isAborted(), false);
  main.abort();
  assert.deepEqual([worker.isAborted(), main.isAborted()], [true, true]);
  main.abort();
  assert.equal(worker.isAborted(), true);
});
