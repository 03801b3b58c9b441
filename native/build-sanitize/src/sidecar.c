#include "sidecar.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "text.h"

enum { ROOM = 128 << 10, PIECE = 3 << 10 };

enum call sidecar_open(struct sidecar *sidecar, const char *path, mode_t umask, uint64_t most) {
  *sidecar = (struct sidecar){.fd = -1, .left = most};
  sidecar->buffer = malloc(ROOM);
  if (!sidecar->buffer) return CALL_MALLOC;
  sidecar->fd = RETRY(open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (sidecar->fd < 0) return CALL_OPENAT;
  if ((umask & 0644) && RETRY(fchmod(sidecar->fd, 0644)) < 0) return CALL_FCHMOD;
  return CALL_NONE;
}

static void note_failure(struct sidecar *sidecar, enum call call) {
  if (sidecar->failed) return;
  sidecar->failed = call;
  sidecar->error = errno;
}

static void flush(struct sidecar *sidecar) {
  const uint8_t *from = sidecar->buffer;
  if (sidecar->used > sidecar->left) {
    errno = EFBIG;
    note_failure(sidecar, CALL_WRITE);
  } else sidecar->left -= sidecar->used;
  while (sidecar->used && !sidecar->failed) {
    ssize_t count = RETRY(write(sidecar->fd, from, sidecar->used));
    if (count < 0) note_failure(sidecar, CALL_WRITE);
    if (count < 0) break;
    from += count;
    sidecar->used -= (size_t)count;
  }
  sidecar->used = 0;
}

/* Room for up to `length` bytes, at most ROOM. */
static uint8_t *room(struct sidecar *sidecar, size_t length) {
  if (ROOM - sidecar->used < length) flush(sidecar);
  return sidecar->buffer + sidecar->used;
}

static void wrote(struct sidecar *sidecar, const uint8_t *end) {
  sidecar->used = (size_t)(end - sidecar->buffer);
}

void sidecar_text(struct sidecar *sidecar, struct bytes text) {
  while (text.length) {
    size_t part = text.length < PIECE ? text.length : PIECE;
    wrote(sidecar, put_bytes(room(sidecar, part), text.at, part));
    text.at += part;
    text.length -= part;
  }
}

#define LITERAL(sidecar, literal) \
  sidecar_text((sidecar), (struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})

/* What vis(3) need not escape here: `[`, `*` and `?` would be patterns, `#` a comment, space and newline an end. */
static bool is_plain(uint8_t byte) {
  if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return true;
  if (byte >= '+' && byte <= ':') return true; /* + , - . / 0…9 : */
  return byte == '_' || byte == '@' || byte == '~' || byte == '%' || byte == '^';
}

static void put_vis(struct sidecar *sidecar, struct bytes text) {
  while (text.length) {
    size_t part = text.length < PIECE ? text.length : PIECE;
    uint8_t *at = room(sidecar, 4 * part);
    for (size_t i = 0; i < part; i++) {
      uint8_t byte = text.at[i];
      if (is_plain(byte)) {
        *at++ = byte;
        continue;
      }
      *at++ = '\\';
      *at++ = (uint8_t)('0' + (byte >> 6));
      *at++ = (uint8_t)('0' + (byte >> 3 & 7));
      *at++ = (uint8_t)('0' + (byte & 7));
    }
    wrote(sidecar, at);
    text.at += part;
    text.length -= part;
  }
}

static void put_path(struct sidecar *sidecar, struct bytes path) {
  if (path.length == 0) {
    LITERAL(sidecar, ".");
    return;
  }
  LITERAL(sidecar, "./");
  put_vis(sidecar, path);
}

static void put_base64(struct sidecar *sidecar, struct bytes bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.length; i += 3) {
    size_t left = bytes.length - i;
    uint32_t three = (uint32_t)bytes.at[i] << 16;
    if (left > 1) three |= (uint32_t)bytes.at[i + 1] << 8;
    if (left > 2) three |= bytes.at[i + 2];
    uint8_t *at = room(sidecar, 4);
    *at++ = (uint8_t)digits[three >> 18];
    *at++ = (uint8_t)digits[three >> 12 & 63];
    *at++ = (uint8_t)(left > 1 ? digits[three >> 6 & 63] : '=');
    *at++ = (uint8_t)(left > 2 ? digits[three & 63] : '=');
    wrote(sidecar, at);
  }
}

static const char *type_name(unsigned kind) {
  switch (kind) {
    case KIND_FIFO:
      return " type=fifo";
    case KIND_CHAR:
      return " type=char";
    case KIND_DIR:
      return " type=dir";
    case KIND_BLOCK:
      return " type=block";
    case KIND_SYMLINK:
      return " type=link";
    case KIND_SOCKET:
      return " type=socket";
    default:
      return " type=file";
  }
}

/* Floored seconds and always nine digits: mtree misreads fewer. */
static uint8_t *put_time(uint8_t *at, const struct record *record) {
  at = put_signed(PUT_LITERAL(at, " time="), record->mtime);
  *at++ = '.';
  return put_digits(at, record->mtime_ns, 10, 9);
}

