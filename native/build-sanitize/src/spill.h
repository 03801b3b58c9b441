/* An append-only store of bytes: the tail in memory, the rest in an unlinked file of the scratch directory. */
#ifndef SLUICE_SPILL_H
#define SLUICE_SPILL_H

#include "bytes.h"
#include "commands.h"

struct spill {
  int directory; /* borrowed */
  int fd;        /* -1 until the tail overflows */
  uint64_t written;
  struct buffer tail;
};

void spill_init(struct spill *spill, int directory);
void spill_close(struct spill *spill);

/* Offset that the next byte appended will have. */
static inline uint64_t spill_end(const struct spill *spill) {
  return spill->written + spill->tail.used;
}

/* Both return CALL_NONE, or what failed, with errno. */
enum call spill_append(struct spill *spill, const void *from, size_t length);
enum call spill_read(struct spill *spill, uint64_t offset, void *to, size_t length);

#endif
