/*
 * Inodes with more than one name. The inode is the identity, not a path: its first name may be replaced while the
 * inode lives on under others (E12, H2). What the inode is, is said by RECORD_ORIGIN: the state of its first name at
 * that time.
 */
#ifndef SLUICE_LINKS_H
#define SLUICE_LINKS_H

#include "bytes.h"
#include "commands.h"
#include "spill.h"

/* Numbered from 1. Texts lie in `links->texts`, so that memory per group is small and fixed. */
struct group {
  uint64_t origin;                 /* canonical path of the first name */
  uint64_t base;                   /* second pass: the inode's record; `base_length` 0 while unknown */
  uint64_t first;                  /* second pass: first surviving name by bytes */
  uint32_t origin_length, base_length, first_length;
  uint32_t names;                  /* second pass: surviving names */
};

struct slot {
  uint64_t inode;
  uint32_t group; /* 0: free */
};

struct links {
  struct group *groups;
  uint32_t count, room;
  struct slot *slots; /* open addressing; a power of two of them */
  uint32_t slot_count, slots_used;
  struct spill texts;
};

void links_init(struct links *links, int scratch);
void links_close(struct links *links);

/* Group of an inode, 0 for none. */
uint32_t links_find(const struct links *links, uint64_t inode);

/* Makes a group for an inode that has none. `*group` is its number. Returns CALL_NONE, or what failed, with errno. */
enum call links_add(struct links *links, uint64_t inode, struct bytes origin, uint32_t *group);

/* The inode's last name goes: the number may come back as another inode. */
void links_forget(struct links *links, uint64_t inode);

static inline struct group *links_group(struct links *links, uint32_t group) {
  return &links->groups[group - 1];
}

/* Appends to `text` what was stored at `offset`. */
enum call links_text(struct links *links, uint64_t offset, uint32_t length, struct buffer *text);

#endif
