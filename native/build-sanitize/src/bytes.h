/* Byte strings, a growing buffer, and system calls that go on after a signal. */
#ifndef SLUICE_BYTES_H
#define SLUICE_BYTES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Limits of rule N3. */
enum { LONGEST_NAME = 255, LONGEST_PATH = 4096, DEEPEST_PATH = 1024 };

/* Borrowed bytes; may hold anything, and are not ended by NUL. */
struct bytes {
  const uint8_t *at;
  size_t length;
};

static inline bool bytes_equal(struct bytes a, struct bytes b) {
  return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

/* Order of the sidecar: by bytes, a prefix first. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
  size_t common = a.length < b.length ? a.length : b.length;
  int order = memcmp(a.at, b.at, common);
  if (order != 0) return order;
  return (a.length > b.length) - (a.length < b.length);
}

struct buffer {
  uint8_t *at;
  size_t used, room;
};

/* Makes room for `more` bytes. Returns false with ENOMEM in errno; the buffer is unchanged then. */
static inline bool buffer_reserve(struct buffer *buffer, size_t more) {
  if (more <= buffer->room - buffer->used) return true;
  if (more > SIZE_MAX / 2 - buffer->used) {
    errno = ENOMEM;
    return false;
  }
  size_t room = buffer->room ? buffer->room : 256;
  while (room - buffer->used < more) room *= 2;
  uint8_t *grown = realloc(buffer->at, room);
  if (!grown) return false;
  buffer->at = grown;
  buffer->room = room;
  return true;
}

static inline bool buffer_add(struct buffer *buffer, const void *from, size_t length) {
  if (!buffer_reserve(buffer, length)) return false;
  if (length) memcpy(buffer->at + buffer->used, from, length);
  buffer->used += length;
  return true;
}

static inline struct bytes buffer_bytes(const struct buffer *buffer) {
  return (struct bytes){buffer->at ? buffer->at : (const uint8_t *)"", buffer->used};
}

static inline void buffer_free(struct buffer *buffer) {
  free(buffer->at);
  *buffer = (struct buffer){0};
}

/* A call that answers -1 and EINTR is made again. Not for close: Linux has closed the descriptor by then. */
#define RETRY(expression)                                    \
  __extension__({                                            \
    __typeof__(expression) answer_;                          \
    do answer_ = (expression);                               \
    while (answer_ == -1 && errno == EINTR);                 \
    answer_;                                                 \
  })

#endif
