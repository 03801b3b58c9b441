import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { native } from '../../src/native.js';
import type { Cleanup } from './temporary.js';

const BASE = fastDirectory();

/** Where thousands of small layers are made, each with an fsync: in memory, unless all the matrix is asked for. */
export function fastDirectory(): string {
  return process.env['SLUICE_MATRIX'] === 'full' || !isWritable('/dev/shm') ? tmpdir() : '/dev/shm';
}

/** Absolute names that hostile layers of the tests aim at, none of which a machine has. */
const ABSENT = ['/etc/unbroken', '/victim', '/target', '/canary', '/escape', '/..gitme'];

/** A staging directory amid files that nobody may touch. */
export interface Guard {
  /** Absolute path of the directory that holds the staging directory and victims. */
  readonly host: string;
  readonly staging: string;
  /** Fails when anything but the staging directory's `tree` and `mtree` is not what it was. */
  check(): void;
}

/** Victims stand where `../` and `../../` of a layer's root would lead, and wherever an absolute name may point. */
export function createGuard(t: Cleanup): Guard {
  const host = mkdtempSync(join(BASE, 'sluice-guard-'));
  t.after(() => rmSync(host, { recursive: true, force: true }));
  const staging = join(host, 'staging');
  mkdirSync(staging, { mode: 0o700 });
  for (const place of [host, staging]) plantVictims(place);
  const before = snapshot(host);
  return {
    host,
    staging,
    check() {
      assert.deepEqual(snapshot(host), before, 'HOST PATH WAS CHANGED');
      for (const path of ABSENT) {
        assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined, `HOST PATH WAS CHANGED: ${path}`);
      }
    },
  };
}

function plantVictims(place: string): void {
  const victim = join(place, 'victim');
  mkdirSync(join(victim, 'empty'), { recursive: true });
  mkdirSync(join(place, 'dest-evil'));
  writeFileSync(join(victim, 'canary'), 'canary');
  writeFileSync(join(place, 'dest-evil/secret'), 'secret');
  symlinkSync('canary', join(victim, 'symlink'));
  symlinkSync('empty', join(victim, 'directory'));
  linkSync(join(victim, 'canary'), join(victim, 'link'));
  native().xattrSet(Buffer.from(join(victim, 'canary')), Buffer.from('user.canary'), Buffer.from('sings'));
  native().xattrSet(Buffer.from(victim), Buffer.from('user.canary'), Buffer.from('sings'));
  chmodSync(join(victim, 'canary'), 0o640);
  chmodSync(victim, 0o750);
  for (const name of ['canary', 'symlink', 'empty', '']) lutimesSync(join(victim, name), 1_000_000, 1_000_000);
}

/** All that the file system tells of every path, times of change included. */
function snapshot(host: string): readonly string[] {
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = join(host, path);
    const stat = lstatSync(full, { bigint: true });
    // The staging directory itself gains and loses its tree.
    const isStaging = path === 'staging';
    const facts = [stat.mode, stat.uid, stat.gid, stat.ino, ...(isStaging ? [] : [stat.nlink, stat.size])];
    const times = isStaging ? [] : [stat.mtimeNs, stat.ctimeNs];
    const content = stat.isFile() ? readFileSync(full, 'utf8') : stat.isSymbolicLink() ? readlinkSync(full) : '';
    lines.push(`${path}: ${[...facts, ...times].join(' ')} ${content} ${xattrsOf(full)}`);
    if (!stat.isDirectory()) return;
    for (const name of readdirSync(full).toSorted()) {
      if (!isStaging || (name !== 'tree' && name !== 'mtree')) visit(path === '' ? name : join(path, name));
    }
  };
  visit('');
  return lines;
}

function xattrsOf(path: string): string {
  const bytes = Buffer.from(path);
  const names = native()
    .xattrList(bytes)
    .map((name) => name.toString('latin1'))
    .toSorted();
  return names
    .map((name) => `${name}=${String(native().xattrGet(bytes, Buffer.from(name, 'latin1'))?.toString('hex'))}`)
    .join(' ');
}

/** Whether a directory takes files with attributes of users. */
function isWritable(directory: string): boolean {
  let path = '';
  try {
    path = mkdtempSync(join(directory, 'sluice-probe-'));
    native().xattrSet(Buffer.from(path), Buffer.from('user.probe'), Buffer.from('1'));
    return true;
  } catch {
    return false;
  } finally {
    if (path !== '') rmSync(path, { recursive: true, force: true });
  }
}
