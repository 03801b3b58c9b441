/*
 * What stands where a hard link would be one too many (rule H10): a copy with the same content, attributes and time,
 * made through descriptors alone (E18).
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "writer.h"

enum { PIECE = 64 << 10, STEP = 8 << 20, LONGEST_VALUE = 65536, LONGEST_LIST = 65536, LONGEST_TARGET = 4095 };

/* ---- content: all of these return CALL_NONE, or what failed, with errno ---- */

static enum call copy_stretch(int from, int to, off_t at, off_t end) {
  uint8_t piece[PIECE];
  while (at < end) {
    size_t wanted = end - at < PIECE ? (size_t)(end - at) : PIECE;
    ssize_t count = RETRY(pread(from, piece, wanted, at));
    if (count == 0) errno = EIO;
    if (count <= 0) return CALL_PREAD;
    for (ssize_t done = 0, written; done < count; done += written) {
      written = RETRY(pwrite(to, piece + done, (size_t)(count - done), at + done));
      if (written <= 0) return CALL_WRITE;
    }
    at += count;
  }
  return CALL_NONE;
}

/* Copies on from `copy->at`, STEP bytes of data at most. Holes stay holes. */
static enum call copy_content(struct open_copy *copy) {
  off_t size = copy->source.st_size, left = STEP;
  while (copy->at < size && left > 0) {
    off_t data = lseek(copy->from, copy->at, SEEK_DATA);
    if (data < 0 && errno != ENXIO) return CALL_LSEEK;
    off_t hole = data < 0 ? size : lseek(copy->from, data, SEEK_HOLE);
    if (hole < 0) return CALL_LSEEK;
    off_t end = data < 0 || hole - data <= left ? hole : data + left;
    enum call failed = data < 0 ? CALL_NONE : copy_stretch(copy->from, copy->to, data, end);
    if (failed) return failed;
    if (data >= 0) left -= end - data;
    copy->at = end;
  }
  return copy->at >= size && RETRY(ftruncate(copy->to, size)) < 0 ? CALL_FTRUNCATE : CALL_NONE;
}

/* ---- attributes ---- */

static enum call copy_xattr(int from, int to, const char *name, uint8_t *value) {
  ssize_t length = RETRY(fgetxattr(from, name, value, LONGEST_VALUE));
  bool is_copied = length >= 0 && RETRY(fsetxattr(to, name, value, (size_t)length, 0)) == 0;
  /* Labels that the kernel gives are none of the image's. */
  if (is_copied || strncmp(name, "user.", 5) != 0) return CALL_NONE;
  return length < 0 ? CALL_FGETXATTR : CALL_FSETXATTR;
}

static enum call copy_xattrs(int from, int to) {
  ssize_t length = RETRY(flistxattr(from, NULL, 0));
  if (length == 0 || (length < 0 && errno == ENOTSUP)) return CALL_NONE;
  char *names = malloc(LONGEST_LIST + LONGEST_VALUE);
  if (!names) return CALL_MALLOC;
  length = RETRY(flistxattr(from, names, LONGEST_LIST));
  enum call failed = length < 0 ? CALL_FGETXATTR : CALL_NONE;
  for (char *name = names; !failed && name < names + length; name += strlen(name) + 1)
    if (strcmp(name, "security.selinux") != 0) failed = copy_xattr(from, to, name, (uint8_t *)names + LONGEST_LIST);
  int error = errno;
  free(names);
  errno = error;
  return failed;
}

static enum call dress_copy(const struct writer *writer) {
  const struct open_copy *copy = &writer->copy;
  if (writer->report.has_acls && (errno = attributes_disinherit(copy->to))) return CALL_FREMOVEXATTR;
  enum call failed = copy_xattrs(copy->from, copy->to);
  if (failed) return failed;
  mode_t mode = copy->source.st_mode & 0777;
  if (must_set_mode(writer, mode) && RETRY(fchmod(copy->to, mode)) < 0) return CALL_FCHMOD;
  struct timespec times[2] = {copy->source.st_mtim, copy->source.st_mtim};
  return RETRY(futimens(copy->to, times)) < 0 ? CALL_UTIMENSAT : CALL_NONE;
}

/* ---- one inode ---- */

void copy_drop(struct writer *writer) {
  if (writer->copy.to < 0) return;
  close(writer->copy.from);
  close(writer->copy.to);
  writer->copy.to = -1;
}

