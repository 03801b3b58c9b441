import { createRequire } from 'node:module';
import type * as Pako from 'pako';
import type { Inflater, InflateStatus } from './inflater.js';

/** 15 bits of window, and gzip framing alone. */
const GZIP_WINDOW_BITS = 15 + 16;

/** pako, through its port of zlib's own calls: they write into the caller's buffer and keep what a member left unread. */
export function openPakoInflater(): Inflater {
  const { Z_BUF_ERROR, Z_NO_FLUSH, Z_OK, Z_STREAM_END, ZStream, zlibInflate, zlibInflateInit2, zlibInflateReset } =
    createRequire(import.meta.url)('pako') as typeof Pako; // loaded where it serves alone
  const stream = new ZStream();
  zlibInflateInit2(stream, GZIP_WINDOW_BITS);
  let consumed = 0;
  let produced = 0;
  return {
    run(input, inputStart, output, outputStart): InflateStatus {
      stream.input = input;
      stream.next_in = inputStart;
      stream.avail_in = input.length - inputStart;
      stream.output = output as Uint8Array<ArrayBuffer>;
      stream.next_out = outputStart;
      stream.avail_out = output.length - outputStart;
      const status = zlibInflate(stream, Z_NO_FLUSH);
      consumed = stream.next_in - inputStart;
      produced = stream.next_out - outputStart;
      if (status === Z_STREAM_END) return 'ended';
      return status === Z_OK || status === Z_BUF_ERROR ? 'more' : 'malformed';
    },
    get consumed() {
      return consumed;
    },
    get produced() {
      return produced;
    },
    reset: () => void zlibInflateReset(stream),
    close: () => undefined,
  };
}
