import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyEvent, createProgress, failImage, type Progress } from '../../../src/cli/report/progress.js';
import { viewOf } from '../../../src/cli/report/view.js';
import type { SluiceEvent } from '../../../src/index.js';

const image = 'docker.io/org/app:1';
const digestOf = (name: string): string => `sha256:${name.repeat(64)}`;
const resolved = (...names: string[]): SluiceEvent => ({
  kind: 'resolved',
  image,
  digest: digestOf('f'),
  platform: 'linux/amd64',
  layers: names.map((name) => ({ digest: digestOf(name), packedBytes: 1000 })),
});
const progressOf = (...events: SluiceEvent[]): Progress => {
  const progress = createProgress();
  for (const event of events) applyEvent(progress, event);
  return progress;
};

test('one line until the image is resolved', () => {
  const progress = progressOf({ kind: 'resolve', image });
  assert.deepEqual(viewOf(progress, 20), ['Fetch image details']);
  failImage(progress, image);
  assert.deepEqual(viewOf(progress, 20), ['Fetch image details ✗']);
});

test('several images are counted', () => {
  const progress = progressOf({ kind: 'resolve', image }, { kind: 'resolve', image: 'docker.io/org/b:1' }, resolved());
  assert.deepEqual(viewOf(progress, 20), ['Fetch image details 1 / 2']);
  failImage(progress, 'docker.io/org/b:1');
  assert.deepEqual(viewOf(progress, 20), ['Fetch image details 2 / 2 ✗']);
});

test('a layer in every state', () => {
  const layer = (name: string): { image: string; layer: string } => ({ image, layer: digestOf(name) });
  const error = (code: 'ABORTED' | 'DISK_FULL') => ({ code, detail: { message: '' } });
  const progress = progressOf(
    { kind: 'resolve', image },
    resolved('a', 'b', 'c', 'd', 'e', '0'),
    { kind: 'layer-present', ...layer('b') },
    { kind: 'layer-start', ...layer('c') },
    { kind: 'layer-progress', ...layer('c'), packedBytes: 500, unpackedBytes: 2048, entries: 1 },
    { kind: 'layer-done', ...layer('d'), packedBytes: 1000, unpackedBytes: 4096, entries: 1 },
    { kind: 'layer-failed', ...layer('e'), error: error('DISK_FULL') },
    { kind: 'layer-failed', ...layer('0'), error: error('ABORTED') },
  );
  const [empty, full] = [`+${'-'.repeat(39)}`, '='.repeat(40)];
  assert.deepEqual(viewOf(progress, 20), [
    'Fetch image details ✓',
    'Download layers 2 / 6',
    'Extracting layers 2 / 6',
    `aaaaaaaa ${empty}    0B / 1000B    0B waiting`,
    `bbbbbbbb ${full} 1000B / 1000B    0B present ✓`,
    `cccccccc ${'='.repeat(20)}+${'-'.repeat(19)}  500B / 1000B  2.0K extracting`,
    `dddddddd ${full} 1000B / 1000B  4.0K done ✓`,
    `eeeeeeee ${empty}    0B / 1000B    0B failed ✗`,
    `00000000 ${empty}    0B / 1000B    0B aborted ✗`,
  ]);
  assert.ok(viewOf(progress, 20).every((line) => line.length <= 80));
  const shown = viewOf(progress, 6).slice(3);
  assert.deepEqual(
    shown.map((line) => line.slice(0, 8)),
    ['cccccccc', 'eeeeeeee', '00000000'],
  );
});
