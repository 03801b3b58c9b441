import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { formatPlatform, hostPlatform } from '../../src/oci/platform.js';
import { buildImage, parseLayer, writeOciLayout } from '../../src/testing/index.js';
import { extract, verdict } from '../helpers/extract.js';
import { needs } from '../helpers/needs.js';
import { filesIn, openLab, type Lab } from '../helpers/sluice.js';
import { temporaryDirectory } from '../helpers/temporary.js';

const platform = formatPlatform(hostPlatform());
const long = `${'p'.repeat(120)}/${'q'.repeat(200)}`;

const EVERYTHING: readonly string[] = [
  [
    'dir ./ 0711 1:2 mtime=1600000000',
    'dir etc 02755 3:4 mtime=1600000001',
    'file etc/passwd 0644 0:0 "root:x:0:0\\n" mtime=1600000002',
    'file bin/su 04755 0:0 rand*300K mtime=1600000003.123456789',
    'file bin/ping 0755 0:0 "ping" mtime=-1.5 xattr:security.capability=hex:0100000200ff00 xattr:user.note=hex:00ff0a3d',
    'link bin/su2 -> bin/su 04755 0:0 mtime=1600000003.123456789',
    'char dev/null 0666 0:0 1,3 mtime=5',
    'block dev/sda 0660 0:6 8,1 mtime=5',
    'fifo run/p 0640 7:8 mtime=6',
    'sym lib 0777 5:6 -> usr/lib mtime=7.000000001',
    `file ${long} "long"`,
    `sym longlink -> ${long}`,
    'file hex:ff0a5c20 "bytes"',
    'file big-ids 0600 2097152:4294967294 "x" mtime=8589934592',
    'sparse hole data@1M*512 hole*2M',
    'file gone "x"\nfile d/gone "x"',
  ].join('\n'),
  'wh gone\nwh d/gone\nfile usr/lib/new "n"\nlink passwd2 -> etc/passwd mtime=1600000002\nfile lib/through "t"',
];

async function bring(lab: Lab, texts: readonly string[]): Promise<string> {
  const image = buildImage({ platform, layers: texts.map((text) => ({ tar: parseLayer(text) })) });
  return (await lab.pull(lab.registry.push('org/everything', '1', image))).reference;
}

async function exportTar(lab: Lab, reference: string): Promise<Buffer> {
  const stream = new PassThrough();
  const [bytes] = await Promise.all([buffer(stream), lab.sluice.export(reference, stream)]);
  return bytes;
}

test('extraction W8 what is exported, extracted as one layer, is the composed root to the last line of its sidecar', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, EVERYTHING);
  const root = await lab.sluice.rootfs(reference, join(temporaryDirectory(t), 'root'));
  const extraction = extract(t, await exportTar(lab, reference));
  assert.equal(verdict(extraction), 'done');
  const composed = readFileSync(root.sidecar, 'latin1').split('\n').slice(2, -1);
  assert.deepEqual(
    extraction.lines(),
    composed.filter((line) => line !== '#sluice.implied'),
  );
  assert.deepEqual(filesIn(lab.home, 'staging'), []);
});

test('extraction W8 an image is exported to the same bytes every time', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, EVERYTHING);
  const [first, second] = [await exportTar(lab, reference), await exportTar(lab, reference)];
  assert.ok(first.equals(second));
  assert.equal(first.length % 512, 0);
});

test('extraction W8 GNU tar lists owners, modes, devices and links of an export', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, [EVERYTHING[0]!.replace(/^file hex:ff0a5c20.*$/m, '')]);
  const path = join(temporaryDirectory(t), 'root.tar');
  await lab.sluice.export(reference, path);
  const text = execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', path], { encoding: 'utf8' });
  const lines = text.split('\n').slice(0, -1);
  const listed = lines.map((line) => line.replace(/\s+/g, ' ').replace(/ \d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? /, ' '));
  for (const line of [
    'drwx--x--x 1/2 0 ./',
    'drwxr-sr-x 3/4 0 etc/',
    '-rwsr-xr-x 0/0 307200 bin/su',
    'hrwsr-xr-x 0/0 0 bin/su2 link to bin/su',
    'crw-rw-rw- 0/0 1,3 dev/null',
    'brw-rw---- 0/6 8,1 dev/sda',
    'prw-r----- 7/8 0 run/p',
    'lrwxrwxrwx 5/6 0 lib -> usr/lib',
    `-rw-r--r-- 0/0 4 ${long}`,
    `lrwxrwxrwx 0/0 0 longlink -> ${long}`,
    '-rw------- 2097152/4294967294 1 big-ids',
    'drwxr-xr-x 0/0 0 dev/',
  ]) {
    assert.ok(listed.includes(line), `${line}\n${listed.join('\n')}`);
  }
});

