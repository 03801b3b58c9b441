import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { fileSystemError, SluiceError } from '../errors.js';
import type { Control } from '../transfer/control.js';
import type { LayerBlob, PartialBlob } from '../transfer/protocol.js';
import { openRing } from '../transfer/ring.js';
import type { Stage } from './stage.js';
import { UNTRACED, type Tracer } from './tracer.js';

/** Bytes handed on at once: small enough that an abort is seen soon and the ring's room comes back early. */
const CHUNK_BYTES = 512 * 1024;

/**
 * Pushes a blob's bytes into a stage, then ends it.
 * @param onChunk called after each push with the packed bytes so far
 * @throws SluiceError ABORTED, or what the stage throws
 */
export function readBlob(
  blob: LayerBlob,
  control: Control,
  stage: Stage,
  onChunk: (packedBytes: number) => void,
  options: ReadOptions = {},
): void {
  if (blob.kind === 'ring') readRing(blob, control, stage, onChunk, options);
  else readFile(blob, control, stage, onChunk, options);
  stage.end();
}

export interface ReadOptions {
  readonly tracer?: Tracer;
  /** Where the next bytes of a file are read to; what was pushed from there is not used again. Left out: one buffer. */
  readonly room?: () => Uint8Array;
}

function readRing(
  { ring: buffer, partial }: Extract<LayerBlob, { kind: 'ring' }>,
  control: Control,
  stage: Stage,
  onChunk: (packedBytes: number) => void,
  options: ReadOptions,
): void {
  const { tracer = UNTRACED } = options;
  const ring = openRing(buffer);
  let total = 0;
  if (partial && partial.length > 0)
    readFile(
      { ...partial, kind: 'file', offset: 0 },
      control,
      stage,
      (packedBytes) => onChunk((total = packedBytes)),
      options,
    );
  using keeper = openKeeper(partial);
  for (;;) {
    const bytes = tracer.span('wait', ring.read);
    if (bytes === 'aborted' || control.isAborted()) throw aborted();
    if (bytes === null) return;
    const chunk = bytes.length > CHUNK_BYTES ? bytes.subarray(0, CHUNK_BYTES) : bytes;
    keeper.keep(chunk);
    stage.push(chunk);
    ring.consume(chunk.length);
    onChunk((total += chunk.length));
  }
}

/** Adds to a partial blob; a disk that takes no more ends that, and not the layer. */
function openKeeper(partial: PartialBlob | undefined): Disposable & { keep(bytes: Uint8Array): void } {
  let file = partial ? openSync(partial.path, 'a', 0o600) : null;
  const close = (): void => {
    if (file !== null) closeSync(file);
    file = null;
  };
  return {
    keep: (bytes) => {
      try {
        for (let done = 0; file !== null && done < bytes.length;) done += writeSync(file, bytes, done);
      } catch {
        close();
      }
    },
    [Symbol.dispose]: close,
  };
}

function readFile(
  { path, offset, length }: Extract<LayerBlob, { kind: 'file' }>,
  control: Control,
  stage: Stage,
  onChunk: (packedBytes: number) => void,
  { tracer = UNTRACED, room = createBuffer() }: ReadOptions,
): void {
  const doing = `reading "${path}"`;
  const attempt = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw fileSystemError(doing, error);
    }
  };
  const file = attempt(() => openSync(path, 'r'));
  try {
    for (let total = 0; total < length;) {
      if (control.isAborted()) throw aborted();
      const buffer = room();
      const size = tracer.span('read', () =>
        attempt(() => readSync(file, buffer, 0, Math.min(buffer.length, length - total), offset + total)),
      );
      if (size === 0) return;
      stage.push(size === buffer.length ? buffer : buffer.subarray(0, size));
      onChunk((total += size));
    }
  } finally {
    closeSync(file);
  }
}

function createBuffer(): () => Uint8Array {
  const buffer = new Uint8Array(CHUNK_BYTES);
  return () => buffer;
}

function aborted(): SluiceError {
  return new SluiceError('ABORTED', 'extracting the layer: cancelled');
}
