/* What one command came to, as `writerRun` hands it to the rules. */
#ifndef SLUICE_REPORT_H
#define SLUICE_REPORT_H

#include "bytes.h"
#include "commands.h"

struct report {
  enum status status;
  int error;
  enum call call;
  bool at_leaf;
  unsigned kind;
  uint64_t inode;
  uint32_t links;
  uint64_t size;
  uint32_t xattrs_kept;    /* image xattrs that could not be set */
  bool override_is_long;   /* more than some readers take (M9) */
  bool has_acls;           /* an ACL was set in this tree: what is made below it may inherit ACLs, and another mode than it was made with */
  size_t name_length;
  uint8_t name[LONGEST_PATH];
};

/* Forgets the last command. */
static inline void report_clear(struct report *report) {
  report->status = DONE;
  report->error = 0;
  report->call = CALL_NONE;
  report->at_leaf = false;
  report->kind = KIND_NONE;
  report->inode = 0;
  report->links = 0;
  report->size = 0;
  report->xattrs_kept = 0;
  report->override_is_long = false;
  report->name_length = 0;
}

static inline void report_name(struct report *report, struct bytes name) {
  report->name_length = name.length < sizeof report->name ? name.length : sizeof report->name;
  if (report->name_length) memcpy(report->name, name.at, report->name_length);
}

/* Whether there is something to say of a command that was done: the run ends after it. */
static inline bool report_is_noteworthy(const struct report *report) {
  return report->xattrs_kept || report->override_is_long;
}

/* `error` is an errno value; most callers pass errno itself. */
static inline enum status fail(struct report *report, enum call call, int error) {
  report->status = FAILED;
  report->call = call;
  report->error = error;
  return FAILED;
}

static inline enum status suspend(struct report *report, int error, bool at_leaf) {
  report->status = SUSPENDED;
  report->error = error;
  report->at_leaf = at_leaf;
  return SUSPENDED;
}

#endif
