import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SluiceError } from '../../../src/index.js';
import { parseSource } from '../../../src/oci/reference.js';
import { file, layer, parseLayer } from '../../../src/testing/index.js';
import { extract, listTree, verdict } from '../../helpers/extract.js';
import { createGuard } from '../../helpers/guard.js';
import { testLayers, type LayerCase } from '../../helpers/matrix.js';

/** What an image with a hostile layer may hold before. */
const ETC = 'dir etc 0770\nfile etc/passwd "inside"\n';

const NAMES: readonly LayerCase[] = [
  {
    title: 'E1 names that go up stop at the root',
    layer:
      'file ../victim/x "1"\nfile /../victim/y "2"\nfile ../../z "3"\nfile ../victim/canary "4"\ndir ../dest-evil 0777',
    tree: 'dir dest-evil 0777\nimplied victim\nfile victim/canary "4"\nfile victim/x "1"\nfile victim/y "2"\nfile z "3"',
  },
  {
    title: 'E1 absolute names start at the root',
    layer: 'file $HOST/victim/canary "1"\nfile $HOST/victim/x "2"\ndir $HOST/victim/empty 0777',
    tree: 'implied $IN/victim\nfile $IN/victim/canary "1"\nfile $IN/victim/x "2"\ndir $IN/victim/empty 0777',
  },
  {
    title: 'E1 S21 ".." as a directory is the root’s metadata',
    layer: 'dir .. 0700 5:6 mtime=7 xattr:user.a="1"',
    tree: 'dir . 0700 5:6 mtime=7 xattr:user.a="1"',
  },
  {
    title: 'E2 names that only look like ".." are kept',
    layer: 'file ..gitme "1"\nfile a..b "2"\ndir ...../\nfile .../x "3"\nfile ". ." "4"',
    tree: 'file ..gitme "1"\nfile a..b "2"\ndir .....\nimplied ...\nfile .../x "3"\nfile ". ." "4"',
  },
];

