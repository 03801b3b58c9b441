/* The checksum of a file's content, as the sidecar keeps it. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "crc32c.h"
#include "exports.h"

enum { CHUNK = 256 * 1024 };

/* The CRC after the bytes from `at` up to `end`, or up to where the file ends before. Negative: errno. */
static int64_t crc_of_data(int fd, uint32_t crc, off_t at, off_t end, uint8_t *chunk) {
  crc32c_update update = crc32c_best();
  while (at < end) {
    size_t wanted = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
    ssize_t length = RETRY(pread(fd, chunk, wanted, at));
    if (length < 0) return -errno;
    if (length == 0) break;
    crc = update(crc, chunk, (size_t)length);
    at += length;
  }
  return crc;
}

/* Holes are passed over. */
static int64_t crc_of_file(int fd, off_t size, uint8_t *chunk) {
  uint32_t crc = 0;
  for (off_t at = 0; at < size;) {
    off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0) data = errno == ENXIO ? size : at;
    if (data > size) data = size;
    crc = crc32c_zeros(crc, (uint64_t)(data - at));
    off_t hole = data < size ? lseek(fd, data, SEEK_HOLE) : size;
    if (hole < 0 || hole > size) hole = size;
    int64_t sum = crc_of_data(fd, crc, data, hole, chunk);
    if (sum < 0) return sum;
    crc = (uint32_t)sum;
    at = hole;
  }
  return crc;
}

napi_value export_crc32c_of(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  int fd;
  struct stat stat;
  if (!read_arguments(env, info, 1, &arguments) || !read_fd(&arguments, 0, &fd)) return NULL;
  if (fstat(fd, &stat) < 0) return throw_system(env, "fstat", errno);
  uint8_t *chunk = malloc(CHUNK);
  if (!chunk) return throw_system(env, "malloc", ENOMEM);
  int64_t crc = crc_of_file(fd, stat.st_size, chunk);
  free(chunk);
  return crc < 0 ? throw_system(env, "pread", (int)-crc) : make_number(env, (double)crc);
}
