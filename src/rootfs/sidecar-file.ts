import { closeSync, constants, openSync, readSync } from 'node:fs';
import { formatHostView } from '../oci/host-view.js';
import { corrupt, IMPLIED_LINE, parseSidecar, type SidecarEntry, type SidecarItem } from '../oci/sidecar.js';

const CHUNK_BYTES = 256 * 1024;

/** What a sidecar on disk holds, read a piece at a time. @throws SluiceError SIDECAR_CORRUPT; errors of the machine */
export function* readSidecarFile(path: string): Generator<SidecarItem, void, undefined> {
  yield* parseSidecar(readLines(path));
}

/**
 * The implied directories of a sidecar on disk. Only their lines are parsed, which takes a thirtieth of the time.
 * @throws SluiceError SIDECAR_CORRUPT; errors of the machine
 */
export function* readImpliedDirectories(path: string): Generator<SidecarEntry, void, undefined> {
  for (const block of readBlocks(path)) {
    for (let at = block.indexOf(IMPLIED); at >= 0; at = block.indexOf(IMPLIED, at + 1)) {
      const text = block.toString('latin1', startOfItem(block, at + 1), endOfItem(block, at + 1));
      const [item] = parseSidecar(text.split('\n'));
      if (item?.kind === 'entry') yield item;
    }
  }
}

/** Whether a sidecar has any of {@link readImpliedDirectories}. */
export function hasImpliedDirectories(path: string): boolean {
  return !readImpliedDirectories(path).next().done;
}

const IMPLIED = Buffer.from(`\n${IMPLIED_LINE}\n`);
const DEFERRED = Buffer.from('#sluice.deferred ');
const LINE_FEED = 0x0a;
const HASH = 0x23;

/** Where the item begins that the line up to `end` belongs to: its comments begin with `#`, and follow its own line. */
function startOfItem(text: Buffer, end: number): number {
  let start = end;
  do start = start < 2 ? 0 : text.lastIndexOf(LINE_FEED, start - 2) + 1;
  while (start > 0 && text[start] === HASH && !startsWith(text, start, DEFERRED));
  return start;
}

/** Where the line feed before the next item is, or the end. */
function endOfItem(text: Buffer, from: number): number {
  for (let at = text.indexOf(LINE_FEED, from); at >= 0; at = text.indexOf(LINE_FEED, at + 1)) {
    if (text[at + 1] !== HASH) return at;
  }
  return text.length;
}

function startsWith(text: Buffer, at: number, prefix: Buffer): boolean {
  return text.subarray(at, at + prefix.length).equals(prefix);
}

/** Pieces of a sidecar that end with the last line of an item, each good until the next one is asked for. */
function* readBlocks(path: string): Generator<Buffer, void, undefined> {
  let block = Buffer.alloc(0);
  for (const chunk of readChunks(path)) {
    const text: Buffer = block.length > 0 ? Buffer.concat([block, chunk]) : chunk;
    const end = startOfItem(text, text.length);
    yield text.subarray(0, end);
    block = Buffer.from(text.subarray(end));
  }
  if (block.length > 0 && block.at(-1) !== LINE_FEED) throw corrupt(block.toString('latin1'));
  yield block;
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