/** Everything of a tree that both have: type, mode, owners, content or target, times of what is no directory. */
function describeTree(root: string, hasOwners: boolean): readonly string[] {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = join(root, path);
    const stat = lstatSync(full, { bigint: true });
    const owner = hasOwners ? `${stat.uid}:${stat.gid}` : '';
    const what = stat.isSymbolicLink()
      ? `-> ${readlinkSync(full)}`
      : stat.isFile()
        ? readFileSync(full).toString('base64').slice(0, 80)
        : '';
    const time = stat.isDirectory() ? '' : String(stat.mtimeNs);
    const links = stat.isDirectory() ? '' : String(stat.nlink);
    lines.push([path, (Number(stat.mode) & 0o177777).toString(8), owner, links, time, what].join(' '));
    if (stat.isDirectory()) for (const name of readdirSync(full).toSorted()) visit(join(path, name));
  };
  visit('');
  return lines.slice(1); // umoci gives the root its own mode
}

test(
  'extraction W8 an export unpacked by GNU tar is what umoci unpacks of the same image',
  { skip: needs('umoci') },
  async (t) => {
    const isRoot = process.getuid?.() === 0;
    const owner = isRoot ? '33:44' : '0:0';
    const layers = [
      [
        `dir etc 0755 ${owner}\nfile etc/a 0640 ${owner} "a" mtime=1600000000.5\nfile etc/b 0600 0:0 "b" mtime=3`,
        'dir bin\nfile bin/su 04755 0:0 "su" mtime=4\nlink bin/su2 -> bin/su 04755 0:0 mtime=4',
        'dir d\nfile d/old "o"\ndir d/e\nfile d/e/f "f"\nsym s -> /etc/a mtime=5\ndir t\nfile t/keep "k"',
      ].join('\n'),
      'dir d 0700 0:0\nopq d\nfile d/new "n" mtime=6\nwh etc/b\ndir t 01777\nfile t/more "m" mtime=7\nfile s "now a file" mtime=8',
      'file bin/su 0755 0:0 "new su" mtime=9\nwh t/keep',
    ];
    const lab = await openLab(t);
    const image = buildImage({ platform, layers: layers.map((text) => ({ tar: parseLayer(text) })) });
    const work = temporaryDirectory(t);
    writeOciLayout(join(work, 'layout'), { v1: image });
    const { reference } = await lab.sluice.import(`oci:${join(work, 'layout')}:v1`);
    await lab.sluice.export(reference, join(work, 'root.tar'));
    mkdirSync(join(work, 'ours'));
    execFileSync('tar', ['--numeric-owner', '-xpf', join(work, 'root.tar'), '-C', join(work, 'ours')]);
    const rootless = isRoot ? [] : ['--rootless'];
    execFileSync('umoci', ['unpack', ...rootless, '--image', `${join(work, 'layout')}:v1`, join(work, 'theirs')]);
    assert.deepEqual(describeTree(join(work, 'ours'), isRoot), describeTree(join(work, 'theirs/rootfs'), isRoot));
  },
);

test('an export that fails leaves neither a file nor a draft, and the file that was there stays', async (t) => {
  const lab = await openLab(t);
  const folder = temporaryDirectory(t);
  const path = join(folder, 'root.tar');
  writeFileSync(path, 'before');
  const reference = await bring(lab, ['file a "1"', 'link b -> nowhere']);
  await assert.rejects(lab.sluice.export(reference, path), (error: { code: string; detail: { image?: string } }) => {
    assert.deepEqual([error.code, error.detail.image], ['ENTRY_REFUSED', reference]);
    return true;
  });
  assert.equal(readFileSync(path, 'utf8'), 'before');
  assert.deepEqual([filesIn(folder), filesIn(lab.home, 'staging')], [['root.tar'], []]);
});

test('an export is aborted while it is sent', async (t) => {
  const lab = await openLab(t);
  const reference = await bring(lab, ['file a rand*3M']);
  const controller = new AbortController();
  const slow = new Writable({ write: () => controller.abort() });
  await assert.rejects(lab.sluice.export(reference, slow, { signal: controller.signal }), { code: 'ABORTED' });
  const path = join(temporaryDirectory(t), 'root.tar');
  await assert.rejects(lab.sluice.export(reference, path, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
  assert.ok(!existsSync(path));
});
