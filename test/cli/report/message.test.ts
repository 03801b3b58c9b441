import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageOf } from '../../../src/cli/report/message.js';
import type { SluiceEvent } from '../../../src/index.js';

const image = 'docker.io/org/app:1';

test('a warning names its rule, how often, and where first', () => {
  const warning: SluiceEvent = {
    kind: 'warning',
    image,
    rule: 'M9',
    message: 'a value is long',
    layer: `sha256:${'ab'.repeat(32)}`,
    count: 3,
    first: [{ entry: 'etc/\u001bx', entryBase64: 'ZXRjLxt4', offset: 512 }],
  };
  const line = 'warning[M9]: a value is long (layer abababababab, 3 times, first etc/\\u{1b}x)';
  assert.equal(messageOf(warning, 'warn'), line);
  assert.equal(messageOf(warning, 'error'), null);
  assert.equal(messageOf({ ...warning, count: 1, first: [] }, 'warn'), line.replace(/3 times.*/, 'once)'));
});

test('a notice is printed at its level and above', () => {
  const notice = (level: 'debug' | 'info' | 'warn'): SluiceEvent => ({ kind: 'notice', image, level, message: 'so' });
  assert.equal(messageOf(notice('debug'), 'debug'), 'debug: so');
  assert.equal(messageOf(notice('debug'), 'info'), null);
  assert.equal(messageOf(notice('info'), 'info'), 'info: so');
  assert.equal(messageOf(notice('warn'), 'warn'), 'warning: so');
  assert.equal(messageOf({ ...notice('warn'), host: 'ghcr.io' } as SluiceEvent, 'warn'), 'warning: so (ghcr.io)');
  assert.equal(messageOf({ kind: 'hit', image }, 'debug'), null);
});
