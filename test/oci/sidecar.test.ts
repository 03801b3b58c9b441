import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSidecar, type SidecarItem } from '../../src/oci/sidecar.js';
import { parseLayer } from '../../src/testing/index.js';
import { extract, verdict } from '../helpers/extract.js';

const parse = (...lines: readonly string[]): readonly SidecarItem[] => [...parseSidecar(lines)];

test('extraction §13 every kind of line that the writer makes is read back', (t) => {
  const extraction = extract(
    t,
    parseLayer(
      [
        'dir ./ 0711 1:2 mtime=-1.5',
        'file i/f 04755 3:4 "abc" mtime=7.000000009 xattr:user.a=hex:00ff xattr:security.capability=hex:0102',
        'link i/g i/f 04755 3:4 mtime=7.000000009',
        'link z -> usr/absent',
        'char dev/null 0666 5:6 1,3',
        'fifo p',
        'sym s -> "a b"',
        'file hex:ff0a5c20 "x"',
        'wh d',
        'file d/x "y"',
      ]
        .join('\n')
        .replace('link i/g i/f', 'link i/g -> i/f'),
    ),
  );
  assert.equal(verdict(extraction), 'done');
  const items = parse(...extraction.sidecar().split('\n').slice(0, -1));
  const at = (path: string): SidecarItem => items.find((item) => item.path.equals(Buffer.from(path, 'latin1')))!;
  const entry = (path: string): Record<string, unknown> => at(path) as unknown as Record<string, unknown>;
  assert.deepEqual(
    [entry('')['mode'], entry('')['uid'], entry('')['gid'], entry('')['mtime'], entry('')['mtimeNs']],
    [0o711, 1, 2, -2, 500_000_000],
  );
  assert.deepEqual(entry('i')['isImplied'], true);
  assert.deepEqual([entry('i/f')['size'], entry('i/f')['hardLink'], entry('i/f')['mode']], [3, null, 0o4755]);
  assert.deepEqual(entry('i/f')['xattrs'], [
    { name: Buffer.from('security.capability'), value: Buffer.from([1, 2]), isSet: false },
    { name: Buffer.from('user.a'), value: Buffer.from([0, 255]), isSet: true },
  ]);
  assert.deepEqual(entry('i/g')['hardLink'], Buffer.from('i/f'));
  assert.deepEqual(
    [entry('dev/null')['type'], entry('dev/null')['devMajor'], entry('dev/null')['devMinor']],
    ['char', 1, 3],
  );
  assert.deepEqual([entry('p')['type'], entry('s')['link']], ['fifo', Buffer.from('a b')]);
  assert.equal(entry('\xff\n\\ ')['type'], 'file');
  assert.deepEqual([entry('d')['isFolded'], entry('d')['isImplied']], [true, true]);
  assert.deepEqual([at('z').kind, entry('z')['target']], ['deferred', Buffer.from('usr/absent')]);
});

test('extraction §13 a line that is not one of ours is refused', () => {
  const root = '. type=dir mode=0755 uid=0 gid=0 time=0.000000000';
  for (const line of [
    './x type=door mode=0644 uid=0 gid=0 time=0.000000000',
    './x type=file mode=0644 uid=0 gid=0 size=1 time=0.0',
    './x type=file mode=0644 uid=0 gid=0 size=1 time=0.000000000 flags=none',
    'x type=file mode=0644 uid=0 gid=0 size=1 time=0.000000000',
    '#sluice.xattr set user.a',
    '#sluice.hardlink x',
    '#sluice.news',
    '#sluice.deferred ./a uid=0 gid=0 mode=0644 time=0.000000000 index=0',
    '',
    // a name that is not in vis form
    './a\\9 type=fifo mode=0644 uid=0 gid=0 time=0.000000000',
    './a"b type=fifo mode=0644 uid=0 gid=0 time=0.000000000',
    '#sluice.hardlink ./a\\40',
    '#sluice.folded a\\',
    '#sluice.xattr set a=b AA==',
    // a value that is cut off
    '#sluice.xattr set user.a AAA',
    './x type=fifo mode=0 uid=0 gid=0 time=0.000000000',
    // fields that a type lacks, or has not
    './x type=file mode=0644 uid=0 gid=0 time=0.000000000',
    './x type=link mode=0777 uid=0 gid=0 time=0.000000000',
    './x type=char mode=0644 uid=0 gid=0 time=0.000000000',
    './x type=dir mode=0755 uid=0 gid=0 size=1 time=0.000000000',
    './x type=fifo device=native,1,3 mode=0755 uid=0 gid=0 time=0.000000000',
  ]) {
    assert.throws(() => parse(root, line), { code: 'SIDECAR_CORRUPT' }, line);
  }
  assert.throws(() => parse(...Array<string>(4).fill('#mtree'), root), { code: 'SIDECAR_CORRUPT' }, 'a head too long');
  assert.throws(() => parse('#sluice.implied'), { code: 'SIDECAR_CORRUPT' }, 'a comment of nothing');
});