const SYMLINKS: readonly LayerCase[] = [
  {
    title: 'E3 a file through an absolute symlink (TestBreakouts SymlinkAbsolute)',
    layer: 'dir etc\nsym localetc -> /etc\nfile localetc/unbroken "1"',
    tree: 'dir etc\nfile etc/unbroken "1"\nsym localetc -> /etc',
  },
  {
    title: 'E3 a file through a symlink that goes up and out (SymlinkUpAndOut)',
    layer: 'dir etc\ndir dummy\nsym localetc -> /dummy/../etc\nfile localetc/unbroken "1"',
    tree: 'dir etc\ndir dummy\nfile etc/unbroken "1"\nsym localetc -> /dummy/../etc',
  },
  {
    title: 'E3 a file through two absolute symlinks (SymlinkMultipleAbsolute)',
    layer: 'dir etc\ndir dummy\nsym dummy/etc -> /etc\nsym localetc -> /dummy/etc\nfile localetc/unbroken "1"',
    tree: 'dir etc\ndir dummy\nsym dummy/etc -> /etc\nsym localetc -> /dummy/etc\nfile etc/unbroken "1"',
  },
  {
    title: 'E3 a file through a relative and an absolute symlink (SymlinkMultipleRelative)',
    layer: 'dir etc\ndir dummy\nsym dummy/etc -> /etc\nsym localetc -> ./dummy/etc\nfile localetc/unbroken "1"',
    tree: 'dir etc\ndir dummy\nsym dummy/etc -> /etc\nsym localetc -> ./dummy/etc\nfile etc/unbroken "1"',
  },
  {
    title: 'E3 a file emptied through a symlink (SymlinkEmptyFile)',
    layer: 'dir etc\nfile etc/emptied "notempty"\nsym localetc -> /etc\nfile localetc/emptied ""',
    tree: 'dir etc\nfile etc/emptied ""\nsym localetc -> /etc',
  },
  {
    title: 'E3 files, directories, links and attributes through an absolute symlink to a victim',
    layer: `
      sym  l            -> $HOST/victim
      file l/canary     0777 "1"   xattr:user.canary="dead"
      dir  l/empty      0000
      sym  l/symlink    -> /
      link l/link       0777 -> l/canary
      fifo l/new
      wh   l/gone
      dir  l/.          0777
    `,
    tree: `
      implied $IN/victim
      file $IN/victim/canary 0777 "1" xattr:user.canary="dead"
      dir  $IN/victim/empty 0000
      sym  $IN/victim/symlink -> /
      link $IN/victim/link -> $IN/victim/canary
      fifo $IN/victim/new
      wh   $IN/victim/gone
      dir  l 0777
    `,
  },
  {
    title: 'E3 a file through relative symlinks to victims',
    layer: 'sym l -> ../victim\nfile l/canary "1"\nsym m -> ../../../../../../etc\nfile m/unbroken "2"',
    tree: 'sym l -> ../victim\nimplied victim\nfile victim/canary "1"\nsym m -> ../../../../../../etc\nimplied etc\nfile etc/unbroken "2"',
  },
  {
    title: 'E4 a slash behind a symlink’s name is dropped',
    layer: 'sym l/ -> ../victim',
    tree: 'sym l -> ../victim',
  },
  ...(
    [
      ['".." (SymlinkParentDirectory)', 'sym .. -> /etc/'],
      ['nothing (SymlinkEmptyFilename)', 'sym "" -> /etc/'],
      ['"sub/.."', 'sym sub/.. -> /etc/'],
      ['"/"', 'sym / -> /etc/'],
    ] as const
  ).map(([name, line]) => ({
    title: `E4 X1 a symlink named ${name} is refused`,
    layer: `${ETC}${line}\nlink localpasswd -> /etc/passwd`,
    refused: 'ENTRY_REFUSED X1',
  })),
  {
    title: 'E4 a symlink at "localetc/sub/.." is one at "localetc" (SymlinkParentRelative)',
    layer: `${ETC}sym localetc/sub/.. -> /etc/\nlink /localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/localpasswd "inside"\nlink etc/passwd -> etc/localpasswd\nsym localetc -> /etc/',
  },
  {
    title: 'E4 a hard link into a directory that ends in a slash (SymlinkSlashEnded)',
    layer: `${ETC}dir localetc/ 0770\nlink /localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\ndir localetc 0770\nlink localetc/localpasswd -> etc/passwd',
  },
  ...['sym . -> /etc', 'sym /. -> /etc', 'file . "x"', 'file /. "x"', 'link . -> etc/passwd'].map((line) => ({
    title: `E5 X1 ${line.split(' ').slice(0, 2).join(' ')} is refused`,
    layer: `${ETC}${line}`,
    refused: 'ENTRY_REFUSED X1',
  })),
  {
    title: 'E6 a symlink through a symlink that goes up, and a file through both',
    layer:
      'sym inner/go_up -> ..\nsym inner/go_up/escape -> ../victim\nfile escape/x "1"\nfile inner/go_up/escape/canary "2"',
    tree: 'implied inner\nsym inner/go_up -> ..\nsym escape -> ../victim\nimplied victim\nfile victim/x "1"\nfile victim/canary "2"',
  },
  {
    title: 'E7 a file through a symlink that goes up, then a symlink in the directory’s place',
    layer: 'sym escape -> ..\nfile escape/absolute/f "1"\nsym absolute -> /target',
    tree: 'sym escape -> ..\nsym absolute -> /target',
  },
  {
    title: 'E7 and a file through that symlink lands in the root',
    layer: 'sym escape -> ..\nfile escape/absolute/f "1"\nsym absolute -> $HOST/victim\nfile absolute/canary "2"',
    tree: 'sym escape -> ..\nsym absolute -> $HOST/victim\nimplied $IN/victim\nfile $IN/victim/canary "2"',
  },
];

