#include "attributes.h"

#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/xattr.h>

#include "text.h"

#define OVERRIDE_STAT "user.containers.override_stat"
#define ACL_PREFIX "system.posix_acl_"
#define ACL_OWN ACL_PREFIX "access"
#define ACL_HANDED_ON ACL_PREFIX "default"

/* Range of ext4 (M18); narrower file systems are clamped by the kernel. */
#define EARLIEST INT64_C(-2147483648)
#define LATEST INT64_C(15032385535)

enum {
  LONGEST_OVERRIDE = 8 * LONGEST_NUMBER,
  LONGEST_XATTR_LIST = 65536,
  /* What forks of libkrun read; they drop an override that is longer (M9). */
  LONGEST_READ_OVERRIDE = 32,
};

static uint32_t read_u32(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

bool xattrs_next(struct xattrs *xattrs, struct xattr *xattr) {
  size_t left = (size_t)(xattrs->end - xattrs->at);
  if (xattrs->count == 0 || left < XATTR_HEAD) return false;
  uint32_t name = read_u32(xattrs->at + 1), value = read_u32(xattrs->at + 5);
  left -= XATTR_HEAD;
  if (name > left || value > left - name) return false;
  xattr->flag = xattrs->at[0];
  xattr->name = (struct bytes){xattrs->at + XATTR_HEAD, name};
  xattr->value = (struct bytes){xattrs->at + XATTR_HEAD + name, value};
  xattrs->at = xattr->value.at + value;
  xattrs->count--;
  return true;
}

bool xattrs_fit(const struct xattrs *xattrs) {
  struct xattrs rest = *xattrs;
  struct xattr xattr;
  while (xattrs_next(&rest, &xattr))
    if (xattr.name.length == 0) return false;
  return rest.count == 0;
}

bool xattrs_append(struct buffer *list, struct xattr xattr) {
  uint8_t head[XATTR_HEAD] = {(uint8_t)xattr.flag};
  write_u32(head + 1, (uint32_t)xattr.name.length);
  write_u32(head + 5, (uint32_t)xattr.value.length);
  return buffer_add(list, head, sizeof head) && buffer_add(list, xattr.name.at, xattr.name.length) &&
         buffer_add(list, xattr.value.at, xattr.value.length);
}

mode_t host_mode(const struct metadata *metadata) {
  if (metadata->kind == KIND_DIR) return (metadata->mode & 0777) | 0700;
  if (metadata->kind == KIND_FILE && !(metadata->flags & FLAG_MARKER)) return (metadata->mode & 0777) | 0600;
  return 0600;
}

static uint8_t *put_device(uint8_t *at, const char *type, const struct metadata *metadata) {
  *at++ = ':';
  if (metadata->flags & FLAG_LIBKRUN) {
    uint64_t major = metadata->dev_major, minor = metadata->dev_minor;
    return put_decimal(at, (minor & 0xff) | major << 8 | (minor & ~UINT64_C(0xff)) << 12);
  }
  at = put_bytes(at, type, strlen(type));
  *at++ = '-';
  at = put_decimal(at, metadata->dev_major);
  *at++ = '-';
  return put_decimal(at, metadata->dev_minor);
}

static uint8_t *put_owner_and_mode(uint8_t *at, const struct metadata *metadata, unsigned kind) {
  at = put_decimal(at, metadata->uid);
  *at++ = ':';
  at = put_decimal(at, metadata->gid);
  *at++ = ':';
  return put_octal(at, kind << 12 | metadata->mode, 1);
}

/* The fourth field (M5). */
static uint8_t *put_type(uint8_t *at, const struct metadata *metadata) {
  switch (metadata->kind) {
    case KIND_CHAR:
      return put_device(at, "char", metadata);
    case KIND_BLOCK:
      return put_device(at, "block", metadata);
    case KIND_FIFO:
      return metadata->flags & FLAG_LIBKRUN ? at : PUT_LITERAL(at, ":pipe");
    case KIND_SOCKET:
      return metadata->flags & FLAG_LIBKRUN ? at : PUT_LITERAL(at, ":socket");
    default:
      return at;
  }
}

static bool bytes_begin(struct bytes bytes, const char *with) {
  size_t length = strlen(with);
  return bytes.length >= length && memcmp(bytes.at, with, length) == 0;
}

static enum status set_override(int fd, const uint8_t *value, size_t length, struct report *report) {
  report->override_is_long = length > LONGEST_READ_OVERRIDE;
  if (RETRY(fsetxattr(fd, OVERRIDE_STAT, value, length, 0)) == 0) return DONE;
  return fail(report, CALL_FSETXATTR, errno);
}

/* Whether a failed setxattr is the machine's trouble and not the attribute's (M16). ext4 says ENOSPC for a full inode. */
static bool is_fatal(int fd, int error) {
  struct statvfs fs;
  switch (error) {
    case EIO:
    case ENOMEM:
    case EROFS:
    case EDQUOT:
      return true;
    case ENOSPC:
      return fstatvfs(fd, &fs) == 0 && fs.f_bavail == 0;
    default:
      return false;
  }
}

/* Returns 0 or errno. */
static int set_xattr(int fd, const struct xattr *xattr) {
  char name[LONGEST_NAME + 1];
  if (fd < 0) return EPERM;
  if (xattr->name.length > LONGEST_NAME) return ERANGE;
  if (memchr(xattr->name.at, 0, xattr->name.length)) return EINVAL;
  memcpy(name, xattr->name.at, xattr->name.length);
  name[xattr->name.length] = 0;
  return RETRY(fsetxattr(fd, name, xattr->value.at, xattr->value.length, 0)) == 0 ? 0 : errno;
}

enum status attributes_add(int fd, unsigned flags, struct xattrs xattrs, struct buffer *listed,
                           struct report *report) {
  struct xattr xattr;
  while (xattrs_next(&xattrs, &xattr)) {
    bool is_listed = xattr.flag != XATTR_SET_UNLISTED;
    if (xattr.flag != XATTR_KEPT && (flags & FLAG_NO_XATTR)) {
      xattr.flag = XATTR_KEPT;
    } else if (xattr.flag != XATTR_KEPT) {
      int error = set_xattr(fd, &xattr);
      if (error && is_fatal(fd, error)) return fail(report, CALL_FSETXATTR, error);
      if (error) report->xattrs_kept++;
      else if (bytes_begin(xattr.name, ACL_PREFIX)) report->has_acls = true;
      xattr.flag = error ? XATTR_KEPT : XATTR_SET;
    }
    if (is_listed && !xattrs_append(listed, xattr)) return fail(report, CALL_MALLOC, ENOMEM);
  }
  return DONE;
}

enum status attributes_set(int fd, const struct metadata *metadata, struct xattrs xattrs, struct buffer *listed,
                           struct report *report) {
  if (!(metadata->flags & FLAG_NO_XATTR)) {
    uint8_t value[LONGEST_OVERRIDE];
    uint8_t *end = put_type(put_owner_and_mode(value, metadata, metadata->kind), metadata);
    if (set_override(fd, value, (size_t)(end - value), report)) return FAILED;
  }
  return attributes_add(fd, metadata->flags, xattrs, listed, report);
}

/* The third field's number and where the fourth one begins (its colon, or the end). False when it is malformed. */
static bool parse_override(const uint8_t *value, size_t length, unsigned *mode, size_t *fourth) {
  size_t at = 0;
  for (int colons = 0; colons < 2; at++) {
    if (at == length) return false;
    if (value[at] == ':') colons++;
  }
  unsigned number = 0;
  size_t start = at;
  for (; at < length && value[at] >= '0' && value[at] <= '7'; at++) number = number << 3 | (value[at] - '0');
  if (at == start || (at < length && value[at] != ':')) return false;
  *mode = number;
  *fourth = at;
  return true;
}

enum status attributes_rewrite(int fd, const struct metadata *metadata, unsigned *kind, struct report *report) {
  if (metadata->flags & FLAG_NO_XATTR) return DONE;
  uint8_t old[LONGEST_OVERRIDE], value[2 * LONGEST_OVERRIDE];
  ssize_t length = RETRY(fgetxattr(fd, OVERRIDE_STAT, old, sizeof old));
  if (length < 0) return fail(report, CALL_FGETXATTR, errno);
  unsigned mode;
  size_t fourth;
  if (!parse_override(old, (size_t)length, &mode, &fourth)) return fail(report, CALL_FGETXATTR, EINVAL);
  *kind = mode >> 12 & 017;
  uint8_t *end = put_owner_and_mode(value, metadata, *kind);
  end = put_bytes(end, old + fourth, (size_t)length - fourth);
  return set_override(fd, value, (size_t)(end - value), report);
}

/* What an image's entry may have set under this name. */
static bool is_of_image(const char *name, bool is_privileged) {
  struct bytes bytes = {(const uint8_t *)name, strlen(name)};
  if (bytes_begin(bytes, "user.")) return strcmp(name, OVERRIDE_STAT) != 0;
  if (!is_privileged || strcmp(name, "security.selinux") == 0) return false;
  return bytes_begin(bytes, "security.") || bytes_begin(bytes, "trusted.") || bytes_begin(bytes, "system.");
}

int attributes_disinherit(int fd) {
  static const char *const names[] = {ACL_OWN, ACL_HANDED_ON};
  for (int i = 0; i < 2; i++)
    if (RETRY(fremovexattr(fd, names[i])) < 0 && errno != ENODATA && errno != ENOTSUP) return errno;
  return 0;
}

enum status attributes_clear(int fd, bool is_privileged, struct report *report) {
  ssize_t length = RETRY(flistxattr(fd, NULL, 0));
  if (length < 0) return errno == ENOTSUP ? DONE : fail(report, CALL_FGETXATTR, errno);
  if ((size_t)length <= sizeof OVERRIDE_STAT) return DONE;
  char *names = malloc(LONGEST_XATTR_LIST);
  if (!names) return fail(report, CALL_MALLOC, ENOMEM);
  length = RETRY(flistxattr(fd, names, LONGEST_XATTR_LIST));
  enum status status = length < 0 ? fail(report, CALL_FGETXATTR, errno) : DONE;
  for (char *name = names; status == DONE && name < names + length; name += strlen(name) + 1) {
    if (!is_of_image(name, is_privileged) || RETRY(fremovexattr(fd, name)) == 0 || errno == ENODATA) continue;
    if (strncmp(name, "user.", 5) == 0) status = fail(report, CALL_FREMOVEXATTR, errno);
  }
  free(names);
  return status;
}

void attributes_times(int64_t mtime, uint32_t mtime_ns, struct timespec times[2]) {
  if (mtime < EARLIEST || mtime > LATEST) {
    mtime = mtime < EARLIEST ? EARLIEST : LATEST;
    mtime_ns = 0;
  }
  times[0] = times[1] = (struct timespec){.tv_sec = (time_t)mtime, .tv_nsec = (long)mtime_ns};
}
