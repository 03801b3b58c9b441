import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { doctor } from '../../src/index.js';
import { temporaryDirectory } from '../helpers/temporary.js';
import { createCommandLine } from './command.js';

/** A machine on which nothing optional was built. */
const WITHOUT_ADDON = encodeURIComponent(`
  import Module from 'node:module';
  const load = Module._load;
  Module._load = (name, ...rest) => {
    if (/^(xattr-native|zstd-napi)/.test(name)) throw Object.assign(new Error(name), { code: 'MODULE_NOT_FOUND' });
    return load(name, ...rest);
  };
`);

/** A machine without ISA-L, as the addon finds it. */
const WITHOUT_ISAL = encodeURIComponent(`
  import { createRequire } from 'node:module';
  createRequire(${JSON.stringify(import.meta.url)})('xattr-native').inflaters = () => ['zlib'];
`);

test('a machine that has all of it has no problems, and nothing stays behind', async (t) => {
  const home = join(temporaryDirectory(t), 'home');
  const absent = await doctor({ home });
  assert.deepEqual(absent.home, { path: home, exists: false, isWritable: true });
  assert.equal(existsSync(home), false);
  mkdirSync(home);
  const there = await doctor({ home });
  assert.deepEqual(there.home, { path: home, exists: true, isWritable: true });
  assert.deepEqual(readdirSync(home), []);
  assert.deepEqual(there.problems, []);
  assert.equal(there.fileSystem.hasUserXattrs, true);
  assert.equal(there.fileSystem.foldsNames, false);
  assert.equal(typeof there.fileSystem.hasReflinks, 'boolean');
  assert.equal(typeof there.hasOpenat2, 'boolean');
  assert.equal(there.decoders.at(-1), 'pako');
  assert.equal(there.isZstdFound, true);
});

test('where a decoder could be faster, the doctor says what to install', async (t) => {
  const line = createCommandLine(t);
  const { status, stdout } = await line.run(['doctor'], {
    nodeWords: ['--import', `data:text/javascript,${WITHOUT_ISAL}`],
  });
  assert.equal(status, 0);
  assert.match(stdout, /^decoders +zlib, pako$/m);
  assert.match(stdout, /^zstd +found$/m);
  assert.match(stdout, /^advice: .*libisal-dev/m);
});

test('a home that cannot be written is a problem', async () => {
  const report = await doctor({ home: '/proc/sluice' }); // where not even root makes files
  assert.equal(report.home.isWritable, false);
  assert.deepEqual(
    report.problems.map(({ code }) => code),
    ['STORE_FAILED'],
  );
});

test('without the addon the doctor says what to install, and what only reads works', async (t) => {
  const line = createCommandLine(t);
  const nodeWords = ['--import', `data:text/javascript,${WITHOUT_ADDON}`];
  const { status, stdout, stderr } = await line.run(['doctor'], { nodeWords });
  assert.deepEqual([status, stderr], [0, '']);
  assert.match(stdout, /^addon +missing$/m);
  assert.match(stdout, /^decoders +pako$/m);
  assert.match(stdout, /^zstd +missing$/m);
  assert.match(stdout, /^advice: .*zstd-napi/m);
  assert.match(stdout, /^user xattrs +unknown$/m);
  assert.match(stdout, /^problem\[ADDON_MISSING\]: .*\nhint: Install python3, make and g\+\+/m);
  assert.equal((await line.run(['ls'], { nodeWords })).status, 0);
  const pulled = await line.run(['pull', '127.0.0.1:1/x'], { nodeWords });
  assert.equal(pulled.status, 1);
  assert.match((await line.run(['doctor'])).stdout, /^addon +found$/m);
});
