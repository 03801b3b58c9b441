/** Makes the entries of a tar file whose bytes are in memory.   micro-writer.js sluice|sync|promises FILE DIR */
import { closeSync, futimesSync, linkSync, mkdirSync, openSync, readFileSync, symlinkSync, writeSync } from 'node:fs';
import { link, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Batch } from '../../src/layer/batch.js';
import { FLAG, KIND, OP, WORD } from '../../src/layer/commands.js';
import { createTarReader } from '../../src/layer/tar/reader.js';
import { native } from '../../src/native.js';

/** The types of entries that the corpora hold. */
type Kind = 'file' | 'hardlink' | 'symlink' | 'directory';

interface Made {
  readonly kind: Kind;
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly mtime: number;
  /** Content in the tar. */
  start: number;
  end: number;
}

const KINDS: Readonly<Record<string, Kind>> = { '0': 'file', '1': 'hardlink', '2': 'symlink', '5': 'directory' };
const MAX_META_BYTES = 1024 * 1024;
const NAME_BYTES = 8192;

function readEntries(tar: Uint8Array): Made[] {
  const entries: Made[] = [];
  const textOf = ({ bytes, start, end }: { bytes: Uint8Array; start: number; end: number }): string =>
    Buffer.from(bytes.subarray(start, end)).toString().replace(/\/$/, '');
  const reader = createTarReader(
    {
      entry: ({ type, name, link: target, mode, mtime }) => {
        const kind = KINDS[String.fromCharCode(type)];
        if (!kind) throw new Error(`an entry of type ${type}`);
        entries.push({ kind, name: textOf(name), target: textOf(target), mode, mtime, start: 0, end: 0 });
      },
      data: (_bytes, start, end) => Object.assign(entries.at(-1)!, { start, end }),
      entryEnd: () => undefined,
      warn: () => undefined,
      header: () => undefined,
    },
    MAX_META_BYTES,
  );
  reader.push(tar);
  reader.end();
  return entries;
}

/** The addon's writer, in batches. Hard links come last, as in an extraction. */
function writeWithSluice(entries: readonly Made[], tar: Uint8Array, directory: string): void {
  const addon = native();
  const writer = addon.writerOpen(
    Buffer.from(directory),
    Buffer.from(join(directory, '..')),
    false,
    process.umask(),
    false,
    0,
  );
  const batch = new Batch();
  const result = new Int32Array(16);
  const name = new Uint8Array(NAME_BYTES);
  const run = (): void => {
    const done = addon.writerRun(writer, tar, batch.arena, batch.words, 0, batch.count, result, name);
    if (done !== batch.count) throw new Error(`the writer stopped at ${done} of ${batch.count}`);
    batch.reset();
  };
  for (const [index, entry] of [...entries.filter(isNoLink), ...entries.filter(isLink)].entries()) {
    const path = Buffer.from(entry.name);
    const target = Buffer.from(entry.target);
    if (batch.isFull || !batch.fits(path.length + target.length)) run();
    const at = batch.add(OPS[entry.kind], index, 0);
    batch.set(at, WORD.PATH, batch.copy(path, 0, path.length));
    batch.set(at, WORD.PATH_LENGTH, path.length);
    batch.set(at, WORD.LINK, batch.copy(target, 0, target.length));
    batch.set(at, WORD.LINK_LENGTH, target.length);
    batch.set(at, WORD.MODE, entry.mode);
    batch.set64(at, WORD.MTIME, entry.mtime);
    batch.set64(at, WORD.SIZE, entry.end - entry.start);
    batch.set(at, WORD.DATA, entry.start);
    batch.set(at, WORD.DATA_LENGTH, entry.end - entry.start);
    batch.set(at, WORD.KIND, FILE_KINDS[entry.kind]);
    batch.set(at, WORD.FLAGS, FLAG.LAST);
  }
  run();
  addon.writerClose(writer);
}

const OPS: Readonly<Record<Kind, number>> = {
  file: OP.FILE,
  hardlink: OP.LINK,
  symlink: OP.SYMLINK,
  directory: OP.DIR,
};
const FILE_KINDS: Readonly<Record<Kind, number>> = {
  file: KIND.FILE,
  hardlink: KIND.FILE,
  symlink: KIND.SYMLINK,
  directory: KIND.DIR,
};
const isLink = ({ kind }: Made): boolean => kind === 'hardlink';
const isNoLink = (entry: Made): boolean => !isLink(entry);

function writeSynchronously(entries: readonly Made[], tar: Uint8Array, directory: string): void {
  for (const { kind, name, target, mode, mtime, start, end } of entries) {
    const path = join(directory, name);
    if (kind === 'directory') mkdirSync(path, { recursive: true, mode });
    else if (kind === 'symlink') symlinkSync(target, path);
    else if (kind === 'hardlink') linkSync(join(directory, target), path);
    else {
      const file = openSync(path, 'wx', mode);
      if (end > start) writeSync(file, tar, start, end - start);
      futimesSync(file, mtime, mtime);
      closeSync(file);
    }
  }
}

async function writeWithPromises(entries: readonly Made[], tar: Uint8Array, directory: string): Promise<void> {
  for (const { kind, name, target, mode, mtime, start, end } of entries) {
    const path = join(directory, name);
    if (kind === 'directory') await mkdir(path, { recursive: true, mode });
    else if (kind === 'symlink') await symlink(target, path);
    else if (kind === 'hardlink') await link(join(directory, target), path);
    else {
      const file = await open(path, 'wx', mode);
      if (end > start) await file.write(tar, start, end - start);
      await file.utimes(mtime, mtime);
      await file.close();
    }
  }
}

const [writer, file, directory] = process.argv.slice(2);
const tar = readFileSync(file!);
const entries = readEntries(tar);
mkdirSync(directory!, { recursive: true });
const start = performance.now();
if (writer === 'sluice') writeWithSluice(entries, tar, directory!);
else if (writer === 'sync') writeSynchronously(entries, tar, directory!);
else await writeWithPromises(entries, tar, directory!);
const seconds = (performance.now() - start) / 1000;
const bytes = entries.reduce((sum, entry) => sum + entry.end - entry.start, 0);
console.log(JSON.stringify({ seconds, entries: entries.length, bytes }));
