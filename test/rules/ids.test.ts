import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRuleGaps } from './ids.js';

test('a rule without a test and an unknown rule are found', () => {
  const gaps = findRuleGaps([
    'compat F1 F2 the home',
    'registry R12 errors',
    'registry R120 nothing',
    'compat 12 no rule',
  ]);
  assert.ok(gaps.includes('a test names registry R120, which no book has'));
  assert.ok(gaps.includes('no test is named after compat F3'));
  assert.ok(!gaps.some((gap) => /compat F[12]$|registry R12$/.test(gap)));
});

test('a title may name rules of two books, and a part of a rule', () => {
  const gaps = findRuleGaps(['compat K8 extraction E99 T15c a layer', 'extraction X1 E2 compat K99 a name']);
  assert.ok(gaps.includes('a test names extraction E99, which no book has'));
  assert.ok(gaps.includes('a test names compat K99, which no book has'));
  assert.ok(!gaps.some((gap) => /(compat K8|extraction (T15|X1|E2))$/.test(gap)));
});
