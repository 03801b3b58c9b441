/* One interface for all decoders of gzip. A decoder is one more file and one more row in inflate.c. */
#ifndef SLUICE_INFLATE_H
#define SLUICE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum inflate_status { INFLATE_MORE = 0, INFLATE_END = 1, INFLATE_MALFORMED = -1, INFLATE_NO_MEMORY = -2 };

struct decoder {
  const char *name;
  /* Whether the library is there at run time. */
  bool (*is_present)(void);
  /* NULL when there is no memory. */
  void *(*open)(void);
  /* Ready for the next member. */
  void (*reset)(void *state);
  /*
   * Decodes one member: takes from `in` and fills `out` as far as it can, and sets `*consumed` and `*produced`. Lengths
   * are at most INT32_MAX. INFLATE_END only once the trailer has been checked.
   */
  enum inflate_status (*run)(void *state, const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length,
                             size_t *consumed, size_t *produced);
  void (*close)(void *state);
};

#if defined(__has_include)
#if __has_include(<isa-l/igzip_lib.h>)
#define SLUICE_HAS_ISAL 1
extern const struct decoder isal_decoder;
#endif
#if __has_include(<zlib.h>)
#define SLUICE_HAS_ZLIB 1
extern const struct decoder zlib_decoder;
#endif
#endif

#endif
