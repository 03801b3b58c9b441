/* Everything the writer makes or changes that is no file with content. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remove.h"
#include "writer.h"

enum { LONGEST_TARGET = 4095, IMPLIED_MODE = 0755 };

enum status suspend_at(struct writer *writer, const struct leaf *leaf) {
  int error = leaf_stat(&writer->parents, leaf, &writer->report);
  if (error) return fail_at(writer, leaf, CALL_FSTATAT, error);
  report_name(&writer->report, leaf_path(leaf));
  return suspend(&writer->report, EEXIST, true);
}

struct record entry_record(const struct metadata *metadata, uint32_t entry) {
  return (struct record){
      .type = RECORD_ENTRY,
      .kind = (uint8_t)metadata->kind,
      .mtime = metadata->mtime,
      .mtime_ns = metadata->mtime_ns,
      .mode = metadata->mode,
      .uid = metadata->uid,
      .gid = metadata->gid,
      .dev_major = metadata->dev_major,
      .dev_minor = metadata->dev_minor,
      .entry = entry,
  };
}

static uint32_t listed_count(const struct buffer *listed) {
  struct bytes packed = buffer_bytes(listed);
  struct xattrs rest = {packed.at, packed.at + packed.length, UINT32_MAX};
  struct xattr xattr;
  while (xattrs_next(&rest, &xattr)) continue;
  return UINT32_MAX - rest.count;
}

enum status remember(struct writer *writer, const struct record *head, struct bytes path, struct bytes link) {
  if (report_is_noteworthy(&writer->report)) report_name(&writer->report, path);
  enum call failed = records_add(&writer->records, head, path, link, buffer_bytes(&writer->listed),
                                 writer->listed.used ? listed_count(&writer->listed) : 0);
  return failed ? fail(&writer->report, failed, errno) : DONE;
}

/* ---- directories ---- */

static enum status put_directory_attributes(struct writer *writer, int fd, const struct command *command) {
  return attributes_set(fd, &command->metadata, command->xattrs, &writer->listed, &writer->report);
}

static enum status dress_directory(struct writer *writer, int fd, const struct command *command, mode_t mode) {
  bool is_implied = command->flags & FLAG_IMPLIED;
  if (disinherit(writer, fd)) return FAILED;
  if (!is_implied && put_directory_attributes(writer, fd, command)) return FAILED;
  if (must_set_mode(writer, mode) && RETRY(fchmod(fd, mode)) < 0) return fail(&writer->report, CALL_FCHMOD, errno);
  return DONE;
}

