/*
 * What the writer remembers for the sidecar (§13): records in the order they happen, kept in sorted runs, read back in
 * the order of (path bytes, sequence). Memory is bounded whatever their number.
 */
#ifndef SLUICE_RECORDS_H
#define SLUICE_RECORDS_H

#include "bytes.h"
#include "commands.h"
#include "spill.h"

enum record_type {
  RECORD_ENTRY,    /* the path is this, from here on */
  RECORD_REMOVED,  /* the path and all below it are gone */
  RECORD_LINK,     /* the path is one more name of inode `group` */
  RECORD_ORIGIN,   /* what the path is at this moment is inode `group` */
  RECORD_META,     /* other owner, mode, time and more xattrs: of the path, or of inode `group` if not 0 */
  RECORD_NOTE,     /* comment after the path's line */
  RECORD_DEFERRED, /* line of its own at the path's place */
  RECORD_COPY,     /* inode `copy` is from here on what inode `group` is at this moment */
};

enum record_flag { RECORD_IMPLIED = 1 };

/* Followed by path, link (symlink target or text of a note) and xattrs in the arena's form. */
struct record {
  uint32_t bytes; /* of the whole record, a multiple of 8 */
  uint8_t type, kind, flags, unused;
  uint64_t sequence;
  uint64_t size;
  int64_t mtime;
  uint32_t mtime_ns, mode, uid, gid, crc, dev_major, dev_minor, entry, group, copy;
  uint32_t path_length, link_length, xattr_count, xattr_length;
};

static inline struct bytes record_path(const struct record *record) {
  return (struct bytes){(const uint8_t *)(record + 1), record->path_length};
}

static inline struct bytes record_link(const struct record *record) {
  return (struct bytes){(const uint8_t *)(record + 1) + record->path_length, record->link_length};
}

static inline struct bytes record_xattrs(const struct record *record) {
  return (struct bytes){(const uint8_t *)(record + 1) + record->path_length + record->link_length,
                        record->xattr_length};
}

/* A sorted stretch of `runs`. Runs of one level are joined into one of the next when they become many. */
struct run {
  uint64_t offset, bytes;
  unsigned level;
};

struct records {
  struct buffer batch;   /* records that are not yet in a run */
  uint32_t *order;       /* where they begin in `batch` */
  size_t count, order_room;
  struct run *runs;
  size_t run_count, run_room;
  struct spill spill;
  uint64_t sequence;
};

void records_init(struct records *records, int scratch);
void records_close(struct records *records);

/*
 * Appends a record; `head` gives the fields, `bytes`, `sequence` and the lengths are filled in here.
 * Returns CALL_NONE, or what failed, with errno.
 */
enum call records_add(struct records *records, const struct record *head, struct bytes path, struct bytes link,
                      struct bytes xattrs, uint32_t xattr_count);

/* One pass over all records in order. Adding records meanwhile is not allowed. */
struct merge {
  struct records *records;
  struct reader *readers;
  size_t count, open; /* readers in the heap; readers with a buffer */
  bool started;
};

/* All return CALL_NONE, or what failed, with errno. */
enum call merge_open(struct merge *merge, struct records *records);
/* `*record` is valid until the next call; NULL at the end. */
enum call merge_next(struct merge *merge, const struct record **record);
void merge_close(struct merge *merge);

#endif
