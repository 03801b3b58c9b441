import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenForSignals } from '../../src/cli/signals.js';

test('the first signal aborts, the second exits at once', (t) => {
  t.after(() => process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM'));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const statuses: number[] = [];
  const signal = listenForSignals((status) => statuses.push(status));
  assert.equal(signal.aborted, false);
  process.emit('SIGTERM');
  assert.equal(signal.aborted, true);
  assert.deepEqual(statuses, []);
  process.emit('SIGINT');
  assert.deepEqual(statuses, [130]);
});

test('work that does not end is ended within a second', (t) => {
  t.after(() => process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM'));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const statuses: number[] = [];
  listenForSignals((status) => statuses.push(status));
  process.emit('SIGINT');
  t.mock.timers.tick(1000);
  assert.deepEqual(statuses, [130]);
});
