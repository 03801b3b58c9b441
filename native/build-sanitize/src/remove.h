/* Removing trees: descriptor-relative, following nothing, with a bounded number of descriptors at any depth. */
#ifndef SLUICE_REMOVE_H
#define SLUICE_REMOVE_H

#include "bytes.h"
#include "commands.h"

/* Called before a non-directory is unlinked. */
typedef void (*before_unlink)(void *context, int directory, const char *name);

/*
 * Removes whatever `name` is in `directory`; the last component is not followed. Directories that their owner may not
 * read or write are made usable first. Returns CALL_NONE, or what failed, with errno.
 */
enum call remove_at(int directory, const char *name, before_unlink before, void *context);

#endif