static uint8_t *put_owner(uint8_t *at, const struct record *record) {
  at = put_decimal(PUT_LITERAL(at, " uid="), record->uid);
  return put_decimal(PUT_LITERAL(at, " gid="), record->gid);
}

static uint8_t *put_mode(uint8_t *at, const struct record *record) {
  return put_octal(PUT_LITERAL(at, " mode="), record->mode, 3);
}

static void put_keywords(struct sidecar *sidecar, const struct record *record, uint32_t names) {
  const char *type = type_name(record->kind);
  uint8_t *at = room(sidecar, 512);
  at = put_bytes(at, type, strlen(type));
  if (record->kind == KIND_CHAR || record->kind == KIND_BLOCK) {
    at = put_decimal(PUT_LITERAL(at, " device=native,"), record->dev_major);
    *at++ = ',';
    at = put_decimal(at, record->dev_minor);
  }
  at = put_owner(put_mode(at, record), record);
  if (record->kind == KIND_FILE) at = put_decimal(PUT_LITERAL(at, " size="), record->size);
  if (names > 1) at = put_decimal(PUT_LITERAL(at, " nlink="), names);
  wrote(sidecar, put_time(at, record));
  if (record->kind == KIND_SYMLINK) {
    LITERAL(sidecar, " link=");
    put_vis(sidecar, record_link(record));
  }
  LITERAL(sidecar, "\n");
}

static void put_crc(struct sidecar *sidecar, uint32_t crc) {
  static const char digits[] = "0123456789abcdef";
  uint8_t *at = PUT_LITERAL(room(sidecar, 64), "#sluice.crc32c ");
  for (int shift = 28; shift >= 0; shift -= 4) *at++ = (uint8_t)digits[crc >> shift & 15];
  *at++ = '\n';
  wrote(sidecar, at);
}

struct numbered_xattr {
  struct xattr xattr;
  uint32_t number;
};

static int compare_xattrs(const void *left, const void *right) {
  const struct numbered_xattr *a = left, *b = right;
  int order = bytes_compare(a->xattr.name, b->xattr.name);
  return order ? order : (a->number > b->number) - (a->number < b->number);
}

/* Sorted by name; of one name, the later value counts. */
static void put_xattrs(struct sidecar *sidecar, const struct record *record) {
  if (record->xattr_count == 0) return;
  struct bytes packed = record_xattrs(record);
  struct xattrs rest = {packed.at, packed.at + packed.length, record->xattr_count};
  struct numbered_xattr *sorted = malloc(record->xattr_count * sizeof *sorted);
  if (!sorted) {
    note_failure(sidecar, CALL_MALLOC);
    return;
  }
  uint32_t count = 0;
  while (xattrs_next(&rest, &sorted[count].xattr)) {
    sorted[count].number = count;
    count++;
    if (count == record->xattr_count) break;
  }
  qsort(sorted, count, sizeof *sorted, compare_xattrs);
  for (uint32_t i = 0; i < count; i++) {
    if (i + 1 < count && bytes_equal(sorted[i].xattr.name, sorted[i + 1].xattr.name)) continue;
    if (sorted[i].xattr.flag == XATTR_SET) LITERAL(sidecar, "#sluice.xattr set ");
    else LITERAL(sidecar, "#sluice.xattr kept ");
    put_vis(sidecar, sorted[i].xattr.name);
    LITERAL(sidecar, " ");
    put_base64(sidecar, sorted[i].xattr.value);
    LITERAL(sidecar, "\n");
  }
  free(sorted);
}

void sidecar_entry(struct sidecar *sidecar, struct bytes path, const struct record *record, struct hard_link link,
                   struct bytes notes) {
  put_path(sidecar, path);
  put_keywords(sidecar, record, link.names);
  if (record->flags & RECORD_IMPLIED) LITERAL(sidecar, "#sluice.implied\n");
  if (link.names > 1 && !bytes_equal(path, link.first)) {
    LITERAL(sidecar, "#sluice.hardlink ");
    put_path(sidecar, link.first);
    LITERAL(sidecar, "\n");
  }
  if (record->kind == KIND_FILE) put_crc(sidecar, record->crc);
  put_xattrs(sidecar, record);
  sidecar_text(sidecar, notes);
}

void sidecar_deferred(struct sidecar *sidecar, const struct record *record) {
  LITERAL(sidecar, "#sluice.deferred ");
  put_path(sidecar, record_path(record));
  LITERAL(sidecar, " ");
  put_path(sidecar, record_link(record));
  uint8_t *at = put_time(put_mode(put_owner(room(sidecar, 512), record), record), record);
  at = put_decimal(PUT_LITERAL(at, " index="), record->entry);
  *at++ = '\n';
  wrote(sidecar, at);
}

enum call sidecar_close(struct sidecar *sidecar, bool keep) {
  if (keep) flush(sidecar);
  if (sidecar->fd >= 0 && close(sidecar->fd) < 0 && keep && errno != EINTR) note_failure(sidecar, CALL_CLOSE);
  sidecar->fd = -1;
  free(sidecar->buffer);
  sidecar->buffer = NULL;
  errno = sidecar->error;
  return sidecar->failed;
}
