import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { Events, type SluiceEvent } from '../src/events.js';

const HIT: SluiceEvent = { kind: 'hit', image: 'docker.io/library/alpine:3' };

test('listeners are told in the order of their subscription, until they leave', () => {
  const events = new Events();
  const seen: string[] = [];
  const leave = events.subscribe((event) => void seen.push(`a ${event.kind}`));
  events.subscribe((event) => void seen.push(`b ${event.kind}`));
  events.emit(HIT);
  leave();
  leave();
  events.emit(HIT);
  assert.deepEqual(seen, ['a hit', 'b hit', 'b hit']);
});

test('the diagnostics channel hears an event once, however often it is handed on', (t) => {
  const heard: unknown[] = [];
  const listener = (event: unknown): void => void heard.push(event);
  channel('sluice:event').subscribe(listener);
  t.after(() => channel('sluice:event').unsubscribe(listener));
  const outer = new Events();
  const inner = new Events();
  const seen: SluiceEvent[] = [];
  outer.subscribe((event) => void seen.push(event));
  inner.subscribe((event) => outer.forward(event));
  inner.emit(HIT);
  assert.deepEqual([heard, seen], [[HIT], [HIT]]);
});

test('an event without listeners goes nowhere', () => {
  assert.doesNotThrow(() => new Events().emit(HIT));
});
