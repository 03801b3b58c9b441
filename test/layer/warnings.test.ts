import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWarnings } from '../../src/layer/warnings.js';

test('warnings are counted by rule, the first 20 given in full', () => {
  const warnings = createWarnings();
  assert.deepEqual(warnings.list(), []);
  for (let index = 0; index < 10_000; index++) warnings.add('M16', `message ${index}`, `entry ${index}`, index * 512);
  warnings.add('W6', 'another', 'd', 7);
  const [many, one, ...more] = warnings.list();
  assert.deepEqual([many?.rule, many?.message, many?.count, many?.first.length], ['M16', 'message 0', 10_000, 20]);
  assert.deepEqual(many?.first.at(-1), { entry: 'entry 19', offset: 19 * 512 });
  assert.deepEqual(one, { rule: 'W6', message: 'another', count: 1, first: [{ entry: 'd', offset: 7 }] });
  assert.equal(more.length, 0);
});
