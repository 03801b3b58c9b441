import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDecimal, readNumber, readTime } from '../../../src/layer/tar/numbers.js';
import { verdictOf } from './read-tar.js';

const REFUSED = 'TAR_MALFORMED T1';

/** Field text and what Go's archive/tar reads in it. */
const OCTAL: readonly (readonly [string, number | typeof REFUSED])[] = [
  ['0000644\0', 0o644],
  ['000644 \0', 0o644],
  ['   644 \0', 0o644],
  ['644\0\0\0\0\0', 0o644],
  ['00000644', 0o644],
  [' 0000644', 0o644],
  ['\0\0\0\0\x00644', 0o644],
  ['\0 \0 644 ', 0o644],
  ['\0\0\0\0\0\0\0\0', 0],
  ['        ', 0],
  ['       \0', 0],
  ['77777777', 0o77777777],
  ['644\0junk', 0o644],
  ['644\x00008 ', 0o644],
  ['644 644\0', REFUSED],
  ['644 \x00644', REFUSED],
  ['0000648\0', REFUSED],
  ['-000644\0', REFUSED],
  ['+000644\0', REFUSED],
  ['0x00644\0', REFUSED],
  ['644.000\0', REFUSED],
  ['abcdefgh', REFUSED],
  ['644\t\0\0\0\0', REFUSED],
];

for (const [field, expected] of OCTAL) {
  test(`extraction T1 the octal field ${JSON.stringify(field)} is ${expected}`, () => {
    const bytes = Buffer.from(`##${field}##`, 'latin1');
    if (expected === REFUSED)
      assert.equal(
        verdictOf(() => readNumber(bytes, 2, 8)),
        REFUSED,
      );
    else assert.equal(readNumber(bytes, 2, 8), expected);
  });
}

const BASE_256: readonly (readonly [string, number])[] = [
  ['8000000000000000', 0],
  ['80000000000001ff', 511],
  ['8000000100000000', 2 ** 32],
  ['801fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['8020000000000000', Infinity],
  ['bfffffffffffffff', Infinity],
  ['ffffffffffffffff', -1],
  ['ffffffffffffff00', -256],
  ['ffe0000000000001', -Number.MAX_SAFE_INTEGER],
  ['ffdfffffffffffff', -Infinity],
  ['c000000000000000', -Infinity],
  ['8000000000000000ffffffff', 2 ** 32 - 1],
  ['ffffffffffffffff80000000', -(2 ** 31)],
  ['800000007fffffffffffffff', Infinity],
  ['800000008000000000000000', Infinity],
];

for (const [hex, expected] of BASE_256) {
  test(`extraction T1 T2 the base-256 field ${hex} is ${expected}`, () => {
    const bytes = Buffer.from(hex, 'hex');
    assert.equal(readNumber(bytes, 0, bytes.length), expected);
  });
}

const DECIMAL: readonly (readonly [string, number | 'TAR_MALFORMED T2'])[] = [
  ['0', 0],
  ['007', 7],
  ['+7', 7],
  ['-7', -7],
  ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ['9007199254740992', Infinity],
  ['-9007199254740992', -Infinity],
  ['9'.repeat(400), Infinity],
  ['', 'TAR_MALFORMED T2'],
  ['-', 'TAR_MALFORMED T2'],
  ['--7', 'TAR_MALFORMED T2'],
  ['1 ', 'TAR_MALFORMED T2'],
  ['1.5', 'TAR_MALFORMED T2'],
  ['0x10', 'TAR_MALFORMED T2'],
  ['1e3', 'TAR_MALFORMED T2'],
];

for (const [text, expected] of DECIMAL) {
  test(`extraction T2 the decimal ${JSON.stringify(text.slice(0, 20))} is ${expected}`, () => {
    const bytes = Buffer.from(text);
    if (typeof expected === 'string')
      assert.equal(
        verdictOf(() => readDecimal(bytes, 0, bytes.length, 'T2')),
        expected,
      );
    else assert.equal(readDecimal(bytes, 0, bytes.length, 'T2'), expected);
  });
}

const TIMES: readonly (readonly [string, readonly [number, number] | 'TAR_MALFORMED M18'])[] = [
  ['0', [0, 0]],
  ['-0', [0, 0]],
  ['1350244992', [1350244992, 0]],
  ['1350244992.', [1350244992, 0]],
  ['1350244992.023960108', [1350244992, 23960108]],
  ['1350244992.5', [1350244992, 500_000_000]],
  ['1.0000000019', [1, 1]],
  ['1.999999999999', [1, 999_999_999]],
  ['.123456789', [0, 123_456_789]],
  ['-1', [-1, 0]],
  ['-1.5', [-2, 500_000_000]],
  ['-0.5', [-1, 500_000_000]],
  ['-.25', [-1, 750_000_000]],
  ['-1.0000000009', [-1, 0]],
  ['-2145916800', [-2145916800, 0]],
  ['8589934592', [2 ** 33, 0]],
  ['99999999999999999999', [Infinity, 0]],
  ['-99999999999999999999', [-Infinity, 0]],
  ['.', 'TAR_MALFORMED M18'],
  ['-', 'TAR_MALFORMED M18'],
  ['-.', 'TAR_MALFORMED M18'],
  ['1.2.3', 'TAR_MALFORMED M18'],
  ['1.-5', 'TAR_MALFORMED M18'],
  ['1,5', 'TAR_MALFORMED M18'],
  ['--1', 'TAR_MALFORMED M18'],
  ['1e20', 'TAR_MALFORMED M18'],
  ['now', 'TAR_MALFORMED M18'],
  ['1.123456789x', 'TAR_MALFORMED M18'],
];

for (const [text, expected] of TIMES) {
  test(`extraction M18 the time ${JSON.stringify(text)} is ${String(expected)}`, () => {
    const bytes = Buffer.from(text);
    if (typeof expected === 'string')
      assert.equal(
        verdictOf(() => readTime(bytes, 0, bytes.length)),
        expected,
      );
    else {
      const { seconds, nanoseconds } = readTime(bytes, 0, bytes.length);
      assert.deepEqual([seconds, nanoseconds], expected);
    }
  });
}
