import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { IMPLIED_LINE } from '../../src/oci/sidecar.js';
import { hasImpliedDirectories, readImpliedDirectories, readSidecarFile } from '../../src/rootfs/sidecar-file.js';
import { createRandom } from '../../src/testing/random.js';
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

test('extraction P3 the implied directories of a sidecar are found wherever its pieces end', (t) => {
  const path = join(temporaryDirectory(t), 'mtree');
  const lines = [
    '#mtree',
    '#sluice.layer v=1',
    '#sluice.counts x',
    '. type=dir mode=0755 uid=0 gid=0 time=0.000000000',
  ];
  const random = createRandom(7);
  for (let i = 0; i < 12_000; i++) {
    lines.push(`./d${i} type=dir mode=0755 uid=0 gid=0 time=0.000000000`);
    if (random.integer(4) === 0) lines.push(`#sluice.xattr set user.n ${'QUJD'.repeat(random.integer(40))}`);
    if (random.integer(3) === 0) lines.push(IMPLIED_LINE);
    if (random.integer(4) === 0) lines.push('#sluice.folded x');
    if (random.integer(5) === 0)
      lines.push(`#sluice.deferred ./d${i}x ./t uid=0 gid=0 mode=0644 time=0.000000000 index=${i}`);
  }
  writeFileSync(path, `${lines.join('\n')}\n`);
  const implied = [...readSidecarFile(path)].filter((item) => item.kind === 'entry' && item.isImplied);
  assert.ok(implied.length > 3000);
  assert.deepEqual([...readImpliedDirectories(path)], implied);
  assert.equal(hasImpliedDirectories(path), true);

  writeFileSync(path, `${lines.filter((line) => line !== IMPLIED_LINE).join('\n')}\n`);
  assert.deepEqual([...readImpliedDirectories(path)], []);
  assert.equal(hasImpliedDirectories(path), false);
  writeFileSync(path, lines.join('\n').slice(0, -9));
  assert.throws(() => [...readImpliedDirectories(path)], { code: 'SIDECAR_CORRUPT' });
});

test('extraction P3 a piece of a sidecar may end in any byte of an item', (t) => {
  const path = join(temporaryDirectory(t), 'mtree');
  const item = `./d type=dir mode=0755 uid=0 gid=0 time=0.000000000\n${IMPLIED_LINE}\n`;
  const deferred = '#sluice.deferred ./l ./t uid=0 gid=0 mode=0644 time=0.000000000 index=1\n';
  const before = `./a type=dir mode=0755 uid=0 gid=0 time=0.000000000\n#sluice.xattr set user.n `;
  for (let cut = 0; cut <= item.length + deferred.length; cut++) {
    const padding = 'A'.repeat(256 * 1024 - before.length - 1 - cut);
    writeFileSync(path, `${before}${padding}\n${item}${deferred}`);
    const names = [...readImpliedDirectories(path)].map((entry) => entry.path.toString());
    assert.deepEqual(names, ['d'], `cut after ${cut} bytes`);
  }
});
