#include "links.h"

enum { FIRST_SLOTS = 64 };

void links_init(struct links *links, int scratch) {
  *links = (struct links){0};
  spill_init(&links->texts, scratch);
}

void links_close(struct links *links) {
  free(links->groups);
  free(links->slots);
  spill_close(&links->texts);
  links_init(links, links->texts.directory);
}

static uint32_t home(const struct links *links, uint64_t inode) {
  return (uint32_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (links->slot_count - 1);
}

/* The slot of `inode`, or the free one where it would go. */
static uint32_t seek(const struct links *links, uint64_t inode) {
  uint32_t at = home(links, inode);
  while (links->slots[at].group && links->slots[at].inode != inode) at = (at + 1) & (links->slot_count - 1);
  return at;
}

uint32_t links_find(const struct links *links, uint64_t inode) {
  return links->slots_used ? links->slots[seek(links, inode)].group : 0;
}

/* Keeps at least half of the slots free. */
static bool reserve_slot(struct links *links) {
  if (links->slot_count && links->slots_used < links->slot_count / 2) return true;
  struct links grown = {.slot_count = links->slot_count ? links->slot_count * 2 : FIRST_SLOTS};
  grown.slots = calloc(grown.slot_count, sizeof *grown.slots);
  if (!grown.slots) return false;
  for (uint32_t i = 0; i < links->slot_count; i++)
    if (links->slots[i].group) grown.slots[seek(&grown, links->slots[i].inode)] = links->slots[i];
  free(links->slots);
  links->slots = grown.slots;
  links->slot_count = grown.slot_count;
  return true;
}

static bool reserve_group(struct links *links) {
  if (links->count < links->room) return true;
  uint32_t room = links->room ? links->room * 2 : 16;
  struct group *grown = realloc(links->groups, room * sizeof *grown);
  if (!grown) return false;
  links->groups = grown;
  links->room = room;
  return true;
}

enum call links_add(struct links *links, uint64_t inode, struct bytes origin, uint32_t *group) {
  if (!reserve_slot(links) || !reserve_group(links)) return CALL_MALLOC;
  uint64_t at = spill_end(&links->texts);
  enum call failed = spill_append(&links->texts, origin.at, origin.length);
  if (failed) return failed;
  links->groups[links->count++] = (struct group){.origin = at, .origin_length = (uint32_t)origin.length};
  links->slots[seek(links, inode)] = (struct slot){inode, links->count};
  links->slots_used++;
  *group = links->count;
  return CALL_NONE;
}

/* Moves later slots back over the freed one, so that every search still ends at a free slot. */
void links_forget(struct links *links, uint64_t inode) {
  if (!links_find(links, inode)) return;
  uint32_t mask = links->slot_count - 1, hole = seek(links, inode);
  for (uint32_t at = (hole + 1) & mask; links->slots[at].group; at = (at + 1) & mask) {
    uint32_t distance_home = (at - home(links, links->slots[at].inode)) & mask;
    if (distance_home < ((at - hole) & mask)) continue;
    links->slots[hole] = links->slots[at];
    hole = at;
  }
  links->slots[hole].group = 0;
  links->slots_used--;
}

enum call links_text(struct links *links, uint64_t offset, uint32_t length, struct buffer *text) {
  if (!buffer_reserve(text, length)) return CALL_MALLOC;
  enum call failed = spill_read(&links->texts, offset, text->at + text->used, length);
  if (!failed) text->used += length;
  return failed;
}
