/*
 * The end of a layer (extraction §12, second pass): records in order of their paths become directory times and the
 * sidecar's lines. With hard links there is a pass before, which learns what each linked inode is and how many of its
 * names are left.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sidecar.h"
#include "writer.h"

/* A removed directory that is a beginning of the path at hand. */
struct removed {
  size_t length;
  uint64_t sequence;
};

/* What the records of one path come to. */
struct line {
  struct buffer path, entry, notes, deferred; /* `entry` and `deferred` hold a record or nothing */
  uint32_t group;
  bool is_there;
  uint64_t since;   /* sequence of the record that made it so */
  uint64_t removed; /* sequence of the path's own last removal, 0 for none */
};

struct finish {
  struct writer *writer;
  bool learns; /* the pass over links */
  struct line line;
  struct removed *removed; /* nested: each is a beginning of the next */
  size_t removed_count, removed_room;
  struct sidecar sidecar;
  int64_t lines;
  struct timespec root_times[2];
  bool has_root;
  struct buffer name;
};

static enum status stop(struct finish *finish, enum call call) {
  return fail(&finish->writer->report, call, errno);
}

static enum status stop_with(struct finish *finish, enum call call, int error) {
  return fail(&finish->writer->report, call, error);
}

static struct record *head_of(struct buffer *buffer) {
  return (struct record *)(void *)buffer->at;
}

/* ---- hard links ---- */

static enum status store_base(struct finish *finish, uint32_t number, const struct buffer *entry) {
  struct links *links = &finish->writer->links;
  struct group *group = links_group(links, number);
  group->base = spill_end(&links->texts);
  group->base_length = (uint32_t)entry->used;
  enum call failed = spill_append(&links->texts, entry->at, entry->used);
  return failed ? stop(finish, failed) : DONE;
}

static enum status load_base(struct finish *finish, uint32_t number, struct buffer *entry) {
  struct links *links = &finish->writer->links;
  struct group *group = links_group(links, number);
  if (group->base_length == 0) return stop_with(finish, CALL_PREAD, EIO);
  entry->used = 0;
  enum call failed = links_text(links, group->base, group->base_length, entry);
  return failed ? stop(finish, failed) : DONE;
}

/* Lays a RECORD_META over an entry's record (H7): kind, size, device and content stay. */
static enum status overlay(struct finish *finish, struct buffer *entry, const struct record *meta) {
  struct record *head = head_of(entry);
  entry->used = sizeof *head + head->path_length + head->link_length + head->xattr_length;
  struct bytes xattrs = record_xattrs(meta);
  if (!buffer_add(entry, xattrs.at, xattrs.length)) return stop(finish, CALL_MALLOC);
  head = head_of(entry);
  head->mode = meta->mode;
  head->uid = meta->uid;
  head->gid = meta->gid;
  head->mtime = meta->mtime;
  head->mtime_ns = meta->mtime_ns;
  head->xattr_length += meta->xattr_length;
  head->xattr_count += meta->xattr_count;
  return DONE;
}

/* A copy goes its own way from the moment it was made (H10). */
static enum status copy_group(struct finish *finish, const struct record *copy) {
  if (!finish->learns) return DONE;
  struct buffer base = {0};
  enum status status = load_base(finish, copy->group, &base);
  if (!status) status = store_base(finish, copy->copy, &base);
  buffer_free(&base);
  return status;
}

static enum status overlay_group(struct finish *finish, const struct record *meta) {
  if (!finish->learns) return DONE;
  struct buffer base = {0};
  enum status status = load_base(finish, meta->group, &base);
  if (!status) status = overlay(finish, &base, meta);
  if (!status) status = store_base(finish, meta->group, &base);
  buffer_free(&base);
  return status;
}

static enum status count_name(struct finish *finish) {
  struct links *links = &finish->writer->links;
  struct group *group = links_group(links, finish->line.group);
  if (group->names++) return DONE;
  group->first = spill_end(&links->texts);
  group->first_length = (uint32_t)finish->line.path.used;
  enum call failed = spill_append(&links->texts, finish->line.path.at, finish->line.path.used);
  return failed ? stop(finish, failed) : DONE;
}

/* ---- directory times ---- */

