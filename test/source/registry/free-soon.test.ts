import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.js';
import { freeSoon } from '../../../src/source/registry/free-soon.js';
import { startRegistry } from '../../../src/testing/index.js';
import { eventually, open, openBlob, testBytes } from './setup.js';

test('a chunk is valid in its call, and freed after it', async (t) => {
  const bytes = testBytes(1024 * 1024);
  const registry = await startRegistry({});
  t.after(() => registry.close());
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const { source } = open(t, `${registry.host}/a/b:1`);
  const chunks: Uint8Array[] = [];
  const copies: Buffer[] = [];
  const take = (chunk: Uint8Array): void => {
    chunks.push(chunk);
    copies.push(Buffer.from(chunk));
  };
  const reader = await openBlob(source, bytes);
  await reader.read(0, bytes.length, take, AbortSignal.timeout(60_000));
  assert.ok(Buffer.concat(copies).equals(bytes));
  await eventually(() => chunks.every(({ length, buffer }) => length === 0 || buffer.byteLength <= Buffer.poolSize));
  assert.ok(chunks.some(({ length }) => length === 0));
});

test('what others share is left alone', async () => {
  const pooled = Buffer.from('pooled');
  const shared = new Uint8Array(new SharedArrayBuffer(100_000));
  const own = new Uint8Array(100_000);
  for (const chunk of [pooled, shared, own.subarray(0, 10), own.subarray(10)]) freeSoon(chunk);
  assert.equal(own.length, 100_000);
  await new Promise((resolve) => void setImmediate(resolve));
  assert.deepEqual([pooled.toString(), shared.length, own.length], ['pooled', 100_000, 0]);
});
