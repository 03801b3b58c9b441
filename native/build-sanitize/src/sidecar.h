/* The sidecar's text (extraction §13): mtree(5) lines and `#sluice.*` comments, buffered into one file. */
#ifndef SLUICE_SIDECAR_H
#define SLUICE_SIDECAR_H

#include <sys/types.h>

#include "bytes.h"
#include "commands.h"
#include "records.h"

/* After the first failure, `failed` and `error` say what it was and nothing more is written. */
struct sidecar {
  int fd;
  uint8_t *buffer;
  size_t used;
  uint64_t left; /* bytes that may still be written */
  enum call failed;
  int error;
};

/* Creates the file with O_EXCL and mode 0644 whatever the umask. Beyond `most` bytes, writing fails with EFBIG. */
enum call sidecar_open(struct sidecar *sidecar, const char *path, mode_t umask, uint64_t most);

/* What else than its record a line says about an entry. */
struct hard_link {
  uint32_t names;     /* 0 or 1: none */
  struct bytes first; /* the first name; the line that is this one has no comment */
};

/* `path` counts, not the record's own; `notes` is complete lines. */
void sidecar_entry(struct sidecar *sidecar, struct bytes path, const struct record *record, struct hard_link link,
                   struct bytes notes);

/* A deferred link's line (H6); the record's link is the cleaned target. */
void sidecar_deferred(struct sidecar *sidecar, const struct record *record);

/* Lines as they are. */
void sidecar_text(struct sidecar *sidecar, struct bytes text);

/* Writes what is buffered, syncs and closes; `keep` false: only closes. CALL_NONE, or what failed, with errno. */
enum call sidecar_close(struct sidecar *sidecar, bool keep);

#endif