static enum status set_directory_time(struct finish *finish, const struct record *record) {
  struct writer *writer = finish->writer;
  struct bytes path = buffer_bytes(&finish->line.path);
  struct timespec times[2];
  attributes_times(record->mtime, record->mtime_ns, times);
  if (path.length == 0) {
    memcpy(finish->root_times, times, sizeof times);
    finish->has_root = true;
    return DONE;
  }
  struct leaf leaf;
  enum status status = leaf_find(&writer->parents, path, &leaf, &writer->report);
  if (status) return stop_with(finish, CALL_UTIMENSAT, writer->report.error);
  if (RETRY(utimensat(leaf.fd, leaf.name, times, AT_SYMLINK_NOFOLLOW)) < 0) return stop(finish, CALL_UTIMENSAT);
  return DONE;
}

/* ---- one path ---- */

static enum status write_line(struct finish *finish) {
  struct line *line = &finish->line;
  struct hard_link link = {0};
  if (line->group) {
    struct group *group = links_group(&finish->writer->links, line->group);
    if (load_base(finish, line->group, &line->entry)) return FAILED;
    finish->name.used = 0;
    enum call failed = links_text(&finish->writer->links, group->first, group->first_length, &finish->name);
    if (failed) return stop(finish, failed);
    link = (struct hard_link){group->names, buffer_bytes(&finish->name)};
  }
  const struct record *record = head_of(&line->entry);
  sidecar_entry(&finish->sidecar, buffer_bytes(&line->path), record, link, buffer_bytes(&line->notes));
  finish->lines++;
  return record->kind == KIND_DIR ? set_directory_time(finish, record) : DONE;
}

/* Sequence of the last removal of a directory above the path. */
static uint64_t removed_above(const struct finish *finish) {
  uint64_t last = 0;
  const struct buffer *path = &finish->line.path;
  for (size_t i = 0; i < finish->removed_count; i++) {
    const struct removed *removed = &finish->removed[i];
    if (removed->length < path->used && path->at[removed->length] == '/' && removed->sequence > last)
      last = removed->sequence;
  }
  return last;
}

static enum status keep_removed(struct finish *finish) {
  if (finish->removed_count == finish->removed_room) {
    size_t room = finish->removed_room ? finish->removed_room * 2 : 16;
    struct removed *grown = realloc(finish->removed, room * sizeof *grown);
    if (!grown) return stop(finish, CALL_MALLOC);
    finish->removed = grown;
    finish->removed_room = room;
  }
  finish->removed[finish->removed_count++] = (struct removed){finish->line.path.used, finish->line.removed};
  return DONE;
}

static enum status close_line(struct finish *finish) {
  struct line *line = &finish->line;
  uint64_t removed = finish->removed_count ? removed_above(finish) : 0;
  enum status status = DONE;
  if (line->is_there && line->since > removed) {
    if (!finish->learns) status = write_line(finish);
    else if (line->group) status = count_name(finish);
  }
  if (!status && !finish->learns && line->deferred.used && head_of(&line->deferred)->sequence > removed)
    sidecar_deferred(&finish->sidecar, head_of(&line->deferred));
  if (!status && line->removed) status = keep_removed(finish);
  return status;
}

static size_t common_length(struct bytes a, struct bytes b) {
  size_t length = 0;
  while (length < a.length && length < b.length && a.at[length] == b.at[length]) length++;
  return length;
}

static enum status open_line(struct finish *finish, struct bytes path) {
  struct line *line = &finish->line;
  size_t common = common_length(buffer_bytes(&line->path), path);
  while (finish->removed_count && finish->removed[finish->removed_count - 1].length > common) finish->removed_count--;
  line->path.used = line->entry.used = line->notes.used = line->deferred.used = 0;
  line->group = 0;
  line->is_there = false;
  line->since = line->removed = 0;
  return buffer_add(&line->path, path.at, path.length) ? DONE : stop(finish, CALL_MALLOC);
}

/* ---- one record ---- */

static enum status keep_record(struct finish *finish, struct buffer *buffer, const struct record *record) {
  buffer->used = 0;
  return buffer_add(buffer, record, record->bytes) ? DONE : stop(finish, CALL_MALLOC);
}

