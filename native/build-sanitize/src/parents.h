/* Finding the directory that a name lies in (rules N3, N8), and the cache of their descriptors (N9). */
#ifndef SLUICE_PARENTS_H
#define SLUICE_PARENTS_H

#include "bytes.h"
#include "report.h"

enum { CACHED_PARENTS = 256, PARENT_BUCKETS = 512 };

struct parent {
  int fd;
  uint32_t hash, key_length, canonical_length;
  uint32_t depth;   /* components of the canonical path */
  uint32_t links;   /* symlinks followed to get here: a way that goes on from here has so many fewer (X4) */
  uint16_t next;    /* in its bucket: index + 1 */
  uint64_t used;
  uint8_t *key;     /* cleaned path; the canonical path follows it when it is another one */
};

struct parents {
  int root;
  bool walk;  /* without openat2 */
  bool folds; /* the file system takes other names for the same: each name found is compared (E15) */
  uint64_t clock;
  struct parent *last;
  unsigned count;
  uint16_t buckets[PARENT_BUCKETS]; /* index + 1 */
  struct parent entries[CACHED_PARENTS];
  uint8_t *way; /* what is left of a way while it is walked */
};

/* A directory of the tree, borrowed: the descriptor of the last two found is good, the path until any change. */
struct place {
  int fd;
  struct bytes path; /* canonical, relative to the root, no slash at either end; empty for the root */
  uint32_t depth;
};

/* Where a name is made or looked up: in a directory that is there, by a last component that is never followed (N5). */
struct leaf {
  int fd;
  uint32_t depth; /* components of `path` */
  size_t length;
  char name[LONGEST_NAME + 1]; /* empty for the root itself */
  uint8_t path[LONGEST_PATH];  /* canonical */
};

static inline bool leaf_is_root(const struct leaf *leaf) {
  return leaf->name[0] == 0;
}

static inline struct bytes leaf_path(const struct leaf *leaf) {
  return (struct bytes){leaf->path, leaf->length};
}

void parents_init(struct parents *parents, int root, bool walk, bool folds);

/* Closes all descriptors. To be called whenever a directory or symlink of the tree is removed. */
void parents_clear(struct parents *parents);
void parents_free(struct parents *parents);

/* Takes over the descriptor of a directory whose path from the root holds no symlink. Returns false with ENOMEM. */
bool parents_add(struct parents *parents, struct bytes canonical, uint32_t depth, int fd);

/*
 * Finds the directory of a cleaned path. SUSPENDED: `report` names the canonical path of the first part of the way that
 * is missing (ENOENT) or is no directory (ENOTDIR). FAILED with EEXIST: a part of it is there by another spelling (E15).
 */
enum status parents_find(struct parents *parents, struct bytes path, struct place *place, struct report *report);

/* The same for the parent of a cleaned path, with the last component beside it. */
enum status leaf_find(struct parents *parents, struct bytes path, struct leaf *leaf, struct report *report);

/* Fills in what is at a leaf, not following it. Returns 0 or errno; EEXIST for a name that is spelled otherwise (E15). */
int leaf_stat(const struct parents *parents, const struct leaf *leaf, struct report *report);

#endif
