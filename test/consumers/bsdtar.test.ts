import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { needs } from '../helpers/needs.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { importLayers } from './imported-image.js';

const LAYER = String.raw`
  dir   ./              0711 1:2                   mtime=-1.5
  file  bin/su          04755 0:42     "root"      mtime=1600000000.123456789
  link  bin/su2         -> bin/su      04755 0:42  mtime=1600000000.123456789
  dir   tmp             01777                      mtime=86400
  sym   run             -> "/a b\n" 33:33          mtime=172800.5
  char  dev/null        0666           1,3         mtime=1000000000
  block dev/sda1        0660 0:6       259,1048575
  fifo  dev/pipe        0600 4294967294:2097152
  file  "new\nline #[*?]\\" 0640       "1234567"
  file  hex:ff fe       0000           "x"
  file  -dash           02755          ""
  wh    gone            0600 9:9
  opq   etc
  file  secret          xattr:user.note=hex:00ff0a xattr:security.capability=hex:0102 "y"
  link  deferred        -> in/a/lower/layer
`;

/** Columns are set apart by one blank here. */
const LISTING = String.raw`
drwx--x--x 0 1 2 0 Dec 31 1969 .
-rwxr-sr-x 0 0 0 0 Jan 1 1970 ./-dash
-rw------- 0 9 9 0 Jan 1 1970 ./.wh.gone
drwxr-xr-x 0 0 0 0 Jan 1 1970 ./bin
-rwsr-xr-x 2 0 42 4 Sep 13 2020 ./bin/su
-rwsr-xr-x 2 0 42 4 Sep 13 2020 ./bin/su2
drwxr-xr-x 0 0 0 0 Jan 1 1970 ./dev
crw-rw-rw- 0 0 0 1,3 Sep 9 2001 ./dev/null
prw------- 0 4294967294 2097152 0 Jan 1 1970 ./dev/pipe
brw-rw---- 0 0 6 259,1048575 Jan 1 1970 ./dev/sda1
drwxr-xr-x 0 0 0 0 Jan 1 1970 ./etc
-rw-r--r-- 0 0 0 0 Jan 1 1970 ./etc/.wh..wh..opq
-rw-r----- 0 0 0 7 Jan 1 1970 ./new\nline #[*?]\\
lrwxrwxrwx 0 33 33 0 Jan 3 1970 ./run -> /a b\n
-rw-r--r-- 0 0 0 1 Jan 1 1970 ./secret
drwxrwxrwt 0 0 0 0 Jan 2 1970 ./tmp
---------- 0 0 0 1 Jan 1 1970 ./\377\376
`;

test(
  'extraction §13 bsdtar lists a sidecar from another directory without a warning',
  { skip: needs('bsdtar') },
  async (t) => {
    const { directories } = await importLayers(t, [LAYER]);
    const sidecar = directories[0]!.replace(/\.extracted$/, '.mtree');
    const { status, stdout, stderr } = spawnSync('bsdtar', ['-tvf', sidecar], {
      cwd: temporaryDirectory(t, 'sluice-elsewhere'),
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
      encoding: 'latin1',
      timeout: 60_000,
    });
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout.replace(/ +/g, ' '), LISTING.slice(1));
  },
);
