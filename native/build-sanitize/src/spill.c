#include "spill.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { TAIL = 64 << 10 };

void spill_init(struct spill *spill, int directory) {
  *spill = (struct spill){.directory = directory, .fd = -1};
}

void spill_close(struct spill *spill) {
  if (spill->fd >= 0) close(spill->fd);
  buffer_free(&spill->tail);
  spill_init(spill, spill->directory);
}

/* For file systems without O_TMPFILE. */
static int open_and_unlink(int directory) {
  for (int tries = 0; tries < 100; tries++) {
    uint64_t random;
    char name[32];
    if (getrandom(&random, sizeof random, 0) != sizeof random) return -1;
    snprintf(name, sizeof name, ".spill-%016llx", (unsigned long long)random);
    int fd = RETRY(openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd >= 0) unlinkat(directory, name, 0);
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

static int open_unlinked(int directory) {
  int fd = RETRY(openat(directory, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  if (fd >= 0) return fd;
  return errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT ? open_and_unlink(directory) : -1;
}

static enum call write_out(struct spill *spill, const uint8_t *from, size_t length) {
  if (spill->fd < 0 && (spill->fd = open_unlinked(spill->directory)) < 0) return CALL_OPENAT;
  while (length) {
    ssize_t count = RETRY(pwrite(spill->fd, from, length, (off_t)spill->written));
    if (count < 0) return CALL_WRITE;
    from += count;
    length -= (size_t)count;
    spill->written += (uint64_t)count;
  }
  return CALL_NONE;
}

enum call spill_append(struct spill *spill, const void *from, size_t length) {
  if (spill->tail.used + length > TAIL) {
    enum call failed = write_out(spill, spill->tail.at, spill->tail.used);
    if (failed) return failed;
    spill->tail.used = 0;
    if (length >= TAIL) return write_out(spill, from, length);
  }
  return buffer_add(&spill->tail, from, length) ? CALL_NONE : CALL_MALLOC;
}

enum call spill_read(struct spill *spill, uint64_t offset, void *to, size_t length) {
  uint8_t *at = to;
  while (length && offset < spill->written) {
    size_t part = length < spill->written - offset ? length : (size_t)(spill->written - offset);
    ssize_t count = RETRY(pread(spill->fd, at, part, (off_t)offset));
    if (count <= 0) {
      if (count == 0) errno = EIO;
      return CALL_PREAD;
    }
    at += count;
    offset += (uint64_t)count;
    length -= (size_t)count;
  }
  if (length) memcpy(at, spill->tail.at + (offset - spill->written), length);
  return CALL_NONE;
}
