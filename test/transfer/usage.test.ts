import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openUsage } from '../../src/transfer/usage.js';

test('extraction B2 B4 what several layers add is one sum a resource', () => {
  const one = openUsage();
  const two = openUsage(one.buffer);
  assert.equal(one.add('entries', 1), 1);
  assert.equal(two.add('entries', 2), 3);
  assert.equal(two.add('fileBytes', 2 ** 40), 2 ** 40, 'more than 32 bits');
  assert.equal(one.add('fileBytes', 1), 2 ** 40 + 1);
  assert.equal(one.add('streamBytes', 5), 5);
});

test('extraction B2 B4 a layer that failed takes back what it added, and nothing else', () => {
  const one = openUsage();
  const two = openUsage(one.buffer);
  one.add('entries', 3);
  two.add('entries', 4);
  two.add('streamBytes', 10);
  two.release();
  two.release();
  assert.deepEqual([one.add('entries', 0), one.add('streamBytes', 0)], [3, 0]);
});
