import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPathList, type PathList } from '../../src/layer/path-list.js';

const list = (paths: PathList): readonly string[] =>
  [...paths.all()].map((path) => Buffer.from(path).toString('latin1'));

test('paths come back as they went in, whatever their directories and however many blocks', () => {
  const paths = createPathList();
  const long = `${'d'.repeat(250)}/`.repeat(15);
  const given = ['a', 'b', 'd/a', 'd/b', 'd/e/a', 'd/a', 'dd/a', 'c', 'd/c', '\xff/\n', '\xff/x'];
  for (let turn = 0; turn < 600; turn++) given.push(`${long}${turn}`, `${turn}`, `${long.slice(1)}${turn}`);
  for (const path of given) paths.add(Buffer.from(path, 'latin1'));
  assert.deepEqual(list(paths), given);
  assert.deepEqual(list(createPathList()), []);
});

test('names in one directory take their own bytes, and more than the limit is a typed error', () => {
  const directory = 'x'.repeat(3000);
  const paths = createPathList(1);
  for (let turn = 0; turn < 50_000; turn++) paths.add(Buffer.from(`${directory}/${turn}`));
  assert.equal(list(paths).length, 50_000);
  assert.throws(
    () => {
      for (let turn = 0; turn < 1000; turn++) paths.add(Buffer.from(`${directory}${turn}/name`));
    },
    { code: 'LAYER_FAILED' },
  );
});
