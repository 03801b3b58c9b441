import { closeSync, constants, openSync, readSync } from 'node:fs';
import { formatHostView } from '../oci/host-view.js';
import { corrupt, IMPLIED_LINE, parseSidecar, type SidecarEntry, type SidecarItem } from '../oci/sidecar.js';

const CHUNK_BYTES = 256 * 1024;

/** What a sidecar on disk holds, read a piece at a time. @throws SluiceError SIDECAR_CORRUPT; errors of the machine */
export function* readSidecarFile(path: string): Generator<SidecarItem, void, undefined> {
  yield* parseSidecar(readLines(path));
}

/**
 * The implied directories of a sidecar on disk. Only their lines are parsed, which takes a tenth of the time.
 * @throws SluiceError SIDECAR_CORRUPT; errors of the machine
 */
export function* readImpliedDirectories(path: string): Generator<SidecarEntry, void, undefined> {
  for (const block of readBlocks(path)) {
    for (let at = block.indexOf(IMPLIED_TEXT); at >= 0; at = block.indexOf(IMPLIED_TEXT, at + 1)) {
      const next = /\n(?!#)/g;
      next.lastIndex = at + 1;
      const end = next.exec(block)?.index ?? block.length;
      const [item] = parseSidecar(block.slice(startOfItem(block, at + 1), end).split('\n'));
      if (item?.kind === 'entry') yield item;
    }
  }
}

/** Whether a sidecar has any of {@link readImpliedDirectories}. */
export function hasImpliedDirectories(path: string): boolean {
  return sidecarHolds(path, IMPLIED_TEXT);
}

const IMPLIED_TEXT = `\n${IMPLIED_LINE}\n`;

/** Where the item begins that the line up to `end` belongs to: its comments begin with `#`, and follow its own line. */
function startOfItem(text: string, end: number): number {
  let start = end;
  do start = start < 2 ? 0 : text.lastIndexOf('\n', start - 2) + 1;
  while (start > 0 && text[start] === '#' && !text.startsWith('#sluice.deferred ', start));
  return start;
}

/** Pieces of a sidecar that end with the last line of an item. */
function* readBlocks(path: string): Generator<string, void, undefined> {
  let rest = '';
  for (const chunk of readChunks(path)) {
    const text = rest + chunk.toString('latin1');
    const end = startOfItem(text, text.length);
    rest = text.slice(end);
    yield text.slice(0, end);
  }
  if (rest !== '' && !rest.endsWith('\n')) throw corrupt(rest);
  yield rest;
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

/** Far cheaper than reading the lines. @param text in ASCII */
function sidecarHolds(path: string, text: string): boolean {
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
