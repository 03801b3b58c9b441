import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../../src/oci/digest.js';
import { formatPlatform, hostPlatform } from '../../../src/oci/platform.js';
import { buildImage, file, layer, startRegistry } from '../../../src/testing/index.js';
import { openLab } from '../../helpers/sluice.js';
import { open, openBlob, readRange, testBytes } from '../../source/registry/setup.js';

const MIB = 1024 * 1024;

test('registry R86 a reader that starves gets up to six ranges at once, within the room of two', async (t) => {
  const bytes = testBytes(40 * MIB);
  const image = buildImage({
    layers: [{ tar: layer(file('big', bytes)), compression: 'none' }],
    platform: formatPlatform(hostPlatform()),
  });
  const lab = await openLab(t, { open: { jobs: 1 } });
  const reference = lab.registry.push('a/b', '1', image);
  lab.registry.addFault({ match: { kind: 'blob' }, do: { kind: 'drip', bytesPerSecond: 5 * MIB } });
  const pulled = await lab.pull(reference, { sync: false });
  assert.ok(readFileSync(join(pulled.layers[0]!.path, 'big')).equals(bytes));
  const asked = lab.registry.requestsOf('blob').map(({ headers }) => lengthOf(headers.range ?? ''));
  assert.deepEqual(asked.slice(0, 2), [4 * MIB, 4 * MIB]);
  assert.equal(Math.min(...asked.slice(0, -1)), Math.ceil((8 * MIB) / 6));
  assert.equal(
    asked.reduce((sum, length) => sum + length, 0),
    image.layers[0]!.bytes.length,
  );
});

test('registry R86 a blob’s reader tells of each 429 and of each break', async (t) => {
  const bytes = testBytes(3 * MIB);
  await using registry = await startRegistry({
    faults: [
      { match: { kind: 'blob' }, nth: 2, do: { kind: 'busy', status: 429, retryAfter: 1 } },
      { match: { kind: 'blob' }, nth: [1, 3], do: { kind: 'cut', atByte: 1000, by: 'rst' } },
    ],
  });
  registry.pushBlob('a/b', digestOf(bytes), bytes);
  const reader = await openBlob(open(t, `${registry.host}/a/b:1`).source, bytes);
  assert.equal(reader.setbacks?.(), 0);
  assert.ok((await readRange(reader, 0, MIB)).equals(bytes.subarray(0, MIB)));
  assert.equal(reader.setbacks?.(), 3);
  await readRange(reader, MIB, 3 * MIB);
  assert.equal(reader.setbacks?.(), 3);
});

function lengthOf(range: string): number {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? assert.fail(`no range: ${range}`);
  return Number(end) - Number(start) + 1;
}
