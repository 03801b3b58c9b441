import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLowerdir } from '../../src/cli/layers.js';

test('lowerdir= has the topmost directory first, and what overlayfs reads otherwise is escaped', () => {
  const paths = ['/a/sha256:1.extracted', '/b,c\\d'];
  assert.equal(formatLowerdir(paths), 'lowerdir=/b\\,c\\\\d:/a/sha256\\:1.extracted');
  assert.equal(formatLowerdir([]), 'lowerdir=');
});
