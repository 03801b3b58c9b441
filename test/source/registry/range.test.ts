import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReplyHead } from '../../../src/source/registry/http.js';
import { acceptPartial, formatRange, parseContentRange } from '../../../src/source/registry/range.js';

const TABLE: readonly (readonly [text: string, expected: ReturnType<typeof parseContentRange>])[] = [
  ['bytes 0-0/1', { start: 0, end: 1, total: 1 }],
  ['bytes 5-9/10', { start: 5, end: 10, total: 10 }],
  ['bytes 5-9/*', { start: 5, end: 10, total: null }],
  ['BYTES 5-9/10', { start: 5, end: 10, total: 10 }],
  ['bytes 9-5/10', null],
  ['bytes 5-10/10', null],
  ['bytes */10', null],
  ['bytes 5-9', null],
  ['bytes=5-9/10', null],
  ['items 5-9/10', null],
  ['bytes -5-9/10', null],
  ['bytes 5-9/10, 11-12/13', null],
  ['bytes 0-9007199254740991/*', null],
  ['bytes 0-99999999999999999999/*', null],
  ['bytes 0x5-9/10', null],
  ['', null],
];

for (const [text, expected] of TABLE) {
  test(`registry R81 Content-Range ${JSON.stringify(text)}`, () => assert.deepEqual(parseContentRange(text), expected));
}

test('registry R81 every satisfied Content-Range is read back', () => {
  const size = fc.integer({ min: 0, max: 2 ** 50 });
  fc.assert(
    fc.property(size, size, fc.option(size), (start, length, rest) => {
      const end = start + length + 1;
      const total = rest === null ? null : end + rest;
      assert.deepEqual(parseContentRange(`bytes ${start}-${end - 1}/${total ?? '*'}`), { start, end, total });
    }),
  );
});

test('registry R81 no text makes the parser fail', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'bytes 0123456789-/*,=') }), (text) => {
      const range = parseContentRange(text);
      assert.ok(range === null || range.start < range.end);
    }),
  );
});

test('registry R80 a range is asked for by its first and last byte', () => {
  assert.equal(formatRange({ start: 3, end: 10 }), 'bytes=3-9');
});

const ASKED = { start: 10, end: 20 };
const ACCEPTED: readonly (readonly [what: string, range: string | null, expected: unknown])[] = [
  ['exactly what was asked', 'bytes 10-19/100', { start: 10, end: 20, total: 100 }],
  ['an unknown total', 'bytes 10-19/*', { start: 10, end: 20, total: null }],
  ['fewer bytes', 'bytes 10-14/100', { start: 10, end: 15, total: 100 }],
  ['another start', 'bytes 9-19/100', null],
  ['a later start', 'bytes 11-19/100', null],
  ['more bytes', 'bytes 10-20/100', null],
  ['another total', 'bytes 10-19/101', null],
  ['no Content-Range', null, null],
];

for (const [what, range, expected] of ACCEPTED) {
  test(`registry R81 a 206 with ${what}`, () => {
    const head = headOf(range === null ? {} : { 'content-range': range });
    assert.deepEqual(acceptPartial(head, ASKED, 100), expected);
  });
}

test('registry R89 a Content-Length that contradicts its range is refused before the body', () => {
  const head = headOf({ 'content-range': 'bytes 10-19/100', 'content-length': '11' });
  assert.throws(() => acceptPartial(head, ASKED, 100), { code: 'SIZE_MISMATCH' });
});

function headOf(headers: Record<string, string>): ReplyHead {
  return { status: 206, headers, url: new URL('https://registry.test/v2/a/blobs/x') };
}
