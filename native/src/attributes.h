/* What an entry says about itself, and how it is put on a descriptor (extraction §5, §12 "Order of metadata"). */
#ifndef SLUICE_ATTRIBUTES_H
#define SLUICE_ATTRIBUTES_H

#include <sys/stat.h>

#include "bytes.h"
#include "commands.h"
#include "report.h"

struct metadata {
  unsigned kind;  /* enum kind */
  unsigned mode;  /* low 12 bits */
  uint32_t uid, gid;
  int64_t mtime; /* floored seconds, as given (M18) */
  uint32_t mtime_ns;
  uint32_t dev_major, dev_minor;
  unsigned flags; /* enum flag */
};

/* Extended attributes as the arena packs them; `end` bounds the reading. */
struct xattrs {
  const uint8_t *at, *end;
  uint32_t count;
};

struct xattr {
  unsigned flag; /* enum xattr_flag */
  struct bytes name, value;
};

enum { XATTR_HEAD = 9 };

/* Whether all of them lie before `end`. */
bool xattrs_fit(const struct xattrs *xattrs);

/* Takes the next one off; false when none is left. */
bool xattrs_next(struct xattrs *xattrs, struct xattr *xattr);

/* Appends one in the arena's form. Returns false with errno. */
bool xattrs_append(struct buffer *list, struct xattr xattr);

/* Host mode of what is made for an entry (M1): never setuid, always usable by its owner. */
mode_t host_mode(const struct metadata *metadata);

/* Sets override_stat (M2, M5) and then the image's xattrs, in the order of §12. */
enum status attributes_set(int fd, const struct metadata *metadata, struct xattrs xattrs, struct buffer *listed,
                           struct report *report);

/*
 * Sets the image's xattrs. Those that belong in the sidecar are appended to `listed`, with XATTR_SET or XATTR_KEPT for
 * what became of them (M16). `fd` -1: nothing can be set (symlinks, M6).
 */
enum status attributes_add(int fd, unsigned flags, struct xattrs xattrs, struct buffer *listed, struct report *report);

/*
 * Rewrites override_stat for H7: owner and mode of `metadata`, type bits and fourth field of the value that is there.
 * `*kind` gets the inode's kind; without a value (FLAG_NO_XATTR) it stays as it is.
 */
enum status attributes_rewrite(int fd, const struct metadata *metadata, unsigned *kind, struct report *report);

/*
 * Removes the image's attributes of an earlier entry; override_stat stays, and so does what the kernel labels. With
 * `is_privileged` those beside `user.*` as well, which privileged extraction may have set (M15).
 */
enum status attributes_clear(int fd, bool is_privileged, struct report *report);

/* Removes the ACLs that a new inode took over from its directory. Returns 0 or errno. */
int attributes_disinherit(int fd);

/* atime and mtime for utimensat, clamped to what file systems can hold (M18). */
void attributes_times(int64_t mtime, uint32_t mtime_ns, struct timespec times[2]);

#endif
