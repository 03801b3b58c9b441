/* The walk: a way to a directory component by component, each symlink interpreted here (N3, N8). */
#ifndef SLUICE_WALK_H
#define SLUICE_WALK_H

#include <fcntl.h>

#include "parents.h"

enum { OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* Finds the directory of a cleaned path and adds it to the cache. What it may be blocked by: see parents_find. */
enum status walk_find(struct parents *parents, struct bytes path, struct parent **found, struct report *report);

/* By openat2. ELOOP when a symlink is on the way. Returns -1 with errno. */
int open_at_once(const struct parents *parents, const char *path);

#endif
