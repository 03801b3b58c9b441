import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatBytes, formatTable, printable, shortBytes, shortDigest } from '../../src/cli/text.js';

test('numbers of bytes', () => {
  for (const [bytes, long, short] of [
    [0, '0 B', '0B'],
    [1023, '1023 B', '1023B'],
    [1536, '1.5 KiB', '1.5K'],
    [102_300, '99.9 KiB', '99.9K'],
    [102_400, '100.0 KiB', '100K'],
    [1024 ** 2 - 1, '1024.0 KiB', '1023K'],
    [64 * 1024 ** 3, '64.0 GiB', '64.0G'],
  ] as const) {
    assert.equal(formatBytes(bytes), long);
    assert.equal(shortBytes(bytes), short);
  }
  fc.assert(fc.property(fc.nat({ max: 1024 ** 5 - 1 }), (bytes) => shortBytes(bytes).length <= 5));
});

test('text from outside cannot speak to a terminal', () => {
  assert.equal(printable('a\u001b[31m\n\u202e\u0085é✓'), 'a\\u{1b}[31m\\u{a}\\u{202e}\\u{85}é✓');
});

test('digests and tables', () => {
  assert.equal(shortDigest(`sha512:${'ab'.repeat(64)}`, 8), 'abababab');
  assert.deepEqual(
    formatTable([
      ['A', 'LONG', 'C'],
      ['longer', 'b', ''],
    ]),
    ['A       LONG  C', 'longer  b'],
  );
});
