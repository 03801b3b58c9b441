import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { decoders } from '../../src/layer/inflate/open-inflater.js';
import { native } from '../../src/native.js';
import { digestOf } from '../../src/oci/digest.js';
import { parseSidecarHead } from '../../src/oci/sidecar-head.js';
import {
  compress,
  createRandom,
  dir,
  end,
  file,
  layer,
  parseLayer,
  pax,
  raw,
  sparse,
  symlink,
} from '../../src/testing/index.js';
import { openControl } from '../../src/transfer/control.js';
import type { Budget } from '../../src/transfer/protocol.js';
import { createSyncGroup } from '../../src/transfer/sync-group.js';
import {
  extract,
  listTree,
  overrideOf,
  verdict,
  warned,
  type ExtractOptions,
  type Extraction,
} from '../helpers/extract.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const EVERYTHING = parseLayer(`
dir    ./            0755 1:2        mtime=10
file   etc/passwd    0644 0:0        "root:x:0:0" mtime=-1.5
file   bin/su        04755 0:0       zero*70000   xattr:security.capability=hex:01000002
sym    var/run       -> /run
file   var/run/pid   "1"
link   bin/su2       -> /bin/su      size=10
char   dev/null      0666 0:0  1,3
fifo   run/p
wh     etc/old
opq    etc
file   big           rand*300000
sparse var/db        data@0*512 hole*1M data@1M*512 fmt=gnu
link   opt/lower     -> usr/lib/x
`);

function assertRefused(extraction: Extraction, code: string): void {
  assert.equal(verdict(extraction).split(' ')[0], code);
  assert.deepEqual(readdirSync(extraction.staging), [], 'something is left in staging');
}

test('extraction S23 T17 compression, decoder, walk and umask change nothing: same tree, same sidecar', (t) => {
  const runs: ExtractOptions[] = [
    { compression: 'none' },
    { compression: 'none', walk: true },
    ...decoders().flatMap((decoder) =>
      (['gzip', 'gzip-members', 'gzip-header'] as const).map((compression) => ({ compression, decoder })),
    ),
  ];
  const results = runs.map((options) => {
    const extraction = extract(t, EVERYTHING, options);
    assert.equal(verdict(extraction), 'done', JSON.stringify(options));
    return { tree: listTree(extraction.tree), lines: extraction.lines(), outcome: { ...extraction.outcome } };
  });
  for (const result of results) assert.deepEqual(result, results[0]);
  const umask = process.umask(0o077);
  try {
    const extraction = extract(t, EVERYTHING);
    assert.deepEqual([listTree(extraction.tree), extraction.lines()], [results[0]!.tree, results[0]!.lines]);
  } finally {
    process.umask(umask);
  }
});

test('extraction D1 the outcome tells what came out, and the head of the sidecar says the same', (t) => {
  const extraction = extract(t, EVERYTHING, { compression: 'gzip' });
  const facts = { unpackedBytes: EVERYTHING.length, entries: 13, composeRequired: true };
  assert.deepEqual(extraction.outcome.kind === 'done' && extraction.outcome.facts, facts);
  assert.deepEqual(warned(extraction), ['H6']);
  const head = parseSidecarHead(Buffer.from(extraction.sidecar())) ?? assert.fail('no head');
  const { digest, diffId, unpackedBytes, entries, composeRequired, stat } = head;
  assert.deepEqual({ unpackedBytes, entries, composeRequired }, facts);
  assert.deepEqual(
    [digest, diffId, stat],
    [digestOf(compress(EVERYTHING, 'gzip')), digestOf(EVERYTHING), 'containers'],
  );
});

test('extraction T17 S20 an empty layer is a root with its xattr', (t) => {
  for (const tar of [new Uint8Array(0), layer()]) {
    const extraction = extract(t, tar);
    assert.equal(verdict(extraction), 'done');
    assert.deepEqual(listTree(extraction.tree), ['. dir 0755 0:0:040755']);
  }
});

test('extraction D3 blob and diffID have their own algorithms', (t) => {
  const tar = layer(file('f', 'x'));
  const blob = compress(tar, 'gzip');
  const digests = { digest: digestOf(blob, 'sha512'), diffId: digestOf(tar, 'sha384') };
  assert.equal(verdict(extract(t, tar, { blob, ...digests })), 'done');
  assert.equal(verdict(extract(t, tar, { blob, ...digests, diffId: digestOf(blob, 'sha384') })), 'DIFF_ID_MISMATCH D2');
  assert.equal(verdict(extract(t, tar, { blob, ...digests, digest: digestOf(tar, 'sha512') })), 'DIGEST_MISMATCH D1');
});

const TAR = layer(file('f', 'x'.repeat(1000)), file('g', 'y'));
const OTHER = digestOf(Buffer.from('other'));

const VERIFIED: readonly (readonly [string, ExtractOptions, string])[] = [
  ['D1 D4 another digest', { digest: OTHER }, 'DIGEST_MISMATCH'],
  ['D2 D4 another diffID', { diffId: OTHER }, 'DIFF_ID_MISMATCH'],
  ['D1 a byte more than promised', { sizeBytes: TAR.length - 1 }, 'SIZE_MISMATCH'],
  ['D1 a byte less than promised', { sizeBytes: TAR.length + 1 }, 'SIZE_MISMATCH'],
  ['D5 a cut tar whose digest is wrong', { blob: TAR.subarray(0, 700), digest: OTHER }, 'DIGEST_MISMATCH'],
  [
    'D2 T11 bytes behind the end mark that the diffID does not know',
    { blob: Buffer.concat([TAR, Buffer.alloc(512)]) },
    'DIFF_ID_MISMATCH',
  ],
  [
    'C3 something behind the last member',
    { blob: Buffer.concat([compress(TAR, 'gzip'), Buffer.from('x')]) },
    'COMPRESSION_MALFORMED',
  ],
  ['C4 a cut member', { blob: compress(TAR, 'gzip').subarray(0, -1) }, 'COMPRESSION_MALFORMED'],
  ['E22 a digest that is a path', { digest: 'sha256:../../x' }, 'DIGEST_INVALID'],
  ['X8 something that is no tar', { blob: Buffer.alloc(1024, 'x') }, 'TAR_MALFORMED'],
];

for (const [title, options, code] of VERIFIED) {
  test(`extraction ${title}: ${code}, nothing is left`, (t) => {
    const extraction = extract(t, TAR, options);
    assertRefused(extraction, code);
    assert.ok(extraction.outcome.kind === 'failed');
    assert.equal(
      extraction.outcome.error.detail.layer,
      options.digest ?? digestOf(options.blob ?? compress(TAR, options.compression ?? 'none')),
    );
  });
}

test('extraction T11 bytes behind the end mark are hashed, not extracted, and warn', (t) => {
  const tar = Buffer.concat([TAR, layer(file('hidden', 'x'))]);
  const extraction = extract(t, tar);
  assert.equal(verdict(extraction), 'done');
  assert.deepEqual(warned(extraction), ['T11']);
  assert.equal(existsSync(join(extraction.tree, 'hidden')), false);
});

test('extraction X a refusal carries layer, entry, raw bytes, offset and rule', (t) => {
  const name = Buffer.concat([Buffer.from([0xff, 0x0a]), Buffer.alloc(256, 'x')]);
  const { outcome } = extract(t, layer(file('before', 'x'), file(name, '', { format: 'gnu' })));
  assert.ok(outcome.kind === 'failed');
  const { code, detail } = outcome.error;
  assert.deepEqual([code, detail.rule, detail.entryBase64], ['NAME_REFUSED', 'X3', name.toString('base64')]);
  assert.ok(detail.entry?.startsWith('\\377\\012xxx'));
  assert.equal(detail.offset, 1024 + 1024);
  assert.match(detail.layer ?? '', /^sha256:/);
});

interface BudgetCase {
  readonly title: string;
  readonly tar: Uint8Array;
  readonly rule: string;
  readonly option: keyof Budget;
  readonly exact: number;
  readonly options?: ExtractOptions;
}

const HOLEY = layer(
  sparse('holey', [{ offset: 0, bytes: Buffer.from('x') }], { realBytes: 1_000_000 }),
  file('f', 'y'),
);

const BUDGETS: readonly BudgetCase[] = [
  { title: 'the stream', tar: TAR, rule: 'B2', option: 'maxUnpackedBytes', exact: TAR.length },
  {
    title: 'the stream, out of gzip',
    tar: TAR,
    rule: 'B2',
    option: 'maxUnpackedBytes',
    exact: TAR.length,
    options: { compression: 'gzip' },
  },
  { title: 'the sum of sizes, holes included', tar: HOLEY, rule: 'B2', option: 'maxUnpackedBytes', exact: 1_000_001 },
  { title: 'one file', tar: TAR, rule: 'B3', option: 'maxFileBytes', exact: 1000 },
  { title: 'one sparse file', tar: HOLEY, rule: 'B3', option: 'maxFileBytes', exact: 1_000_000 },
  { title: 'headers', tar: TAR, rule: 'B4', option: 'maxEntries', exact: 2 },
  {
    title: 'meta headers',
    tar: parseLayer('pax path=a\nfile x\ngnuname b\nfile y\nglobal comment=c'),
    rule: 'B4',
    option: 'maxEntries',
    exact: 5,
  },
  {
    title: 'implied directories',
    tar: parseLayer('file a/b/c/d "x"\nfile a/b/e "y"'),
    rule: 'B4',
    option: 'maxEntries',
    exact: 5,
  },
  {
    title: 'one name again and again',
    tar: layer(...Array.from({ length: 600 }, () => file('f', 'x'))),
    rule: 'B4',
    option: 'maxEntries',
    exact: 600,
  },
  {
    title: 'a long name',
    tar: layer(file('n/'.repeat(100) + 'n', 'x', { format: 'gnu' })),
    rule: 'B5',
    option: 'maxMetaBytes',
    exact: 202,
  },
];

for (const { title, tar, rule, option, exact, options } of BUDGETS) {
  test(`extraction ${rule} ${title}: exactly ${exact} passes, one less is refused and leaves nothing`, (t) => {
    assert.equal(verdict(extract(t, tar, { ...options, budget: { [option]: exact } })), 'done');
    const extraction = extract(t, tar, { ...options, budget: { [option]: exact - 1 } });
    assertRefused(extraction, 'BUDGET_EXCEEDED');
    const { detail } = extraction.outcome.kind === 'failed' ? extraction.outcome.error : assert.fail();
    assert.deepEqual([detail.rule, detail.limit], [rule, { option, value: exact - 1 }]);
  });
}

test('extraction T17 of two faults the first one is named, wherever the pushes end', (t) => {
  const first = layer(symlink('loop', 'loop'), file('loop/x', 'y'), end(0));
  const faults: readonly Buffer[] = [
    Buffer.alloc(512, 'no header'),
    layer(file('../..', '')),
    layer(pax({ path: 'cut' }), end(0)),
    layer(symlink('l', '')),
  ];
  for (const second of faults) {
    const tar = Buffer.concat([first, second]);
    for (const chunkBytes of [1, 512, 1024, tar.length]) {
      const extraction = extract(t, tar, { chunkBytes });
      assertRefused(extraction, 'NAME_REFUSED');
      assert.ok(extraction.outcome.kind === 'failed');
      const { rule, offset } = extraction.outcome.error.detail;
      assert.deepEqual([rule, offset], ['X4', 512], `pushes of ${chunkBytes}`);
    }
  }
});

test('extraction C4 C5 D5 T17 damage of the packed bytes is named before that of the tar in them, by every decoder', (t) => {
  const content = createRandom(5).bytes(700_000);
  const tar = layer(file('a', 'b'), raw(Buffer.alloc(512, 'no header')), file('c', content));
  const plain = [file('a', 'b'), file('c', content)];
  for (const decoder of decoders()) {
    for (const compression of ['gzip', 'gzip-members', 'zstd-stored'] as const) {
      for (const [bytes, whole] of [
        [tar, 'TAR_MALFORMED T1'],
        [layer(...plain, file('.wh.', '')), 'ENTRY_REFUSED X5'],
      ] as const) {
        const blob = compress(bytes, compression);
        const damaged = Buffer.from(blob);
        damaged[blob.length - 8]! ^= 1;
        const cut = blob.subarray(0, -1);
        const rule = compression === 'zstd-stored' ? 'C5' : 'C4';
        for (const pipeline of ['one', 'split'] as const) {
          for (const chunkBytes of [5000, blob.length]) {
            const how = `${decoder} ${compression} ${pipeline} pushes of ${chunkBytes}`;
            const given = { decoder, compression, pipeline, chunkBytes };
            assert.equal(verdict(extract(t, bytes, { ...given, blob })), whole, how);
            assert.equal(verdict(extract(t, bytes, { ...given, blob: cut })), `COMPRESSION_MALFORMED ${rule}`, how);
            if (rule === 'C5') continue; // its blocks have no checksum
            assert.equal(verdict(extract(t, bytes, { ...given, blob: damaged })), `COMPRESSION_MALFORMED ${rule}`, how);
          }
        }
      }
    }
  }
});

test('extraction B2 D5 a budget that is exceeded after a fault of the tar ends the decoding, and the fault stands', (t) => {
  const tar = layer(raw(Buffer.alloc(512, 'no header')), file('c', Buffer.alloc(3_000_000)));
  const blob = compress(tar, 'gzip');
  blob[blob.length - 8]! ^= 1;
  const given = { compression: 'gzip', blob, budget: { maxUnpackedBytes: 1_000_000 } } as const;
  for (const pipeline of ['one', 'split'] as const)
    assert.equal(verdict(extract(t, tar, { ...given, pipeline })), 'TAR_MALFORMED T1');
});

test('what a layer took of the addon is given back when it is done or refused: no turn of an event loop does it', (t) => {
  const addon = native();
  const { inflaterOpen, inflaterClose, writerOpen, writerClose } = addon;
  const open = new Set<unknown>();
  let opened = 0;
  const noted = <Handle>(handle: Handle): Handle => {
    open.add(handle);
    opened++;
    return handle;
  };
  t.mock.method(addon, 'inflaterOpen', (name: string) => noted(inflaterOpen(name)));
  t.mock.method(addon, 'writerOpen', (...args: Parameters<typeof writerOpen>) => noted(writerOpen(...args)));
  t.mock.method(addon, 'inflaterClose', (handle: Parameters<typeof inflaterClose>[0]) => {
    open.delete(handle);
    inflaterClose(handle);
  });
  t.mock.method(addon, 'writerClose', (handle: Parameters<typeof writerClose>[0]) => {
    open.delete(handle);
    writerClose(handle);
  });
  const cut = compress(EVERYTHING, 'gzip').subarray(0, -20);
  assert.equal(verdict(extract(t, EVERYTHING, { compression: 'gzip' })), 'done');
  assert.equal(verdict(extract(t, EVERYTHING, { compression: 'gzip', blob: cut })), 'COMPRESSION_MALFORMED C4');
  assert.equal(verdict(extract(t, layer(file('..')), { compression: 'gzip' })), 'ENTRY_REFUSED X1');
  assert.deepEqual([opened, open.size], [6, 0]);
});

test('extraction M16 T17 a warning names the file as it was resolved, wherever the pushes end', (t) => {
  const tar = layer(
    dir('real'),
    symlink('link', 'real'),
    file('link/f', 'x', { xattrs: { 'user.big': 'v'.repeat(70_000) } }),
  );
  for (const chunkBytes of [1, 512, tar.length]) {
    const { outcome } = extract(t, tar, { chunkBytes });
    const [warning] = outcome.warnings.filter(({ rule }) => rule === 'M16');
    assert.deepEqual(
      warning?.first.map(({ entry }) => entry),
      ['real/f'],
      `pushes of ${chunkBytes}`,
    );
  }
});

test('extraction B6 C6 a bomb is refused by its ratio', (t) => {
  const tar = layer(file('zeros', Buffer.alloc(3_000_000)));
  const extraction = extract(t, tar, { compression: 'gzip', budget: { maxRatio: 100, ratioGraceBytes: 1_000_000 } });
  assertRefused(extraction, 'BUDGET_EXCEEDED');
  assert.equal(verdict(extraction), 'BUDGET_EXCEEDED B6');
});

test('extraction B3 D5 a budget ends the layer at once, whatever the digest', (t) => {
  assertRefused(extract(t, TAR, { digest: OTHER, budget: { maxFileBytes: 999 } }), 'BUDGET_EXCEEDED');
});

test('extraction M5 the form for libkrun, and the sidecar alone', (t) => {
  const tar = parseLayer('char c 0666 259,70000\nblock b 0660 8,1\nfifo p 0644\nfile f "x" 04755 5:6');
  const libkrun = extract(t, tar, { stat: 'libkrun' });
  const device = ((70000 & 0xff) | (259 << 8) | ((70000 & ~0xff) << 12)) >>> 0;
  assert.deepEqual(listTree(libkrun.tree).slice(1), [
    'b file "" 0600 0:0:060660:2049',
    `c file "" 0600 0:0:020666:${device}`,
    'f file "x" 0755 5:6:0104755',
    'p file "" 0600 0:0:010644',
  ]);
  const sidecar = extract(t, tar, { stat: 'sidecar' });
  assert.deepEqual(listTree(sidecar.tree), [
    '. dir 0755 -',
    'b file "" 0600 -',
    'c file "" 0600 -',
    'f file "x" 0755 -',
    'p file "" 0600 -',
  ]);
  assert.deepEqual(sidecar.lines(), libkrun.lines(), 'the sidecar holds the true values in both');
});

test('a layer that was cancelled before it began is ABORTED and leaves nothing', (t) => {
  const control = openControl();
  control.abort();
  assertRefused(extract(t, TAR, { control }), 'ABORTED');
});

test('progress is reported as it goes', (t) => {
  const control = openControl();
  extract(t, EVERYTHING, { control });
  assert.deepEqual(control.progress(), {
    packedBytes: EVERYTHING.length,
    unpackedBytes: EVERYTHING.length,
    entries: 13,
  });
});

test('a file system that was synced has the same layer', (t) => {
  const extraction = extract(t, TAR, { sync: createSyncGroup() });
  assert.equal(verdict(extraction), 'done');
  assert.equal(readFileSync(join(extraction.tree, 'g'), 'utf8'), 'y');
});

test('a decoder that is missing fails the layer as what it is', (t) => {
  const missing = (['isal', 'zlib'] as const).find((name) => !decoders().includes(name));
  if (missing) assertRefused(extract(t, TAR, { compression: 'gzip', decoder: missing }), 'DECODER_MISSING');
});

/** Whether this process may set an attribute of that name here. */
function isPermitted(t: TestContext, name: string, value: Uint8Array): boolean {
  const path = join(temporaryDirectory(t), 'probe');
  writeFileSync(path, '');
  try {
    native().xattrSet(Buffer.from(path), Buffer.from(name), value);
    return true;
  } catch {
    return false;
  }
}

const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const ACL = Buffer.from(
  '0200000001000400ffffffff02000600e80300000400040' + '0ffffffff10000600ffffffff20000000ffffffff',
  'hex',
);

for (const [name, value] of [
  ['trusted.sluice', Buffer.from('t')],
  ['security.capability', CAPABILITY],
  ['system.posix_acl_access', ACL],
] as const) {
  test(`extraction M13 M15 ${name} is set for those who ask and may, and is listed in any case`, (t) => {
    const may = isPermitted(t, name, value);
    const tar = layer(file('f', 'x', { mode: 0o640, xattrs: { [name]: value } }), file('g', 'y', { mode: 0o640 }));
    for (const privilegedXattrs of [false, true]) {
      const extraction = extract(t, tar, { privilegedXattrs });
      const isSet = may && privilegedXattrs;
      assert.equal(verdict(extraction), 'done');
      const listed = extraction.lines().find((line) => line.startsWith('#sluice.xattr'));
      assert.equal(listed, `#sluice.xattr ${isSet ? 'set' : 'kept'} ${name} ${value.toString('base64')}`);
      const real = native().xattrGet(Buffer.from(join(extraction.tree, 'f')), Buffer.from(name));
      assert.equal(real !== null, isSet);
      assert.deepEqual(warned(extraction), privilegedXattrs && !may ? ['M16'] : []);
      assert.equal(statSync(join(extraction.tree, 'f')).mode & 0o700, 0o600, 'its owner may read and write it');
      assert.equal(overrideOf(join(extraction.tree, 'f')), '0:0:0100640');
    }
  });
}

test('extraction M14 S5 a label is listed and never set', (t) => {
  const label = Buffer.from('system_u:object_r:usr_t:s0');
  const extraction = extract(t, layer(file('f', 'x', { xattrs: { 'security.selinux': label } })), {
    privilegedXattrs: true,
  });
  assert.deepEqual([verdict(extraction), warned(extraction)], ['done', []]);
  assert.ok(extraction.lines().includes(`#sluice.xattr kept security.selinux ${label.toString('base64')}`));
});

test('extraction O1 M15 a directory that comes again loses the attributes of the earlier entry, privileged ones too', (t) => {
  const first = dir('d', { xattrs: { 'user.a': '1', 'trusted.sluice': '2' } });
  const extraction = extract(t, layer(first, dir('d', { mode: 0o700 })), { privilegedXattrs: true });
  assert.equal(verdict(extraction), 'done');
  const names = native()
    .xattrList(Buffer.from(join(extraction.tree, 'd')))
    .map(String);
  assert.deepEqual(
    names.filter((name) => name !== 'security.selinux'),
    ['user.containers.override_stat'],
  );
  assert.deepEqual(
    extraction.lines().filter((line) => line.includes('xattr')),
    [],
  );
});
