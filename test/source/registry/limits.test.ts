import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGate, type Order } from '../../../src/source/registry/limits.js';
import { never } from './setup.js';

test('registry R74 so many are let in for each host, and over all', async () => {
  const gate = createGate(() => 2, 3);
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
  const gate = createGate(() => 1, 1);
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
  const gate = createGate(() => 1, 1);
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

test('registry R75 interactive before bulk, images in turn, of one image the largest layer first', async () => {
  const gate = createGate(() => 1, 1);
  const entered: string[] = [];
  const enter = async (name: string, order: Order): Promise<void> => {
    const leave = await gate.enter('host', never, order);
    entered.push(name);
    leave();
  };
  const leave = await gate.enter('host', never);
  const all = [
    enter('bulk a 5', { isBulk: () => true, image: 'a', sizeBytes: 5 }),
    enter('bulk a 9', { isBulk: () => true, image: 'a', sizeBytes: 9 }),
    enter('bulk a 7', { isBulk: () => true, image: 'a', sizeBytes: 7 }),
    enter('bulk b 1', { isBulk: () => true, image: 'b', sizeBytes: 1 }),
    enter('bulk b 2', { isBulk: () => true, image: 'b', sizeBytes: 2 }),
    enter('c 1', { isBulk: () => false, image: 'c', sizeBytes: 1 }),
    enter('c 1 again', { isBulk: () => false, image: 'c', sizeBytes: 1 }),
  ];
  leave();
  await Promise.all(all);
  assert.deepEqual(entered, ['c 1', 'c 1 again', 'bulk a 9', 'bulk b 2', 'bulk a 7', 'bulk b 1', 'bulk a 5']);
});

test('registry R75 who is in a hurry all of a sudden goes before those who are not', async () => {
  const gate = createGate(() => 1, 1);
  const entered: string[] = [];
  const bulk = new Set(['a', 'b', 'c']);
  const enter = async (name: string): Promise<void> => {
    const leave = await gate.enter('host', never, { isBulk: () => bulk.has(name), image: name, sizeBytes: 1 });
    entered.push(name);
    leave();
  };
  const leave = await gate.enter('host', never);
  const all = ['a', 'b', 'c'].map(enter);
  bulk.delete('c');
  leave();
  await Promise.all(all);
  assert.deepEqual(entered, ['c', 'a', 'b']);
});

test('registry R70 a limit that rises lets in as many as fit', async () => {
  let limit = 1;
  const gate = createGate(() => limit, 9);
  const leave = await gate.enter('a', never);
  const waiting = [1, 2, 3].map(() => gate.enter('a', never));
  limit = 3;
  leave();
  await Promise.all(waiting);
});
