/* zlib as the node executable exports it: nothing is linked, the symbols are found when the addon is loaded. */
#include "inflate.h"

#ifdef SLUICE_HAS_ZLIB

#include <stdlib.h>
#include <zlib.h>

#pragma weak inflateInit2_
#pragma weak inflate
#pragma weak inflateReset
#pragma weak inflateEnd

/* Window bits: the largest window, and gzip's header and trailer alone. */
enum { GZIP_ONLY = 15 + 16 };

static bool is_present(void) {
  return inflateInit2_ && inflate && inflateReset && inflateEnd;
}

static void *open_state(void) {
  z_stream *stream = calloc(1, sizeof *stream);
  if (stream && inflateInit2(stream, GZIP_ONLY) == Z_OK) return stream;
  free(stream);
  return NULL;
}

static void reset_state(void *state) {
  inflateReset(state);
}

static void close_state(void *state) {
  inflateEnd(state);
  free(state);
}

static enum inflate_status run(void *state, const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length,
                               size_t *consumed, size_t *produced) {
  z_stream *stream = state;
  stream->next_in = (z_const Bytef *)in;
  stream->avail_in = (uInt)in_length;
  stream->next_out = out;
  stream->avail_out = (uInt)out_length;
  int code = inflate(stream, Z_NO_FLUSH);
  *consumed = in_length - stream->avail_in;
  *produced = out_length - stream->avail_out;
  switch (code) {
    case Z_OK:
    case Z_BUF_ERROR: /* nothing could be done: input or room is missing */
      return INFLATE_MORE;
    case Z_STREAM_END:
      return INFLATE_END;
    case Z_MEM_ERROR:
      return INFLATE_NO_MEMORY;
    default:
      return INFLATE_MALFORMED;
  }
}

const struct decoder zlib_decoder = {"zlib", is_present, open_state, reset_state, run, close_state};

#else

/* A translation unit must not be empty. */
typedef int sluice_no_zlib;

#endif
