import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { buildImage, file, layer, startRegistry, type TestRegistry } from '../src/testing/index.js';
import { temporaryDirectory } from './helpers/temporary.js';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

let work: string;
let tarball: string;
let registry: TestRegistry;
let reference: string;
const undo: (() => void | Promise<void>)[] = [];

before(async () => {
  work = temporaryDirectory({ after: (step) => undo.push(step) }, 'sluice-package');
  const packed = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', work], {
    cwd: root,
    maxBuffer: 2 ** 26,
  });
  assert.match(packed.stdout, /xattr-native/);
  tarball = join(
    work,
    readdirSync(work).find((name) => name.endsWith('.tgz'))!,
  );
  registry = await startRegistry();
  reference = registry.push('org/app', '1', buildImage({ layers: [{ tar: layer(file('hello', 'world')) }] }));
  await packBuiltSqlite(join(work, 'prebuilds'));
});

after(async () => {
  await registry?.close();
  for (const step of undo) await step();
});

/** sqlite3 as it was built for this project, in the form its own installer takes: compiling it again would prove nothing. */
async function packBuiltSqlite(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { stdout } = await run(process.execPath, ['-p', 'require("sqlite3/package.json").version'], { cwd: root });
  for (const napi of [3, 6]) {
    const name = `sqlite3-v${stdout.trim()}-napi-v${napi}-${process.platform}-${process.arch}.tar.gz`;
    await run('tar', [
      '-czf',
      join(folder, name),
      '-C',
      join(root, 'node_modules/sqlite3'),
      'build/Release/node_sqlite3.node',
    ]);
  }
}

async function install(name: string, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"name":"consumer","private":true}');
  const env = { ...process.env, npm_config_sqlite3_local_prebuilds: join(work, 'prebuilds'), ...environment };
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], {
    cwd: folder,
    env,
    maxBuffer: 2 ** 26,
  });
  return folder;
}

async function sluice(folder: string, ...words: readonly string[]): Promise<Ended> {
  const command = join(folder, 'node_modules/.bin/sluice');
  const home = join(folder, 'home');
  try {
    const { stdout, stderr } = await run(command, [...words, '--home', home], { cwd: folder });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

test('the packed project, installed into an empty folder, pulls an image by command and by library', async () => {
  const folder = await install('complete');
  const pulled = await sluice(folder, 'pull', '--plain-http', reference);
  assert.deepEqual([pulled.status, pulled.stdout], [0, ''], pulled.stderr);
  const listed = await sluice(folder, 'layers', reference);
  assert.ok(existsSync(join(listed.stdout.trim(), 'hello')), listed.stderr);

  const script = `
    import { Sluice } from 'sluice';
    import { startRegistry } from 'sluice/testing';
    await using sluice = await Sluice.open({ home: 'library-home' });
    const image = await sluice.pull('${reference}', { plainHttp: ['${registry.host}'] });
    console.log(image.layers.length, typeof startRegistry);
  `.replace('await using', 'const');
  writeFileSync(join(folder, 'use.mjs'), `${script}\nawait sluice.close();`);
  const { stdout } = await run(process.execPath, ['use.mjs'], { cwd: folder });
  assert.equal(stdout.trim(), '1 function');
});

test('where the addon cannot be built the install succeeds, and pulls end with ADDON_MISSING', async () => {
  const compilers = join(work, 'compilers');
  mkdirSync(compilers);
  const path = join(compilers, 'cc');
  writeFileSync(path, '#!/bin/sh\necho "no compiler here" >&2\nexit 1\n');
  chmodSync(path, 0o755);
  for (const name of ['gcc', 'c++', 'g++', 'make']) symlinkSync('cc', join(compilers, name));
  const env = { PATH: `${compilers}:${process.env['PATH']}`, CC: path, CXX: path };
  const folder = await install('without-addon', env);
  const pulled = await sluice(folder, 'pull', '--plain-http', reference);
  assert.equal(pulled.status, 1, pulled.stderr);
  assert.match(pulled.stderr, /^error\[ADDON_MISSING\]: .*\nhint: .*g\+\+/m);
  assert.equal((await sluice(folder, 'ls')).status, 0);
  const doctor = await sluice(folder, 'doctor');
  assert.equal(doctor.status, 0, doctor.stderr);
  assert.match(doctor.stdout, /addon/);
});
