import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWarnings } from '../../src/layer/warnings.js';

test('warnings are counted by rule, the first 20 given in full, names as bytes too', () => {
  const warnings = createWarnings();
  assert.deepEqual(warnings.list(), []);
  for (let index = 0; index < 10_000; index++)
    warnings.add('M16', `message ${index}`, Buffer.from(`entry ${index}`), index * 512);
  warnings.add('W6', 'another', Buffer.from([0xff, 0x0a]), 7);
  warnings.add('T8', 'of no entry', null, 9);
  const [many, one, none, ...more] = warnings.list();
  assert.deepEqual([many?.rule, many?.message, many?.count, many?.first.length], ['M16', 'message 0', 10_000, 20]);
  assert.deepEqual(many?.first.at(-1), { entry: 'entry 19', entryBase64: btoa('entry 19'), offset: 19 * 512 });
  assert.deepEqual(one?.first, [{ entry: '\\377\\012', entryBase64: '/wo=', offset: 7 }]);
  assert.deepEqual(none?.first, [{ entry: '', entryBase64: '', offset: 9 }]);
  assert.equal(more.length, 0);
});