enum status make_directory(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  if (leaf_is_root(&leaf)) return suspend_at(writer, &leaf);
  bool is_implied = command->flags & FLAG_IMPLIED;
  mode_t mode = is_implied ? IMPLIED_MODE : host_mode(&command->metadata);
  if (RETRY(mkdirat(leaf.fd, leaf.name, mode)) < 0)
    return errno == EEXIST ? suspend_at(writer, &leaf) : fail_at(writer, &leaf, CALL_MKDIRAT, errno);
  int fd = RETRY(openat(leaf.fd, leaf.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) return fail_at(writer, &leaf, CALL_OPENAT, errno);
  if (dress_directory(writer, fd, command, mode)) {
    close(fd);
    return fail_at(writer, &leaf, writer->report.call, writer->report.error);
  }
  /* Its children usually come next. */
  if (!parents_add(&writer->parents, leaf_path(&leaf), leaf.depth, fd))
    return fail_at(writer, &leaf, CALL_MALLOC, ENOMEM);
  struct record record = entry_record(&command->metadata, command->entry);
  if (is_implied)
    record = (struct record){.type = RECORD_ENTRY, .kind = KIND_DIR, .flags = RECORD_IMPLIED, .mode = IMPLIED_MODE};
  return remember(writer, &record, leaf_path(&leaf), no_bytes());
}

enum status change_directory(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  const char *name = leaf_is_root(&leaf) ? "." : leaf.name;
  int fd = RETRY(openat(leaf.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) return fail_at(writer, &leaf, CALL_OPENAT, errno);
  status = command->flags & FLAG_NO_XATTR ? DONE : attributes_clear(fd, command->flags & FLAG_PRIVILEGED, &writer->report);
  if (!status) status = put_directory_attributes(writer, fd, command);
  if (!status && RETRY(fchmod(fd, host_mode(&command->metadata))) < 0)
    status = fail(&writer->report, CALL_FCHMOD, errno);
  close(fd);
  if (status) return fail_at(writer, &leaf, writer->report.call, writer->report.error);
  struct record record = entry_record(&command->metadata, command->entry);
  return remember(writer, &record, leaf_path(&leaf), no_bytes());
}

/* ---- symlinks and hard links ---- */

enum status make_symlink(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  char target[LONGEST_TARGET + 1];
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  if (leaf_is_root(&leaf)) return suspend_at(writer, &leaf);
  if (command->link.length > LONGEST_TARGET) return fail_at(writer, &leaf, CALL_SYMLINKAT, ENAMETOOLONG);
  if (command->link.length == 0) return fail_at(writer, &leaf, CALL_SYMLINKAT, ENOENT);
  if (memchr(command->link.at, 0, command->link.length)) return fail_at(writer, &leaf, CALL_SYMLINKAT, EINVAL);
  memcpy(target, command->link.at, command->link.length);
  target[command->link.length] = 0;
  if (RETRY(symlinkat(target, leaf.fd, leaf.name)) < 0)
    return errno == EEXIST ? suspend_at(writer, &leaf) : fail_at(writer, &leaf, CALL_SYMLINKAT, errno);
  struct timespec times[2];
  attributes_times(command->metadata.mtime, command->metadata.mtime_ns, times);
  if (RETRY(utimensat(leaf.fd, leaf.name, times, AT_SYMLINK_NOFOLLOW)) < 0)
    return fail_at(writer, &leaf, CALL_UTIMENSAT, errno);
  if (attributes_add(-1, command->flags, command->xattrs, &writer->listed, &writer->report))
    return fail_at(writer, &leaf, writer->report.call, writer->report.error);
  struct record record = entry_record(&command->metadata, command->entry);
  return remember(writer, &record, leaf_path(&leaf), command->link);
}

enum status join_group(struct writer *writer, const struct leaf *target, uint32_t *group) {
  *group = links_find(&writer->links, writer->report.inode);
  if (*group) return DONE;
  enum call failed = links_add(&writer->links, writer->report.inode, leaf_path(target), group);
  if (failed) return fail_at(writer, target, failed, errno);
  struct record origin = {.type = RECORD_ORIGIN, .group = *group};
  return remember(writer, &origin, leaf_path(target), no_bytes());
}

enum status find_target(struct writer *writer, struct bytes path, struct leaf *target) {
  enum status status = leaf_find(&writer->parents, path, target, &writer->report);
  if (status) return status == SUSPENDED ? fail(&writer->report, CALL_LINKAT, writer->report.error) : status;
  return leaf_is_root(target) ? fail_at(writer, target, CALL_LINKAT, EPERM) : DONE;
}

/* Whether the writer's own limit is met; the file system's shows in linkat. */
static bool is_full(struct writer *writer, const struct leaf *target) {
  return writer->most_links && leaf_stat(&writer->parents, target, &writer->report) == 0 &&
         writer->report.links >= writer->most_links;
}

/* The target can have no more names: the rules decide (H10). */
static enum status suspend_full(struct writer *writer, const struct leaf *leaf) {
  report_name(&writer->report, leaf_path(leaf));
  return suspend(&writer->report, EMLINK, true);
}

enum status make_link(struct writer *writer, const struct command *command) {
  struct leaf leaf, target;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  if (leaf_is_root(&leaf)) return suspend_at(writer, &leaf);
  status = find_target(writer, command->link, &target);
  if (status) return status;
  if (is_full(writer, &target)) return suspend_full(writer, &leaf);
  if (RETRY(linkat(target.fd, target.name, leaf.fd, leaf.name, 0)) < 0) {
    if (errno == EEXIST) return suspend_at(writer, &leaf);
    if (errno == EMLINK) return suspend_full(writer, &leaf);
    return fail_at(writer, errno == ENOENT ? &target : &leaf, CALL_LINKAT, errno);
  }
  int error = leaf_stat(&writer->parents, &leaf, &writer->report);
  if (error) return fail_at(writer, &leaf, CALL_FSTATAT, error);
  struct record record = {.type = RECORD_LINK, .entry = command->entry};
  if (join_group(writer, &target, &record.group)) return FAILED;
  return remember(writer, &record, leaf_path(&leaf), no_bytes());
}

/* ---- removing and looking ---- */

/* Keeps the tables of inodes true: numbers of removed inodes are given out again. */
static void forget_inode(void *context, int directory, const char *name) {
  struct writer *writer = context;
  struct stat there;
  if (writer->links.slots_used == 0 && writer->placeholders.slots_used == 0) return;
  if (RETRY(fstatat(directory, name, &there, AT_SYMLINK_NOFOLLOW)) < 0) return;
  if (S_ISDIR(there.st_mode) || there.st_nlink > 1) return;
  links_forget(&writer->links, there.st_ino);
  links_forget(&writer->placeholders, there.st_ino);
}

enum status remove_leaf(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status == SUSPENDED) return fail(&writer->report, CALL_UNLINKAT, writer->report.error);
  if (status) return status;
  if (leaf_is_root(&leaf)) return fail_at(writer, &leaf, CALL_UNLINKAT, EINVAL);
  int error = leaf_stat(&writer->parents, &leaf, &writer->report);
  if (error) return fail_at(writer, &leaf, CALL_FSTATAT, error);
  enum call failed = remove_at(leaf.fd, leaf.name, forget_inode, writer);
  if (failed) return fail_at(writer, &leaf, failed, errno);
  if (writer->report.kind == KIND_DIR || writer->report.kind == KIND_SYMLINK) parents_clear(&writer->parents);
  struct record record = {.type = RECORD_REMOVED};
  return remember(writer, &record, leaf_path(&leaf), no_bytes());
}

enum status stat_leaf(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  struct report *report = &writer->report;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, report);
  if (status == SUSPENDED && !(command->flags & FLAG_PARENTS)) {
    report->status = DONE;
    report->kind = KIND_NONE;
    report->inode = report->links = 0;
    return DONE;
  }
  if (status) return status;
  report->at_leaf = true;
  report_name(report, leaf_path(&leaf));
  int error = leaf_stat(&writer->parents, &leaf, report);
  if (error && error != ENOENT) return fail_at(writer, &leaf, CALL_FSTATAT, error);
  report->error = error;
  return DONE;
}

