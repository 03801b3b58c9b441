import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBlob } from '../../src/layer/blob.js';
import { extractLayer } from '../../src/layer/extract.js';
import { applyLayer, decodeLayer } from '../../src/layer/halves.js';
import { native } from '../../src/native.js';
import { digestOf } from '../../src/oci/digest.js';
import { compress, type LayerCompression } from '../../src/testing/index.js';
import { openControl, type Control } from '../../src/transfer/control.js';
import { joinHalves } from '../../src/transfer/extraction.js';
import type { Budget, ExtractTask, Outcome } from '../../src/transfer/protocol.js';
import { SLOT_BYTES } from '../../src/transfer/hashed-slots.js';
import { createPackedChunks } from '../../src/transfer/packed-chunks.js';
import { createSlabs } from '../../src/transfer/slabs.js';
import { openUsage } from '../../src/transfer/usage.js';
import { temporaryDirectory, type Cleanup } from './temporary.js';

/** No limit that a test's layer meets by chance. */
export const AMPLE: Budget = {
  maxCompressedBytes: 2 ** 40,
  maxUnpackedBytes: 2 ** 40,
  maxFileBytes: 2 ** 40,
  maxEntries: 1_000_000,
  maxMetaBytes: 1024 * 1024,
  maxRatio: 1100,
  ratioGraceBytes: 64 * 1024 * 1024,
};

export interface Extraction {
  readonly outcome: Outcome;
  /** The layer's root, there even when nothing is in it. */
  readonly tree: string;
  readonly staging: string;
  /** Text of the sidecar. */
  sidecar(): string;
  /** Sidecar lines without the head, comments under their entry. */
  lines(): readonly string[];
}

export type ExtractOptions = Partial<Omit<ExtractTask, 'kind' | 'blob' | 'staging' | 'control' | 'budget'>> & {
  /** `split`: by the two halves, one after the other, as they run when the first is far ahead. */
  readonly pipeline?: 'one' | 'split';
  readonly compression?: LayerCompression;
  readonly budget?: Partial<Budget>;
  readonly control?: Control;
  /** The blob itself, instead of the compressed tar. */
  readonly blob?: Uint8Array;
  /** Bytes pushed at once, or the sizes of the pushes, used again and again; as from a file when left out. */
  readonly chunkBytes?: number | readonly number[];
  /** Called with the packed bytes so far, between two pushes. */
  readonly onChunk?: (packedBytes: number) => void;
  /** A directory to extract in; a new one when left out. */
  readonly staging?: string;
};

/** Runs the worker's side of one layer in this thread, from a file or in other chunks. */
export function extract(t: Cleanup, tar: Uint8Array, options: ExtractOptions = {}): Extraction {
  const { compression = 'none', budget, control = openControl(), blob = compress(tar, compression), ...rest } = options;
  const { chunkBytes, onChunk, staging = temporaryDirectory(t, 'sluice-layer'), pipeline = 'one', ...given } = rest;
  const tree = join(staging, 'tree');
  mkdirSync(tree, { recursive: true });
  const task: ExtractTask = {
    kind: 'extract',
    control: control.buffer,
    usage: openUsage().buffer,
    blob: { kind: 'file', path: '', offset: 0, length: blob.length },
    digest: digestOf(blob),
    diffId: digestOf(tar),
    sizeBytes: blob.length,
    mediaType: `application/vnd.oci.image.layer.v1.tar${suffixOf(compression)}`,
    staging,
    decoder: 'auto',
    stat: 'containers',
    privilegedXattrs: false,
    walk: false,
    folds: false,
    sync: null,
    ...given,
    budget: { ...AMPLE, ...budget },
  };
  const read = chunkBytes === undefined ? readBlob : feedIn(blob, [chunkBytes].flat(), onChunk);
  const placed = chunkBytes === undefined ? { ...task, blob: blobFile(t, blob) } : task;
  const outcome = pipeline === 'one' ? extractLayer(placed, read) : extractHalves(placed, read, tar.length);
  const sidecar = (): string => readFileSync(join(staging, 'mtree'), 'latin1');
  return { outcome, tree, staging, sidecar, lines: () => sidecar().split('\n').slice(3, -1) };
}

/** One thread does what two do: so much room lies between the halves that the first never waits. */
function extractHalves(task: ExtractTask, read: typeof readBlob, tarBytes: number): Outcome {
  const slabs = createSlabs(2 ** Math.ceil(Math.log2(tarBytes / SLOT_BYTES + 3)));
  const packed = read === readBlob ? createPackedChunks() : null;
  const decoded = decodeLayer({ ...task, kind: 'decode', slabs, packed }, read);
  return joinHalves(decoded, applyLayer({ ...task, kind: 'apply', slabs, packed }));
}

function suffixOf(compression: LayerCompression): string {
  return compression === 'none' ? '' : compression === 'zstd-stored' ? '+zstd' : '+gzip';
}

function blobFile(t: Cleanup, blob: Uint8Array): ExtractTask['blob'] {
  const path = join(temporaryDirectory(t, 'sluice-blob'), 'blob');
  writeFileSync(path, blob);
  return { kind: 'file', path, offset: 0, length: blob.length };
}

/** Pushes one buffer again and again, overwritten between, so that a stage that keeps what it was lent is found out. */
function feedIn(blob: Uint8Array, sizes: readonly number[], onPushed?: (packedBytes: number) => void): typeof readBlob {
  return (_blob, _control, stage, onChunk) => {
    const buffer = new Uint8Array(Math.min(Math.max(...sizes), blob.length));
    for (let at = 0, turn = 0; at < blob.length; turn++) {
      const part = blob.subarray(at, at + sizes[turn % sizes.length]!);
      buffer.set(part);
      stage.push(buffer.subarray(0, part.length));
      buffer.fill(0xa5);
      onChunk((at += part.length));
      onPushed?.(at);
    }
    stage.end();
  };
}

/** The outcome's error code and rule, or `done`. */
export function verdict({ outcome }: Extraction): string {
  if (outcome.kind === 'done') return 'done';
  const { code, detail } = outcome.error;
  return detail.rule ? `${code} ${detail.rule}` : code;
}

/** Rules that warned, sorted. */
export function warned({ outcome }: Extraction): readonly string[] {
  return outcome.warnings.map(({ rule }) => rule).toSorted();
}

/**
 * What a tree holds, one line a name, sorted by bytes: type, host mode, override, content or target, and a mark for the
 * first name of a shared inode.
 */
export function listTree(root: string): readonly string[] {
  const firstNames = new Map<number, string>();
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = join(root, path);
    const stat = lstatSync(full);
    const first = firstNames.get(stat.ino);
    if (!stat.isDirectory() && !first) firstNames.set(stat.ino, path);
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0');
    const override = stat.isSymbolicLink() ? '' : ` ${overrideOf(full) ?? '-'}`;
    const what = stat.isDirectory()
      ? 'dir'
      : stat.isSymbolicLink()
        ? `sym -> ${readlinkSync(full)}`
        : `file ${JSON.stringify(readFileSync(full, 'latin1'))}`;
    const shown = stat.isSymbolicLink() ? what : `${what} ${mode}${override}`;
    lines.push(`${path === '' ? '.' : path} ${shown}${first ? ` = ${first}` : ''}`);
    if (stat.isDirectory())
      for (const name of readdirSync(full).toSorted()) visit(path === '' ? name : `${path}/${name}`);
  };
  visit('');
  return lines;
}

export function overrideOf(path: string): string | null {
  const value = native().xattrGet(Buffer.from(path), Buffer.from('user.containers.override_stat'));
  return value && value.toString('latin1');
}
