import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs } from '../helpers/needs.js';
import { importLayers, textOf, type ImportedImage } from './imported-image.js';

const skip = needs('mtree');

const HOSTILE = String.raw`
  dir   ./                    0711 1:2                      mtime=-1.5
  file  "new\nline"           0600        "1"               mtime=1.000000009
  file  "#hash"               04755 3:4   "12"              mtime=1600000000.123456789
  file  "[b]"                             "123"
  file  "st*r"                            "1234"
  file  "wh?t"                            "12345"
  file  "back\\slash"                     "123456"
  file  "a space"                         "1234567"         mtime=-0.000000001
  file  hex:ff fe                         "12345678"
  file  "-dash"                           "123456789"
  file  "tab\tand=equals"                 ""
  dir   "-d #[*?]\\\n"        01777 0:50                    mtime=-86400.25
  file  "-d #[*?]\\\n/\xff\n"             "deep"            mtime=-2.5
  file  first                 0640 7:7    "one inode"       mtime=5.5
  link  second                -> first    0640 7:7          mtime=5.5
  link  "d/thi\nrd"           -> first    0640 7:7          mtime=5.5
  sym   "s#"                  -> "a b\n#[" 8:8              mtime=-5.5
  sym   odd                   -> /x       0644 9:9
  link  odd2                  -> odd      0644 9:9
  char  dev/null              0666        1,3               mtime=10
  block dev/sda               0660 0:6    8,0               mtime=11
  fifo  run/pipe              0600                          mtime=12
  wh    gone                  0600 9:9                      mtime=13
  opq   hidden
  file  hidden/seen                       "x"
  wh    "w[h\n"
  wh    twice
  file  twice/x                           "folded"
  file  early                             ""                mtime=-3000000000.25
  file  late                              ""                mtime=20000000000.5
  dir   closed                0000
  file  closed/shut           0000        "0"
`;

interface Checked {
  readonly status: number | null;
  readonly output: string;
}

/** Runs mtree on a layer's directory with the layer's host view. @param at place of the layer, from the bottom */
async function check({ sluice, image }: ImportedImage, at = 0): Promise<Checked> {
  const { digest, path } = image.layers[at]!;
  const input = Buffer.from(await textOf(sluice.sidecar(digest, { host: true })), 'latin1');
  const { status, stdout, stderr } = spawnSync('mtree', ['-p', path], { input, timeout: 60_000 });
  return { status, output: `${stdout.toString('latin1')}${stderr.toString('latin1')}` };
}

test('extraction N1 M5 M17 M18 H1 W2 W4 the host view of a fresh layer passes mtree', { skip }, async (t) => {
  assert.deepEqual(await check(await importLayers(t, [HOSTILE])), { status: 0, output: '' });
});

test(
  'extraction P1 P3 the host view passes when implied directories took times of lower layers',
  { skip },
  async (t) => {
    const imported = await importLayers(t, [
      'dir etc 0750 3:4 mtime=1234.5\nfile etc/a "1"\nfile new/b "2"',
      'file etc/c "3" mtime=9\nfile other/d "4"',
    ]);
    assert.deepEqual(await check(imported, 0), { status: 0, output: '' });
    assert.deepEqual(await check(imported, 1), { status: 0, output: '' });
  },
);

interface Damage {
  readonly what: string;
  /** What happens to the layer's directory. */
  readonly change: (directory: string) => void;
  readonly path: string;
  readonly says: RegExp;
}

const DAMAGES: readonly Damage[] = [
  {
    what: 'a changed byte',
    change: (directory) => {
      const path = join(directory, 'usr/file');
      const bytes = readFileSync(path);
      bytes[2]! ^= 1;
      writeFileSync(path, bytes);
    },
    path: 'usr/file',
    says: /modification time/,
  },
  {
    what: 'a removed hard link',
    change: (directory) => rmSync(join(directory, 'usr/second')),
    path: 'usr/second',
    says: /usr\/first: \n\tlink count \(2, 1\)[^]*missing: \.\/usr\/second/,
  },
  {
    what: 'a removed symlink',
    change: (directory) => rmSync(join(directory, 'usr/sym')),
    path: 'usr/sym',
    says: /missing: \.\/usr\/sym/,
  },
  {
    what: 'a changed time',
    change: (directory) => utimesSync(join(directory, 'usr/file'), 0, 1_500_000_001),
    path: 'usr/file',
    says: /modification time/,
  },
];

for (const { what, change, path, says } of DAMAGES) {
  test(`extraction §13 mtree finds ${what} by the host view`, { skip }, async (t) => {
    const imported = await importLayers(t, [
      'dir usr mtime=9\nfile usr/file "content" mtime=1500000000\nfile usr/first "x"\nlink usr/second -> usr/first\nsym usr/sym -> x',
    ]);
    assert.deepEqual(await check(imported), { status: 0, output: '' });
    change(imported.directories[0]!);
    const { status, output } = await check(imported);
    assert.equal(status, 2, output);
    assert.ok(output.includes(path), output);
    assert.match(output, says);
  });
}