/* ---- metadata that a later link entry gives an inode (H7) ---- */

static enum status dress_inode(struct writer *writer, int fd, const struct command *command, unsigned mode_now) {
  struct metadata metadata = command->metadata;
  if (attributes_rewrite(fd, &metadata, &metadata.kind, &writer->report)) return FAILED;
  if (links_find(&writer->placeholders, writer->report.inode)) metadata.kind = KIND_FIFO;
  /* A placeholder holds none of the image's attributes (S6). */
  int holder = metadata.kind == KIND_FILE ? fd : -1;
  if (attributes_add(holder, metadata.flags, command->xattrs, &writer->listed, &writer->report)) return FAILED;
  mode_t mode = host_mode(&metadata);
  if ((mode != (mode_now & 07777) || writer->report.has_acls) && RETRY(fchmod(fd, mode)) < 0) return fail(&writer->report, CALL_FCHMOD, errno);
  struct timespec times[2];
  attributes_times(metadata.mtime, metadata.mtime_ns, times);
  if (RETRY(futimens(fd, times)) < 0) return fail(&writer->report, CALL_UTIMENSAT, errno);
  return DONE;
}

static enum status change_file(struct writer *writer, const struct leaf *leaf, const struct command *command) {
  struct stat there;
  int fd = RETRY(openat(leaf->fd, leaf->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd < 0) return fail_at(writer, leaf, CALL_OPENAT, errno);
  enum status status = fstat(fd, &there) < 0 ? fail(&writer->report, CALL_FSTATAT, errno) : DONE;
  if (!status) status = dress_inode(writer, fd, command, there.st_mode);
  close(fd);
  return status ? fail_at(writer, leaf, writer->report.call, writer->report.error) : DONE;
}

static enum status change_symlink(struct writer *writer, const struct leaf *leaf, const struct command *command) {
  struct timespec times[2];
  attributes_times(command->metadata.mtime, command->metadata.mtime_ns, times);
  if (RETRY(utimensat(leaf->fd, leaf->name, times, AT_SYMLINK_NOFOLLOW)) < 0)
    return fail_at(writer, leaf, CALL_UTIMENSAT, errno);
  if (attributes_add(-1, command->flags, command->xattrs, &writer->listed, &writer->report))
    return fail_at(writer, leaf, writer->report.call, writer->report.error);
  return DONE;
}

enum status change_inode(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  int error = leaf_stat(&writer->parents, &leaf, &writer->report);
  if (error) return fail_at(writer, &leaf, CALL_FSTATAT, error);
  if (writer->report.kind == KIND_DIR) return fail_at(writer, &leaf, CALL_OPENAT, EISDIR);
  status = writer->report.kind == KIND_SYMLINK ? change_symlink(writer, &leaf, command)
                                               : change_file(writer, &leaf, command);
  if (status) return status;
  struct record record = entry_record(&command->metadata, command->entry);
  record.type = RECORD_META;
  record.group = links_find(&writer->links, writer->report.inode);
  if (record.group == 0) return remember(writer, &record, leaf_path(&leaf), no_bytes());
  /* Kept where the inode's own record is, so that it is met right after it. */
  struct group *group = links_group(&writer->links, record.group);
  struct buffer origin = {0};
  enum call failed = links_text(&writer->links, group->origin, group->origin_length, &origin);
  status = failed ? fail_at(writer, &leaf, failed, errno)
                  : remember(writer, &record, buffer_bytes(&origin), no_bytes());
  buffer_free(&origin);
  return status;
}

/* ---- notes ---- */

enum status add_note(struct writer *writer, const struct command *command) {
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, command->path, &leaf, &writer->report);
  if (status) return status;
  bool is_deferred = command->flags & FLAG_DEFERRED;
  /* A newline would forge a line of the sidecar. */
  if (!is_deferred && command->link.length && memchr(command->link.at, '\n', command->link.length))
    return fail_at(writer, &leaf, CALL_NONE, EINVAL);
  struct record record = entry_record(&command->metadata, command->entry);
  record.type = is_deferred ? RECORD_DEFERRED : RECORD_NOTE;
  return remember(writer, &record, leaf_path(&leaf), command->link);
}
