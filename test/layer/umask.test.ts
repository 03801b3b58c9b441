import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readUmask } from '../../src/layer/umask.js';
import { parseLayer } from '../../src/testing/index.js';
import { extract, verdict } from '../helpers/extract.js';
import { compose, judged } from '../rootfs/compose-layers.js';

test('extraction M1 the umask is read and never set, as other threads make files meanwhile', (t) => {
  const before = process.umask(0o027);
  t.after(() => process.umask(before));
  const setter = t.mock.method(process, 'umask', () => assert.fail('process.umask() sets the umask to 0 for a moment'));
  assert.equal(readUmask(), 0o027);
  assert.equal(verdict(extract(t, parseLayer('file a "1"'))), 'done');
  assert.equal(judged(compose(t, ['file a "1"'])), 'done');
  setter.mock.restore();
});