const HARD_LINKS: readonly LayerCase[] = [
  {
    title: 'E8 H6 a hard link to a sibling of the root waits for a lower layer',
    layer: 'link stolen -> ../dest-evil/secret\nlink canary -> ../victim/canary',
    tree: 'deferred stolen -> dest-evil/secret\ndeferred canary -> victim/canary',
    warns: 'H6*2',
  },
  {
    title: 'E8 H6 an absolute hard link to a victim waits for a lower layer, its mode reaches nothing',
    layer: 'link l 0777 7:7 -> $HOST/victim/canary mtime=1',
    tree: 'deferred l 0777 7:7 -> $IN/victim/canary mtime=1',
    warns: 'H6',
  },
  {
    title: 'E8 the same names inside the root are linked',
    layer: 'file dest-evil/secret "1"\nlink stolen -> ../dest-evil/secret\nfile stolen "2"',
    tree: 'implied dest-evil\nfile dest-evil/secret "1"\nfile stolen "2"',
  },
  {
    title: 'E9 through a relative symlink (HardlinkRelative)',
    layer: `${ETC}dir breakouts\nsym breakouts/d1 -> ../../etc\nlink breakouts/mypasswd -> /breakouts/d1/passwd`,
    tree: 'dir etc 0770\nlink etc/passwd -> breakouts/mypasswd\ndir breakouts\nsym breakouts/d1 -> ../../etc\nfile breakouts/mypasswd "inside"',
  },
  {
    title: 'E9 down and out (HardlinkDownAndOut)',
    layer: `${ETC}dir breakouts\ndir downandout\nsym breakouts/d1 -> ../downandout/../../etc\nlink breakouts/mypasswd -> /breakouts/d1/passwd`,
    tree: 'dir etc 0770\nlink etc/passwd -> breakouts/mypasswd\ndir breakouts\ndir downandout\nsym breakouts/d1 -> ../downandout/../../etc\nfile breakouts/mypasswd "inside"',
  },
  ...(
    [
      ['an absolute symlink (HardlinkAbsolute)', '/etc'],
      ['a symlink far up (HardlinkRelativeLong)', '../../../../../../../etc'],
    ] as const
  ).map(([title, target]) => ({
    title: `E9 through ${title}`,
    layer: `${ETC}sym localetc -> ${target}\nlink localpasswd -> /localetc/passwd`,
    tree: `dir etc 0770\nfile etc/passwd "inside"\nsym localetc -> ${target}\nlink localpasswd -> etc/passwd`,
  })),
  {
    title: 'E9 H6 up and out of what is not there (HardlinkRelativeUpAndOut)',
    layer: `${ETC}sym localetc -> upandout/../../../etc\nlink localpasswd -> /localetc/passwd`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\nsym localetc -> upandout/../../../etc\ndeferred localpasswd -> localetc/passwd',
    warns: 'H6',
  },
  {
    title: 'E9 up and out of what is there',
    layer: `${ETC}dir upandout\nsym localetc -> upandout/../../../etc\nlink localpasswd -> /localetc/passwd`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\ndir upandout\nsym localetc -> upandout/../../../etc\nlink localpasswd -> etc/passwd',
  },
  ...(
    [
      ['relative (HardlinkDirectRelative)', '../../../../../etc/passwd'],
      ['absolute (HardlinkDirectAbsolute)', '/etc/passwd'],
    ] as const
  ).map(([title, target]) => ({
    title: `E9 S3 direct and ${title}`,
    layer: `${ETC}link localpasswd -> ${target}`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\nlink localpasswd -> etc/passwd',
  })),
  {
    title:
      'E11 H11 a hard link to a symlink links the symlink, dangling until then (HardlinkSymlinkBeforeCreateTarget)',
    layer:
      'dir etc 0770\nsym localpasswd -> /etc/passwd\nlink localpasswd-dup 0777 -> localpasswd\nfile etc/passwd "after"',
    tree: 'dir etc 0770\nfile etc/passwd "after"\nsym localpasswd -> /etc/passwd\nlink localpasswd-dup -> localpasswd',
  },
  ...(
    [
      ['HardlinkSymlinkRelative', '../../../../../etc/passwd'],
      ['HardlinkSymlinkAbsolute', '/etc/passwd'],
    ] as const
  ).map(([title, target]) => ({
    title: `E11 H11 a hard link to a symlink links the symlink (${title})`,
    layer: `${ETC}sym passwdlink -> ${target}\nlink localpasswd 0777 -> /passwdlink`,
    tree: `dir etc 0770\nfile etc/passwd "inside"\nsym localpasswd -> ${target}\nlink passwdlink -> localpasswd`,
  })),
  {
    title: 'E11 mode, attributes and time of such a link go nowhere (HardlinkSymlinkChmod)',
    layer:
      'file t 0600 "t" mtime=1\nsym s -> t\nsym v -> $HOST/victim/canary\nlink l 0777 9:9 -> s mtime=5 xattr:user.canary="x"\nlink m 0777 9:9 -> v mtime=6',
    tree: 'file t 0600 "t" mtime=1\nsym l 9:9 -> t mtime=5 kept:user.canary="x"\nlink s -> l\nsym m 9:9 -> $HOST/victim/canary mtime=6\nlink v -> m',
    warns: 'M16',
  },
  {
    title: 'E12 a file over a hard link is a new one',
    layer: 'file a "1"\nlink b -> a\nfile b "22222"\nlink c -> a\nfile a "333"',
    tree: 'file a "333"\nfile b "22222"\nfile c "1"',
  },
];

