/* An open layer root: what all parts of the writer share. One thread at a time. */
#ifndef SLUICE_WRITER_H
#define SLUICE_WRITER_H

#include <sys/stat.h>

#include "command.h"
#include "crc32c.h"
#include "links.h"
#include "parents.h"
#include "records.h"
#include "report.h"

/* The file that a FILE command began and no LAST has finished; `fd` is -1 between files. */
struct open_file {
  int fd;
  struct metadata metadata;
  struct buffer path;   /* canonical */
  struct buffer xattrs; /* in the arena's form: the arena may be gone when the file is finished */
  uint32_t xattr_count, entry;
  uint64_t size;  /* as the FILE command gives it */
  uint64_t end;   /* of the content so far, holes included */
  uint64_t at;    /* the descriptor's own position */
  uint32_t crc;   /* of the content up to `end` */
};

/* The copy that a COPY command began and has not finished; `to` is -1 between copies. */
struct open_copy {
  int from, to;
  struct stat source;
  off_t at; /* content before it is copied */
};

struct writer {
  int root, scratch;
  mode_t umask;
  uint64_t most_links; /* names an inode may have; 0: as many as the file system lets it have */
  bool is_finished;
  struct parents parents;
  struct open_file file;
  struct open_copy copy;
  struct records records;
  struct links links;
  struct links placeholders; /* with FLAG_NO_XATTR alone: inodes that nothing on disk tells from regular files (M5) */
  struct buffer listed; /* xattrs for the record being made */
  struct report report;
  crc32c_update crc;
};

static inline struct bytes no_bytes(void) {
  return (struct bytes){(const uint8_t *)"", 0};
}

/* A failure at a leaf. */
static inline enum status fail_at(struct writer *writer, const struct leaf *leaf, enum call call, int error) {
  report_name(&writer->report, leaf_path(leaf));
  writer->report.at_leaf = true;
  return fail(&writer->report, call, error);
}

/* Whether `mode` must be set although it was asked for when the inode was made. */
static inline bool must_set_mode(const struct writer *writer, mode_t mode) {
  return (mode & writer->umask) || writer->report.has_acls;
}

/* Takes what was just made from the ACLs of the directory that it lies in: the entry gave none of them (M15). */
static inline enum status disinherit(struct writer *writer, int fd) {
  int error = writer->report.has_acls ? attributes_disinherit(fd) : 0;
  return error ? fail(&writer->report, CALL_FREMOVEXATTR, error) : DONE;
}

/* Something is at the leaf already: the rules decide (O table). What it is goes along. */
enum status suspend_at(struct writer *writer, const struct leaf *leaf);

/* Head of an entry's record. */
struct record entry_record(const struct metadata *metadata, uint32_t entry);

/* Adds a record, xattrs taken from `writer->listed`. */
enum status remember(struct writer *writer, const struct record *head, struct bytes path, struct bytes link);

/*
 * The group of the inode that the report speaks of, made when it has none: then `target` is where the inode got its
 * record.
 */
enum status join_group(struct writer *writer, const struct leaf *target, uint32_t *group);

/* Where a hard link comes from. */
enum status find_target(struct writer *writer, struct bytes path, struct leaf *target);

/* copy.c */
/* Copies some MiB and suspends with EAGAIN while there is more, so that an abort is seen soon: run it again. */
enum status make_copy(struct writer *writer, const struct command *command);
void copy_drop(struct writer *writer);

/* file.c */
enum status file_begin(struct writer *writer, const struct command *command);
enum status file_go_on(struct writer *writer, const struct command *command);
void file_drop(struct writer *writer);

/* leaf.c */
enum status make_directory(struct writer *writer, const struct command *command);
enum status change_directory(struct writer *writer, const struct command *command);
enum status make_symlink(struct writer *writer, const struct command *command);
enum status make_link(struct writer *writer, const struct command *command);
enum status remove_leaf(struct writer *writer, const struct command *command);
enum status stat_leaf(struct writer *writer, const struct command *command);
enum status change_inode(struct writer *writer, const struct command *command);
enum status add_note(struct writer *writer, const struct command *command);

/* finish.c */
/* Returns the number of entry lines, or -1 with `report` filled. */
int64_t writer_finish(struct writer *writer, const char *path, struct bytes head, uint64_t most);

#endif
