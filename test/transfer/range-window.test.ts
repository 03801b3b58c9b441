import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRangeWindow, type RangeWindow } from '../../src/transfer/range-window.js';

/** A window with a clock, and a reader that waits as it is told. */
function openWindow(most?: number): { readonly window: RangeWindow; pass: (passing: Passing) => number } {
  let now = 5000;
  let waitedMs = 0;
  const window = createRangeWindow(most, () => now);
  return {
    window,
    pass: ({ ms, waited = 0, areAllArriving = true, setbacks = 0 }) => {
      now += ms;
      waitedMs += waited;
      window.update({ waitedMs, areAllArriving, setbacks });
      return window.size;
    },
  };
}

interface Passing {
  readonly ms: number;
  readonly waited?: number;
  readonly areAllArriving?: boolean;
  readonly setbacks?: number;
}

test('registry R86 two ranges at first, one more for each 200 ms that the reader starves, and six at most', () => {
  const { window, pass } = openWindow();
  assert.equal(window.size, 2);
  pass({ ms: 0 });
  const sizes = Array.from({ length: 12 }, () => pass({ ms: 100, waited: 100 }));
  assert.deepEqual(sizes, [2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6, 6]);
});

test('registry R86 what the reader waited counts within one second alone', () => {
  const { pass } = openWindow();
  pass({ ms: 0 });
  for (let seconds = 0; seconds < 20; seconds++) {
    assert.equal(pass({ ms: 500, waited: 199 }), 2);
    assert.equal(pass({ ms: 500 }), 2);
  }
  assert.equal(pass({ ms: 10, waited: 100 }), 2);
  assert.equal(pass({ ms: 10, waited: 100 }), 3);
});

test('registry R86 a wait while not all ranges arrive calls for no further one', () => {
  const { pass } = openWindow();
  pass({ ms: 0 });
  assert.equal(pass({ ms: 300, waited: 300, areAllArriving: false }), 2);
  assert.equal(pass({ ms: 300, waited: 300 }), 2, 'nor does the wait for the first bytes of the last');
  assert.equal(pass({ ms: 300, waited: 300 }), 3);
});

test('registry R86 a setback leads back to two, and what was waited before it is forgotten', () => {
  const { pass } = openWindow();
  pass({ ms: 0 });
  assert.equal(pass({ ms: 200, waited: 200 }), 3);
  assert.equal(pass({ ms: 200, waited: 200 }), 4);
  assert.equal(pass({ ms: 10, waited: 150 }), 4);
  assert.equal(pass({ ms: 10, waited: 100, setbacks: 1 }), 2);
  assert.equal(pass({ ms: 10, waited: 100, setbacks: 1 }), 2);
  assert.equal(pass({ ms: 10, waited: 100, setbacks: 1 }), 3);
});

test('registry R86 where there is no room for more, there are two', () => {
  for (const most of [0, 1, 2, 2.9]) {
    const { pass } = openWindow(most);
    pass({ ms: 0 });
    assert.equal(pass({ ms: 500, waited: 500 }), 2);
  }
  const { pass } = openWindow(3.9);
  pass({ ms: 0 });
  pass({ ms: 500, waited: 500 });
  assert.equal(pass({ ms: 500, waited: 500 }), 3);
});
