import { closeSync, constants, openSync, readSync } from 'node:fs';
import { formatHostView } from '../oci/host-view.js';
import { corrupt, parseSidecar, type SidecarItem } from '../oci/sidecar.js';

const CHUNK_BYTES = 256 * 1024;

/** What a sidecar on disk holds, read a piece at a time. @throws SluiceError SIDECAR_CORRUPT; errors of the machine */
export function* readSidecarFile(path: string): Generator<SidecarItem, void, undefined> {
  yield* parseSidecar(readLines(path));
}

/** A sidecar on disk as it is, a piece at a time, each its receiver's to keep. @throws errors of the machine */
export function* readSidecarText(path: string): Generator<Buffer, void, undefined> {
  for (const chunk of readChunks(path)) yield Buffer.from(chunk);
}

/** As {@link formatHostView} shows a sidecar on disk. @throws SluiceError SIDECAR_CORRUPT; errors of the machine */
export function* readHostView(path: string): Generator<Buffer, void, undefined> {
  let piece = '';
  for (const line of formatHostView(readLines(path))) {
    piece += `${line}\n`;
    if (piece.length < CHUNK_BYTES) continue;
    yield Buffer.from(piece, 'latin1');
    piece = '';
  }
  yield Buffer.from(piece, 'latin1');
}

/** Whether a sidecar holds a text; far cheaper than reading its lines. @param text in ASCII */
export function sidecarHolds(path: string, text: string): boolean {
  const bytes = Buffer.from(text);
  let rest = Buffer.alloc(0);
  for (const chunk of readChunks(path)) {
    const joined = Buffer.concat([rest, chunk]);
    if (joined.includes(bytes)) return true;
    rest = joined.subarray(Math.max(0, joined.length - bytes.length + 1));
  }
  return false;
}

function* readLines(path: string): Generator<string, void, undefined> {
  let rest = '';
  for (const chunk of readChunks(path)) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
  if (rest !== '') throw corrupt(rest); // cut off, and a value with it
}

/** Each piece is good until the next one is asked for. */
function* readChunks(path: string): Generator<Buffer, void, undefined> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    for (let length; (length = readSync(file, chunk, 0, CHUNK_BYTES, null)) > 0;) yield chunk.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
