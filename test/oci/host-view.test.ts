import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHostView } from '../../src/oci/host-view.js';
import { parseLayer } from '../../src/testing/index.js';
import { extract } from '../helpers/extract.js';

const view = (...lines: readonly string[]): readonly string[] => [...formatHostView(lines)];

test('extraction §13 M5 M18 P3 the host view says what the host’s file system has, and no more', (t) => {
  const layer = `
    dir ./ 0711 1:2 mtime=-1.5
    file i/f 04755 3:4 "abc" mtime=7.000000009 xattr:user.a=hex:00ff
    link i/g -> i/f 04755 3:4 mtime=7.000000009
    link z -> usr/absent
    char dev/null 0666 5:6 1,3
    block dev/sda 0660 8,0 mtime=3
    fifo p mtime=4
    sym s -> "a mode=0 uid=0" 0644 7:8 mtime=5
    file "mode=0644 uid=1 gid=2" "xy"
    wh d
    file d/x "y"
    wh e 0600 9:9
    file early "" mtime=-3000000000.25
    file late "" mtime=20000000000.5
  `;
  const lines = extract(t, parseLayer(layer)).sidecar().split('\n').slice(0, -1);
  assert.deepEqual(view(...lines), [
    '#mtree',
    '. type=dir time=-2.500000000',
    './.wh.e type=file size=0 time=0.000000000',
    './d type=dir',
    './d/.wh..wh..opq type=file size=0 time=0.000000000',
    './d/x type=file size=1 time=0.000000000',
    './dev type=dir',
    './dev/null type=file size=0 time=0.000000000',
    './dev/sda type=file size=0 time=3.000000000',
    './early type=file size=0 time=-2147483648.000000000',
    './i type=dir',
    './i/f type=file size=3 nlink=2 time=7.000000009',
    './i/g type=file size=3 nlink=2 time=7.000000009',
    './late type=file size=0 time=15032385535.000000000',
    String.raw`./mode\0750644\040uid\0751\040gid\0752 type=file size=2 time=0.000000000`,
    './p type=file size=0 time=4.000000000',
    String.raw`./s type=link time=5.000000000 link=a\040mode\0750\040uid\0750`,
  ]);
});

test('extraction §13 the host view refuses what no sidecar has', () => {
  const root = '. type=dir mode=0755 uid=0 gid=0 time=0.000000000';
  assert.deepEqual(view('#mtree', root, '#sluice.implied'), ['#mtree', '. type=dir']);
  for (const line of ['', './x', './x type=file', `${root} flags=none`, '#sluice.news', '#sluice.deferred ./a']) {
    assert.throws(() => view(root, line), { code: 'SIDECAR_CORRUPT' }, line);
  }
});
