/** Decompresses a gzip file in memory and reports how long that took.   micro-inflate.js isal|zlib|pako|stream FILE */
import { readFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { openInflater } from '../../src/layer/inflate/open-inflater.js';
import type { DecoderName } from '../../src/index.js';

const CHUNK_BYTES = 256 * 1024;

/** Into one reused slab, as an extraction does. */
function inflate(packed: Uint8Array, decoder: DecoderName): number {
  const inflater = openInflater(decoder);
  const slab = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (let at = 0; at < packed.length;) {
    const status = inflater.run(packed, at, slab, 0);
    if (status === 'malformed') throw new Error('the file is malformed');
    at += inflater.consumed;
    bytes += inflater.produced;
    if (status === 'ended') inflater.reset();
  }
  return bytes;
}

async function stream(packed: Buffer): Promise<number> {
  let bytes = 0;
  const count = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      bytes += chunk.length;
      done();
    },
  });
  await pipeline(Readable.from(chunksOf(packed)), createGunzip({ chunkSize: CHUNK_BYTES }), count);
  return bytes;
}

function* chunksOf(packed: Buffer): Generator<Buffer> {
  for (let at = 0; at < packed.length; at += CHUNK_BYTES) yield packed.subarray(at, at + CHUNK_BYTES);
}

const [decoder, file] = process.argv.slice(2);
const packed = readFileSync(file!);
const start = performance.now();
const bytes = decoder === 'stream' ? await stream(packed) : inflate(packed, decoder as DecoderName);
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, entries: 1, bytes }));
