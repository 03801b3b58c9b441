import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSidecarFile } from '../../src/rootfs/sidecar-file.js';
import { temporaryDirectory } from '../helpers/temporary.js';

test('extraction §13 a sidecar whose last line is cut off is refused, also where the rest is a line', (t) => {
  const path = join(temporaryDirectory(t), 'mtree');
  const text = './l type=link mode=0777 uid=0 gid=0 time=0.000000000 link=target\n';
  writeFileSync(path, text);
  assert.deepEqual(
    [...readSidecarFile(path)].map((item) => item.kind === 'entry' && item.link.toString()),
    ['target'],
  );
  for (const length of [1, text.length - 4, text.length - 1]) {
    writeFileSync(path, text.slice(0, length));
    assert.throws(() => [...readSidecarFile(path)], { code: 'SIDECAR_CORRUPT' }, `${length} bytes`);
  }
});
