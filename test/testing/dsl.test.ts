import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  blockDevice,
  dir,
  file,
  gnuLongLink,
  gnuLongName,
  layer,
  meta,
  parseLayer,
  paxGlobal,
  sparse,
  symlink,
  whiteout,
} from '../../src/testing/index.js';

const same = (text: string, built: Buffer): void => assert.deepEqual(parseLayer(text), built);

test('comments and empty lines are nothing; a # inside a word is text', () => {
  same('\n  # only this\n\n', layer());
  same('file a#b "c # d" # comment', layer(file('a#b', 'c # d')));
});

test('mode and owner may be left out, words stand in any order', () => {
  same('dir a', layer(dir('a', { mode: 0o755, uid: 0, gid: 0 })));
  same('file a mtime=3 "x" 7:-1 0600', layer(file('a', 'x', { mtime: 3, uid: 7, gid: -1, mode: 0o600 })));
});

test('names, targets and values are bare, quoted or hex', () => {
  same(String.raw`file "a b\n\xff" ""`, layer(file(Buffer.from('61206 20aff'.replaceAll(' ', ''), 'hex'))));
  same('sym hex:61 -> "to here"', layer(symlink('a', 'to here')));
  same('sym a -> hex:ff fe 0755', layer(symlink('a', Buffer.from([0xff, 0xfe]), { mode: 0o755 })));
  same(
    'file a xattr:user.k="v w" xattr:user.z=hex:00 01',
    layer(file('a', '', { xattrs: { 'user.k': 'v w', 'user.z': Buffer.from([0, 1]) } })),
  );
});

test('contents are joined and repeated', () => {
  same('file a "ab"*3 zero*2 hex:ff*2', layer(file('a', Buffer.from('ababab\0\0\xff\xff', 'latin1'))));
  same('file a zero*1K', layer(file('a', Buffer.alloc(1024))));
  assert.deepEqual(parseLayer('file a rand*600'), parseLayer('file a rand*600'));
});

test('sparse files: places win over holes, a last hole makes the file longer', () => {
  const bytes = (offset: number, length: number): Buffer =>
    Buffer.from(Array.from({ length }, (_, at) => 1 + ((offset + at) % 251)));
  const segments = [
    { offset: 0, bytes: bytes(0, 512) },
    { offset: 2 ** 20, bytes: bytes(2 ** 20, 512) },
  ];
  for (const form of ['gnu', '0.0', '0.1', '1.0'] as const) {
    same(`sparse var/db data@0*512 hole*1M data@1M*512 fmt=${form}`, layer(sparse('var/db', segments, { form })));
  }
  same(
    'sparse d data*4 hole*6 data*2 hole*8',
    layer(
      sparse(
        'd',
        [
          { offset: 0, bytes: bytes(0, 4) },
          { offset: 10, bytes: bytes(10, 2) },
        ],
        { realBytes: 20 },
      ),
    ),
  );
  same(
    'sparse d data@3="abc" real=5',
    layer(sparse('d', [{ offset: 3, bytes: Buffer.from('abc') }], { realBytes: 5 })),
  );
});

test('all options reach the header', () => {
  same(
    'file a fmt=gnu uname=root gname="w x" size=12 type=7 sum=5 prefix=p base256=1',
    layer(
      file('a', '', {
        format: 'gnu',
        userName: 'root',
        groupName: 'w x',
        size: 12,
        typeFlag: '7',
        checksum: 5,
        prefix: 'p',
        isBase256: true,
      }),
    ),
  );
  same(
    'file a sum=signed pax:k=v pax:k=w',
    layer(
      file('a', '', {
        checksum: 'signed',
        records: [
          ['k', 'v'],
          ['k', 'w'],
        ],
      }),
    ),
  );
  same('wh a/b as=char', layer(whiteout('a/b', { as: 'char' })));
  same('block d 8,4294967296', layer(blockDevice('d', 8, 2 ** 32)));
  same('file a 18446744073709551615:0', layer(file('a', '', { uid: 2n ** 64n - 1n })));
});

test('meta headers', () => {
  same('global comment="x y"', layer(paxGlobal({ comment: 'x y' })));
  same('gnuname "a"*200\ngnulink b', layer(gnuLongName('a'.repeat(200)), gnuLongLink('b')));
  same(String.raw`meta x "12 path=ab\n"`, layer(meta('x', '12 path=ab\n')));
});

test('mistakes name their line', () => {
  const fails = (line: string, message: RegExp): void =>
    assert.throws(
      () => parseLayer(`dir ok\n${line}`),
      (error: Error) =>
        error instanceof SyntaxError && error.message.startsWith('line 2: ') && message.test(error.message),
    );
  fails('what is', /unknown kind/);
  fails('file', /needs a name/);
  fails('file a "open', /quote/);
  fails('file a "x"y', /quote/);
  fails('file a bare', /unknown word "bare"/);
  fails('file a what=1', /unknown option what/);
  fails('file a fmt=zip', /unknown format/);
  fails('wh a as=x', /unknown whiteout form/);
  fails('sym a', /needs -> TARGET/);
  fails('sym a ->', /needs a target/);
  fails('char a', /needs MAJOR,MINOR/);
  fails('end 3', /0, 1 or 2/);
  fails('pax x', /KEY=VALUE/);
  fails(String.raw`file a "\q"`, /unknown escape/);
  fails('file a hex:0', /pairs of digits/);
});