const REPLACING: readonly LayerCase[] = [
  {
    title: 'E13 symlink, file, directory and back, nothing is followed',
    layer: `
      file t/canary "t"
      sym  x        -> t
      file x        "1"
      sym  x        -> ../victim
      dir  x        0700
      file x/canary "2"
      sym  x        -> t/canary
      file x        "3"
      sym  x        -> $HOST/victim/canary
      file x        "4"
    `,
    tree: 'implied t\nfile t/canary "t"\nfile x "4"',
  },
  {
    title: 'E13 a symlink in a directory’s place (SymlinkOverrideDirectory)',
    layer: `${ETC}dir localetc\nsym localetc -> /etc\nlink localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/localpasswd "inside"\nlink etc/passwd -> etc/localpasswd\nsym localetc -> /etc',
  },
  {
    title: 'E13 a relative symlink in a directory’s place (SymlinkOverrideDirectoryRelative)',
    layer: `${ETC}dir localetc\nsym localetc -> ../../etc\nlink localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/localpasswd "inside"\nlink etc/passwd -> etc/localpasswd\nsym localetc -> ../../etc',
  },
  {
    title: 'E13 E14 a directory in a symlink’s place (DirectoryOverrideSymlink)',
    layer: `${ETC}sym localetc -> /etc\ndir localetc/\nlink localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\ndir localetc\nlink localetc/localpasswd -> etc/passwd',
  },
  {
    title: 'E13 E14 a directory in a relative symlink’s place (DirectoryOverrideRelativeSymlink)',
    layer: `${ETC}sym localetc -> etc\ndir localetc/\nlink localetc/localpasswd -> /etc/passwd`,
    tree: 'dir etc 0770\nfile etc/passwd "inside"\ndir localetc\nlink localetc/localpasswd -> etc/passwd',
  },
  {
    title: 'E13 E14 a directory in a symlink’s place, a file in a link’s (DirectoryOverrideSymlinkAndHardlink)',
    layer: `${ETC}sym localetc -> etc\nlink localetc/localpasswd -> etc/passwd\ndir localetc/\nfile localetc/localpasswd "different"`,
    tree: 'dir etc 0770\nfile etc/localpasswd "inside"\nlink etc/passwd -> etc/localpasswd\ndir localetc\nfile localetc/localpasswd "different"',
  },
  {
    title: 'E14 P6 a directory over a symlink leaves the target’s mode alone',
    layer: 'dir t 0711\nsym l -> t\ndir l 0777\nsym m -> $HOST/victim\ndir m 0777 xattr:user.canary="x"',
    tree: 'dir t 0711\ndir l 0777\ndir m 0777 xattr:user.canary="x"',
  },
  {
    title: 'E15 names that differ in case or normal form alone are different names',
    layer: 'file A "1"\nfile a "2"\ndir D\nfile d "3"\nfile hex:c3a9 "4"\nfile hex:65cc81 "5"',
    tree: 'file A "1"\nfile a "2"\ndir D\nfile d "3"\nfile "\\xc3\\xa9" "4"\nfile "e\\xcc\\x81" "5"',
  },
  {
    title: 'E17 X3 a chain of symlinks whose names together are too long for realpath',
    layer: [
      ...Array.from({ length: 16 }, (_, i) => `sym ${i}/${'p'.repeat(200)} -> /${i + 1}`),
      `file ${Array.from({ length: 1 }, () => `0/${'p'.repeat(200)}`).join('/')}/${'p'.repeat(200)}/x "1"`,
      `file ${'0/../'.repeat(700)}0/f "2"`,
    ].join('\n'),
    tree: [
      ...Array.from({ length: 16 }, (_, i) => `implied ${i}\nsym ${i}/${'p'.repeat(200)} -> /${i + 1}`),
      'implied 2\nfile 2/x "1"\nfile 0/f "2"',
    ]
      .join('\n')
      .replace('implied 2\nfile 2/x', 'file 2/x'),
  },
  {
    title: 'E17 X3 a path too long once its symlinks are resolved is refused',
    layer: `sym l -> ${Array(15).fill('p'.repeat(250)).join('/')}\nfile l/${Array(3).fill('p'.repeat(250)).join('/')} "x"`,
    refused: 'NAME_REFUSED X3',
  },
  {
    title: 'E17 X4 one symlink more than the kernel follows is refused',
    layer: [
      'dir d',
      ...Array.from({ length: 41 }, (_, i) => `sym s${i} -> ${i === 0 ? '/d' : `./s${i - 1}`}`),
      'file s40/../victim/x "1"',
      'file s40/f "1"',
    ].join('\n'),
    refused: 'NAME_REFUSED X4',
  },
];

const WHITEOUTS: readonly LayerCase[] = [
  {
    title: 'E20 W4 a) a whiteout of a symlink’s name hides the link alone (WhiteoutSymlink)',
    layer: 'wh localetc\ndir etc\nfile etc/passwd "1"',
    tree: 'wh localetc\ndir etc\nfile etc/passwd "1"',
  },
  {
    title: 'E20 b) a marker through a symlink lands in its target (WhiteoutSymlinkPath)',
    layer: 'dir etc\nsym localetc -> /etc\nwh localetc/whitedout\nopq localetc',
    tree: 'dir etc\nsym localetc -> /etc\nwh etc/whitedout\nopq etc',
  },
  {
    title: 'E20 c) a marker through a dangling symlink (WhiteoutDeadSymlinkParent)',
    layer: 'sym localetc -> /dne\nwh localetc/etc',
    tree: 'sym localetc -> /dne\nimplied dne\nwh dne/etc',
  },
  {
    title: 'E20 d) a marker whose name is cleaned (WhiteoutRelativePath)',
    layer: 'file dne/../.wh.etc ""',
    tree: 'wh etc',
  },
  {
    title: 'E20 W6 e) a directory named like a marker is literal (WhiteoutDirectoryName)',
    layer: 'file .wh.etc/somefile "non-empty"',
    tree: 'implied .wh.etc\nfile .wh.etc/somefile "non-empty"',
    warns: 'W6',
  },
  ...['.wh...', 'etc/.wh...', '.wh..', 'etc/.wh..', '.wh.', 'etc/.wh.'].map((name) => ({
    title: `E19 X5 the marker "${name}" is refused (WhiteoutRoot, …Parent, …CurrentDirectory)`,
    layer: `${ETC}file ${name} ""`,
    refused: 'ENTRY_REFUSED X5',
  })),
];

testLayers([...NAMES, ...SYMLINKS, ...HARD_LINKS, ...REPLACING, ...WHITEOUTS], 'compat K9 extraction');

test('extraction E10 a staging tree that is not empty is an error, and what was in it is not followed', (t) => {
  const { host, staging, check } = createGuard(t);
  mkdirSync(join(staging, 'tree'));
  symlinkSync(join(host, 'victim/canary'), join(staging, 'tree/planted'));
  const tar = parseLayer('link stolen -> planted\nfile planted "evil"\nfile stolen "evil"');
  assert.equal(verdict(extract(t, tar, { staging })), 'STORE_FAILED');
  check();
});

for (const walk of [false, true]) {
  test(`extraction E16 a directory swapped for a symlink while its files come (${walk ? 'walk' : 'openat2'})`, (t) => {
    const { host, staging, check } = createGuard(t);
    const tree = join(staging, 'tree');
    const tar = parseLayer('file d/a "1"\nfile d/b zero*600\nfile d/canary "evil"\nfile d/e/f "2"\nlink d/g -> d/a');
    let isSwapped = false;
    const extraction = extract(t, tar, {
      staging,
      walk,
      chunkBytes: 512,
      onChunk: (bytes) => {
        if (isSwapped || bytes < 1536) return;
        isSwapped = true;
        renameSync(join(tree, 'd'), join(tree, 'moved'));
        symlinkSync(join(host, 'victim'), join(tree, 'd'));
      },
    });
    assert.ok(isSwapped);
    check();
    if (extraction.outcome.kind === 'done') assert.ok(listTree(tree).length > 3);
  });
}

test('extraction E18 a link that fails is an error, never a copy through a symlink', (t) => {
  const { host, staging, check } = createGuard(t);
  const tree = join(staging, 'tree');
  const extraction = extract(t, parseLayer('file a "1"\nlink b -> a\nfile c "2"'), {
    staging,
    chunkBytes: 512,
    onChunk: (bytes) => {
      if (bytes !== 1024) return;
      renameSync(join(tree, 'a'), join(tree, 'gone'));
      symlinkSync(join(host, 'victim/canary'), join(tree, 'a'));
    },
  });
  check();
  if (extraction.outcome.kind === 'done') {
    assert.ok(!listTree(tree).some((line) => line.startsWith('b file "canary"')), 'the victim was copied');
  }
});

test('extraction E22 a digest that is a path is refused before any path is joined', (t) => {
  const digests = [
    'sha256:../../x',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `md5:${'a'.repeat(32)}`,
    '',
  ];
  for (const digest of digests) {
    for (const options of [{ digest }, { diffId: digest }]) {
      assert.match(verdict(extract(t, layer(file('f', 'x')), options)), /^DIGEST_INVALID/, digest);
    }
  }
});

test('extraction E23 archives whose manifest names files are no source', () => {
  for (const transport of ['docker-archive', 'oci-archive']) {
    assert.throws(
      () => parseSource(`${transport}:/tmp/image.tar`),
      (error) => error instanceof SluiceError && error.code === 'REFERENCE_INVALID',
    );
  }
});

test('extraction E1 E3 the guard itself notices a change', (t) => {
  const { host, check } = createGuard(t);
  check();
  const canary = join(host, 'victim/canary');
  writeFileSync(canary, readFileSync(canary));
  assert.throws(check, /HOST PATH WAS CHANGED/);
});
