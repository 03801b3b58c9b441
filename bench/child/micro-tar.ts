/** Reads a tar file's entries and passes over their bytes.   micro-tar.js sluice|tar-stream FILE */
import { readFileSync } from 'node:fs';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createTarReader } from '../../src/layer/tar/reader.js';
import { extract } from 'tar-stream';

const CHUNK_BYTES = 256 * 1024;
const counts = { entries: 0, bytes: 0 };

function readWithSluice(tar: Uint8Array): void {
  const reader = createTarReader(
    {
      entry: () => void counts.entries++,
      data: (_bytes, start, end) => void (counts.bytes += end - start),
      entryEnd: () => undefined,
      warn: () => undefined,
      header: () => undefined,
    },
    CHUNK_BYTES,
  );
  for (const chunk of chunksOf(tar)) reader.push(chunk);
  reader.end();
}

async function readWithTarStream(tar: Buffer): Promise<void> {
  const reader = extract();
  const fed = pipeline(Readable.from(chunksOf(tar)), reader as unknown as Writable);
  for await (const body of reader) {
    counts.entries++;
    for await (const chunk of body as AsyncIterable<Buffer>) counts.bytes += chunk.length;
  }
  await fed;
}

function* chunksOf(tar: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < tar.length; at += CHUNK_BYTES) yield tar.subarray(at, at + CHUNK_BYTES);
}

const [reader, file] = process.argv.slice(2);
const tar = readFileSync(file!);
const start = performance.now();
if (reader === 'sluice') readWithSluice(tar);
else await readWithTarStream(tar);
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, ...counts }));
