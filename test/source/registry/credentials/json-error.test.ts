import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { placeOfJsonError } from '../../../../src/source/registry/credentials/json-error.js';

const PLACES: readonly (readonly [text: string, place: string])[] = [
  ['', '1:1'],
  ['{', '1:2'],
  ['{"a":1,}', '1:8'],
  ['{"a" 1}', '1:6'],
  ['{\n  "a": tru\n}', '2:8'],
  ['[1 2]', '1:4'],
  ['{} {}', '1:4'],
  ['{"a":"b', '1:6'],
  ["{'a':1}", '1:2'],
  ['[01]', '1:2'],
  ['[1]]', '1:4'],
  ['[}', '1:2'],
];

for (const [text, place] of PLACES) {
  test(`the first place of ${JSON.stringify(text)} that is no JSON`, () => assert.equal(placeOfJsonError(text), place));
}

test('what JSON.parse reads has no such place, and what it does not read has one', () => {
  const isJson = (text: string): boolean => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const spoilt = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, more]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + more + text.slice(cut + 1);
  });
  fc.assert(
    fc.property(fc.oneof(fc.json(), spoilt, fc.string()), (text) => {
      assert.equal(placeOfJsonError(text) === null, isJson(text));
    }),
    { numRuns: 1000 },
  );
});