/* From here on the path is something else; what was said about it before is void. */
static void start_anew(struct line *line, const struct record *record, bool is_there) {
  line->entry.used = line->notes.used = 0;
  line->group = record->group;
  line->is_there = is_there;
  line->since = record->sequence;
}

static enum status add_note_line(struct finish *finish, const struct record *record) {
  struct buffer *notes = &finish->line.notes;
  struct bytes text = record_link(record);
  bool is_added =
      buffer_add(notes, "#sluice.", 8) && buffer_add(notes, text.at, text.length) && buffer_add(notes, "\n", 1);
  return is_added ? DONE : stop(finish, CALL_MALLOC);
}

static enum status begin_group(struct finish *finish, const struct record *origin) {
  struct line *line = &finish->line;
  if (!line->is_there || line->entry.used == 0) return stop_with(finish, CALL_LINKAT, EIO);
  line->group = origin->group;
  return finish->learns ? store_base(finish, origin->group, &line->entry) : DONE;
}

static enum status apply(struct finish *finish, const struct record *record) {
  struct line *line = &finish->line;
  switch ((enum record_type)record->type) {
    case RECORD_ENTRY:
      start_anew(line, record, true);
      return keep_record(finish, &line->entry, record);
    case RECORD_LINK:
      start_anew(line, record, true);
      return DONE;
    case RECORD_REMOVED:
      start_anew(line, record, false);
      line->deferred.used = 0;
      line->removed = record->sequence;
      return DONE;
    case RECORD_ORIGIN:
      return begin_group(finish, record);
    case RECORD_META:
      if (record->group) return overlay_group(finish, record);
      return line->entry.used ? overlay(finish, &line->entry, record) : DONE;
    case RECORD_NOTE:
      return add_note_line(finish, record);
    case RECORD_DEFERRED:
      return keep_record(finish, &line->deferred, record);
    case RECORD_COPY:
      return copy_group(finish, record);
  }
  return stop_with(finish, CALL_PREAD, EIO);
}

static enum status pass(struct finish *finish, bool learns) {
  struct merge merge;
  const struct record *record;
  bool is_first = true;
  finish->learns = learns;
  finish->removed_count = 0;
  enum call failed = merge_open(&merge, &finish->writer->records);
  enum status status = failed ? stop(finish, failed) : DONE;
  while (!status) {
    failed = merge_next(&merge, &record);
    if (failed) status = stop(finish, failed);
    if (failed || !record) break;
    if (is_first || !bytes_equal(record_path(record), buffer_bytes(&finish->line.path))) {
      if (!is_first) status = close_line(finish);
      if (!status) status = open_line(finish, record_path(record));
      is_first = false;
    }
    if (!status) status = apply(finish, record);
    if (!status && finish->sidecar.failed)
      status = stop_with(finish, finish->sidecar.failed, finish->sidecar.error);
  }
  if (!status && !is_first) status = close_line(finish);
  merge_close(&merge);
  return status;
}

static enum status write_all(struct finish *finish, struct bytes head) {
  if (finish->writer->links.count && pass(finish, true)) return FAILED;
  sidecar_text(&finish->sidecar, head);
  if (pass(finish, false)) return FAILED;
  if (finish->has_root && RETRY(futimens(finish->writer->root, finish->root_times)) < 0)
    return stop(finish, CALL_UTIMENSAT);
  return DONE;
}

static void finish_free(struct finish *finish) {
  buffer_free(&finish->line.path);
  buffer_free(&finish->line.entry);
  buffer_free(&finish->line.notes);
  buffer_free(&finish->line.deferred);
  buffer_free(&finish->name);
  free(finish->removed);
}

int64_t writer_finish(struct writer *writer, const char *path, struct bytes head, uint64_t most) {
  struct finish finish = {.writer = writer};
  report_clear(&writer->report);
  enum call failed = sidecar_open(&finish.sidecar, path, writer->umask, most);
  bool is_created = finish.sidecar.fd >= 0;
  enum status status = failed ? stop(&finish, failed) : write_all(&finish, head);
  failed = sidecar_close(&finish.sidecar, status == DONE);
  if (status == DONE && failed) status = stop(&finish, failed);
  if (status && is_created) unlink(path);
  finish_free(&finish);
  return status ? -1 : finish.lines;
}
