import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate } from '../../../src/source/registry/limits.js';
import { never } from './setup.js';

test('registry R74 so many are let in for each host, and over all', async () => {
  const gate = createGate(2, 3);
  const entered: string[] = [];
  const enter = async (key: string): Promise<() => void> => {
    const leave = await gate.enter(key, never);
    entered.push(key);
    return leave;
  };
  const first = [enter('a'), enter('a')];
  const third = enter('a');
  const fourth = enter('b');
  const fifth = enter('c');
  await Promise.all([...first, fourth]);
  assert.deepEqual(entered, ['a', 'a', 'b']);
  (await fourth)();
  await fifth;
  assert.deepEqual(entered, ['a', 'a', 'b', 'c']);
  (await first[0]!)();
  await third;
  assert.deepEqual(entered, ['a', 'a', 'b', 'c', 'a']);
});

test('registry R74 a place is made free once', async () => {
  const gate = createGate(1, 1);
  const leave = await gate.enter('a', never);
  const waiting = [gate.enter('a', never), gate.enter('a', never)];
  let admitted = 0;
  for (const one of waiting) void one.then(() => admitted++);
  leave();
  leave();
  await waiting[0];
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(admitted, 1);
});

test('registry R77 whoever waits for a place leaves when the signal fires', async () => {
  const gate = createGate(1, 1);
  const leave = await gate.enter('a', never);
  const controller = new AbortController();
  const waiting = assert.rejects(gate.enter('a', controller.signal), { code: 'ABORTED' });
  const next = gate.enter('a', never);
  controller.abort();
  await waiting;
  leave();
  (await next)();
  await assert.rejects(gate.enter('a', controller.signal), { code: 'ABORTED' });
});
