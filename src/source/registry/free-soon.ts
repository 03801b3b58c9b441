import { isNativeAvailable, native } from '../../native.js';

/** Freed when undici, which is at work on them, has come to the end of its turn. */
let waiting: ArrayBuffer[] = [];

/**
 * Gives back the memory that a chunk of a body was read into, once its sink has returned. The collector counts it only in
 * part, and lets tens of MiB of such chunks wait.
 */
export function freeSoon(chunk: Uint8Array): void {
  const { buffer } = chunk;
  const isItsOwn = buffer.byteLength > Buffer.poolSize; // others may share the pool
  if (!isItsOwn || !(buffer instanceof ArrayBuffer)) return;
  if (waiting.length === 0) setImmediate(freeAll);
  if (waiting.at(-1) !== buffer) waiting.push(buffer);
}

function freeAll(): void {
  const buffers = waiting;
  waiting = [];
  if (isNativeAvailable()) for (const buffer of buffers) native().freeBuffer(buffer);
}
