/* Regular files, placeholders and markers: extraction §12, "Order of metadata on one file". */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "writer.h"

static enum status file_fail(struct writer *writer, enum call call, int error) {
  report_name(&writer->report, buffer_bytes(&writer->file.path));
  writer->report.at_leaf = true;
  return fail(&writer->report, call, error);
}

void file_drop(struct writer *writer) {
  if (writer->file.fd >= 0) close(writer->file.fd);
  writer->file.fd = -1;
}

static bool file_keep(struct open_file *file, const struct command *command, const struct leaf *leaf) {
  file->metadata = command->metadata;
  file->entry = command->entry;
  file->size = command->size;
  file->end = file->at = 0;
  file->crc = 0;
  file->path.used = file->xattrs.used = 0;
  file->xattr_count = command->xattrs.count;
  if (!buffer_add(&file->path, leaf->path, leaf->length)) return false;
  struct xattrs xattrs = command->xattrs;
  struct xattr xattr;
  while (xattrs_next(&xattrs, &xattr))
    if (!xattrs_append(&file->xattrs, xattr)) return false;
  return true;
}

/* `write` where the descriptor stands, `pwrite` behind a hole. */
static enum status file_write(struct writer *writer, struct bytes data, uint64_t offset) {
  struct open_file *file = &writer->file;
  while (data.length) {
    ssize_t count = offset == file->at ? RETRY(write(file->fd, data.at, data.length))
                                       : RETRY(pwrite(file->fd, data.at, data.length, (off_t)offset));
    if (count <= 0) return file_fail(writer, CALL_WRITE, count < 0 ? errno : EIO);
    if (offset == file->at) file->at += (uint64_t)count;
    offset += (uint64_t)count;
    data.at += count;
    data.length -= (size_t)count;
  }
  return DONE;
}

static enum status file_put(struct writer *writer, const struct command *command) {
  struct open_file *file = &writer->file;
  struct bytes data = command->data;
  if (data.length == 0) return DONE;
  if (command->offset < file->end) return file_fail(writer, CALL_WRITE, EINVAL);
  file->crc = crc32c_zeros(file->crc, command->offset - file->end);
  file->crc = writer->crc(file->crc, data.at, data.length);
  file->end = command->offset + data.length;
  return file_write(writer, data, command->offset);
}

static enum status file_extend(struct writer *writer) {
  struct open_file *file = &writer->file;
  if (file->end == file->size) return DONE;
  if (file->end > file->size) return file_fail(writer, CALL_FTRUNCATE, EINVAL);
  if (RETRY(ftruncate(file->fd, (off_t)file->size)) < 0) return file_fail(writer, CALL_FTRUNCATE, errno);
  file->crc = crc32c_zeros(file->crc, file->size - file->end);
  return DONE;
}

static enum status file_attributes(struct writer *writer) {
  struct open_file *file = &writer->file;
  struct bytes packed = buffer_bytes(&file->xattrs);
  struct xattrs xattrs = {packed.at, packed.at + packed.length, file->xattr_count};
  writer->listed.used = 0;
  if (disinherit(writer, file->fd)) return file_fail(writer, writer->report.call, writer->report.error);
  if (attributes_set(file->fd, &file->metadata, xattrs, &writer->listed, &writer->report))
    return file_fail(writer, writer->report.call, writer->report.error);
  mode_t mode = host_mode(&file->metadata);
  if (must_set_mode(writer, mode) && RETRY(fchmod(file->fd, mode)) < 0) return file_fail(writer, CALL_FCHMOD, errno);
  struct timespec times[2];
  attributes_times(file->metadata.mtime, file->metadata.mtime_ns, times);
  if (RETRY(futimens(file->fd, times)) < 0) return file_fail(writer, CALL_UTIMENSAT, errno);
  return DONE;
}

/* What an override would tell a hard link that comes later (H7). */
static enum status file_mark(struct writer *writer) {
  const struct metadata *metadata = &writer->file.metadata;
  if (!(metadata->flags & FLAG_NO_XATTR) || metadata->kind == KIND_FILE) return DONE;
  struct stat there;
  uint32_t group;
  if (fstat(writer->file.fd, &there) < 0) return file_fail(writer, CALL_FSTATAT, errno);
  enum call failed = links_add(&writer->placeholders, there.st_ino, no_bytes(), &group);
  return failed ? file_fail(writer, failed, errno) : DONE;
}

static enum status file_close(struct writer *writer) {
  int fd = writer->file.fd;
  writer->file.fd = -1;
  if (close(fd) < 0 && errno != EINTR) return file_fail(writer, CALL_CLOSE, errno);
  return DONE;
}

static enum status file_remember(struct writer *writer) {
  struct open_file *file = &writer->file;
  struct record record = entry_record(&file->metadata, file->entry);
  record.size = file->size;
  record.crc = file->crc;
  return remember(writer, &record, buffer_bytes(&file->path), no_bytes());
}

static enum status file_finish(struct writer *writer) {
  if (file_extend(writer) || file_attributes(writer) || file_mark(writer) || file_close(writer) ||
      file_remember(writer)) {
    file_drop(writer);
    return FAILED;
  }
  return DONE;
}

enum status file_go_on(struct writer *writer, const struct command *command) {
  if (writer->file.fd < 0) return fail(&writer->report, CALL_WRITE, EBADF);
  if (file_put(writer, command)) {
    file_drop(writer);
    return FAILED;
  }
  return command->flags & FLAG_LAST ? file_finish(writer) : DONE;
}

enum status file_begin(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  if (leaf_is_root(&leaf)) return suspend_at(writer, &leaf);
  enum { HOW = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC };
  int fd = RETRY(openat(leaf.fd, leaf.name, HOW, host_mode(&command->metadata)));
  if (fd < 0) return errno == EEXIST ? suspend_at(writer, &leaf) : fail_at(writer, &leaf, CALL_OPENAT, errno);
  writer->file.fd = fd;
  if (!file_keep(&writer->file, command, &leaf)) {
    file_drop(writer);
    return fail_at(writer, &leaf, CALL_MALLOC, ENOMEM);
  }
  return file_go_on(writer, command);
}
