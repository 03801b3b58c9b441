import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '../../src/errors.js';
import { createMeter, type Meter } from '../../src/layer/meter.js';
import { file, layer, parseLayer } from '../../src/testing/index.js';
import type { Budget } from '../../src/transfer/protocol.js';
import { openUsage } from '../../src/transfer/usage.js';
import { AMPLE, extract, verdict } from '../helpers/extract.js';

type Use = (meter: Meter) => void;

const SUMS: readonly (readonly [title: string, rule: string, option: keyof Budget, limit: number, use: Use])[] = [
  ['entries', 'B4', 'maxEntries', 2, (meter) => meter.header()],
  ['the sizes of files', 'B2', 'maxUnpackedBytes', 200, (meter) => meter.file(100)],
  ['the unpacked streams', 'B2', 'maxUnpackedBytes', 200, (meter) => meter.stream(100, 100)],
];

for (const [title, rule, option, limit, use] of SUMS) {
  test(`extraction ${rule} ${title} of all layers of a call: exactly met passes, one less fails with option and value`, () => {
    const run = (value: number): void => {
      const { buffer } = openUsage();
      for (let i = 0; i < 2; i++) use(createMeter({ ...AMPLE, [option]: value }, openUsage(buffer)));
    };
    run(limit);
    assert.throws(
      () => run(limit - 1),
      (error: SluiceError) => {
        assert.equal(error.code, 'BUDGET_EXCEEDED');
        assert.deepEqual([error.detail.rule, error.detail.limit], [rule, { option, value: limit - 1 }]);
        assert.match(error.message, /the image's layers have/);
        return true;
      },
    );
  });
}

test('extraction B2 B3 B4 B6 the limits of one layer name the layer', () => {
  const meter = (budget: Partial<Budget>): Meter => createMeter({ ...AMPLE, ...budget }, openUsage());
  assert.throws(() => meter({ maxEntries: 0 }).header(), /the layer has more than 0 entries/);
  assert.throws(() => meter({ maxUnpackedBytes: 9 }).file(10), /the layer has more than 9 bytes of files/);
  assert.throws(() => meter({ maxUnpackedBytes: 9 }).stream(10, 10), /the layer has more than 9 unpacked bytes/);
  assert.throws(() => meter({ maxFileBytes: 9 }).file(10), /a file of 10 bytes/);
  assert.throws(() => meter({ maxRatio: 4, ratioGraceBytes: 0 }).stream(10, 2), /10 bytes came out of 2/);
});

test('extraction B2 B3 B4 many at once count if all are within the limits, of the layers together too, else none does', () => {
  const usage = openUsage();
  const budget = { ...AMPLE, maxEntries: 10, maxUnpackedBytes: 100, maxFileBytes: 50 };
  const [first, second] = [createMeter(budget, usage), createMeter(budget, openUsage(usage.buffer))];
  const used = (): readonly number[] => [usage.add('entries', 0), usage.add('fileBytes', 0)];
  assert.ok(first.admits({ entries: 6, fileBytes: 60, largestFileBytes: 50 }));
  assert.ok(!second.admits({ entries: 5, fileBytes: 0, largestFileBytes: 0 }));
  assert.ok(!second.admits({ entries: 1, fileBytes: 41, largestFileBytes: 41 }));
  assert.ok(!second.admits({ entries: 1, fileBytes: 10, largestFileBytes: 51 }));
  assert.deepEqual(used(), [6, 60]);
  assert.ok(second.admits({ entries: 4, fileBytes: 40, largestFileBytes: 40 }));
  assert.deepEqual(used(), [10, 100]);
  assert.throws(() => first.header(), /the image's layers have more than 10 entries/);
  usage.release();
  assert.deepEqual(used(), [4, 40]);
});

test('extraction B2 the stream counts once, however often it is told', () => {
  const usage = openUsage();
  const meter = createMeter({ ...AMPLE, maxUnpackedBytes: 100 }, usage);
  for (const produced of [10, 10, 60, 100]) meter.stream(produced, produced);
  assert.equal(usage.add('streamBytes', 0), 100);
});

test('extraction B2 B4 layers of one call share the limits, a layer that failed gives back its part', (t) => {
  const usage = openUsage();
  const run = (tar: Uint8Array, budget: Partial<Budget>): string =>
    verdict(extract(t, tar, { usage: usage.buffer, budget }));
  const tar = layer(file('f', 'x'.repeat(1000)), file('a/b/c', 'y'));
  assert.equal(run(tar, { maxEntries: 8 }), 'done');
  assert.deepEqual([usage.add('entries', 0), usage.add('fileBytes', 0)], [4, 1001]);
  assert.equal(run(parseLayer('file f "x"\nlink d -> /'), {}), 'ENTRY_REFUSED H8');
  assert.deepEqual([usage.add('entries', 0), usage.add('streamBytes', 0)], [4, tar.length], 'given back');
  assert.equal(run(tar, { maxEntries: 7 }), 'BUDGET_EXCEEDED B4');
  assert.equal(run(tar, { maxUnpackedBytes: 2 * tar.length - 1 }), 'BUDGET_EXCEEDED B2');
  assert.equal(run(tar, { maxEntries: 8, maxUnpackedBytes: 2 * tar.length }), 'done');
});