static enum status begin_copy(struct writer *writer, const struct leaf *target, const struct leaf *leaf) {
  struct open_copy copy = {0};
  copy.from = RETRY(openat(target->fd, target->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (copy.from < 0 || fstat(copy.from, &copy.source) < 0 || !S_ISREG(copy.source.st_mode)) {
    int error = copy.from < 0 ? errno : EINVAL;
    if (copy.from >= 0) close(copy.from);
    return fail_at(writer, target, CALL_OPENAT, error);
  }
  enum { HOW = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC };
  copy.to = RETRY(openat(leaf->fd, leaf->name, HOW, copy.source.st_mode & 0777));
  if (copy.to < 0) {
    int error = errno;
    close(copy.from);
    return error == EEXIST ? suspend_at(writer, leaf) : fail_at(writer, leaf, CALL_OPENAT, error);
  }
  if (ioctl(copy.to, FICLONE, copy.from) == 0) copy.at = copy.source.st_size;
  writer->copy = copy;
  return DONE;
}

static enum status go_on_copying(struct writer *writer, const struct leaf *leaf) {
  struct open_copy *copy = &writer->copy;
  enum call failed = copy_content(copy);
  if (!failed && copy->at < copy->source.st_size) return suspend(&writer->report, EAGAIN, true);
  if (!failed) failed = dress_copy(writer);
  int error = errno, to = copy->to;
  copy->to = -1;
  close(copy->from);
  if (close(to) < 0 && !failed && errno != EINTR) {
    failed = CALL_CLOSE;
    error = errno;
  }
  return failed ? fail_at(writer, leaf, failed, error) : DONE;
}

static enum status copy_file(struct writer *writer, const struct leaf *target, const struct leaf *leaf) {
  enum status status = writer->copy.to < 0 ? begin_copy(writer, target, leaf) : DONE;
  return status ? status : go_on_copying(writer, leaf);
}

static enum status copy_symlink(struct writer *writer, const struct leaf *target, const struct leaf *leaf) {
  struct stat source;
  char text[LONGEST_TARGET + 1];
  ssize_t length = RETRY(readlinkat(target->fd, target->name, text, sizeof text));
  if (length < 0 || length > LONGEST_TARGET || fstatat(target->fd, target->name, &source, AT_SYMLINK_NOFOLLOW) < 0)
    return fail_at(writer, target, CALL_READLINKAT, length > LONGEST_TARGET ? ENAMETOOLONG : errno);
  text[length] = 0;
  if (RETRY(symlinkat(text, leaf->fd, leaf->name)) < 0)
    return errno == EEXIST ? suspend_at(writer, leaf) : fail_at(writer, leaf, CALL_SYMLINKAT, errno);
  struct timespec times[2] = {source.st_mtim, source.st_mtim};
  if (RETRY(utimensat(leaf->fd, leaf->name, times, AT_SYMLINK_NOFOLLOW)) < 0)
    return fail_at(writer, leaf, CALL_UTIMENSAT, errno);
  return DONE;
}

/* The copy's line is what the source's is now: kept where the source's own record is, so that it is met after it. */
static enum status remember_copy(struct writer *writer, const struct leaf *leaf, uint32_t source) {
  struct record record = {.type = RECORD_COPY, .group = source};
  struct buffer origin = {0};
  const struct group *group = links_group(&writer->links, source);
  enum call failed = links_text(&writer->links, group->origin, group->origin_length, &origin);
  if (!failed) failed = links_add(&writer->links, writer->report.inode, buffer_bytes(&origin), &record.copy);
  enum status status = failed ? fail_at(writer, leaf, failed, errno)
                              : remember(writer, &record, buffer_bytes(&origin), no_bytes());
  buffer_free(&origin);
  if (status) return status;
  struct record name = {.type = RECORD_LINK, .group = record.copy};
  return remember(writer, &name, leaf_path(leaf), no_bytes());
}

enum status make_copy(struct writer *writer, const struct command *command) {
  struct leaf leaf, target;
  uint32_t source;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  if (leaf_is_root(&leaf)) return suspend_at(writer, &leaf);
  status = find_target(writer, command->link, &target);
  if (status) return status;
  int error = leaf_stat(&writer->parents, &target, &writer->report);
  if (error) return fail_at(writer, &target, CALL_FSTATAT, error);
  bool is_placeholder = links_find(&writer->placeholders, writer->report.inode);
  if (join_group(writer, &target, &source)) return FAILED;
  status = writer->report.kind == KIND_SYMLINK ? copy_symlink(writer, &target, &leaf)
                                               : copy_file(writer, &target, &leaf);
  if (status) return status;
  error = leaf_stat(&writer->parents, &leaf, &writer->report);
  if (error) return fail_at(writer, &leaf, CALL_FSTATAT, error);
  uint32_t mark;
  enum call failed = is_placeholder ? links_add(&writer->placeholders, writer->report.inode, no_bytes(), &mark) : CALL_NONE;
  return failed ? fail_at(writer, &leaf, failed, errno) : remember_copy(writer, &leaf, source);
}
