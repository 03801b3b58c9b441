/* A writer command, decoded and checked: every pointer in it lies inside the slab or the arena. */
#ifndef SLUICE_COMMAND_H
#define SLUICE_COMMAND_H

#include "attributes.h"
#include "bytes.h"
#include "commands.h"

struct command {
  enum op op;
  unsigned flags;
  struct bytes path, link, data;
  struct metadata metadata;
  struct xattrs xattrs;
  uint64_t size, offset;
  uint32_t entry;
};

/*
 * Reads the words that `op` uses; the rest may hold anything. Returns NULL, or what is out of range.
 * A command that would lead outside the slab or the arena must never be run.
 */
const char *command_decode(struct command *command, const int32_t *words, struct bytes slab, struct bytes arena);

#endif
