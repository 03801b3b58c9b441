#include "parent_cache.h"

#include <unistd.h>

void parents_clear(struct parents *parents) {
  for (unsigned i = 0; i < parents->count; i++) {
    close(parents->entries[i].fd);
    free(parents->entries[i].key);
  }
  parents->count = 0;
  parents->last = NULL;
  memset(parents->buckets, 0, sizeof parents->buckets);
}

void parents_free(struct parents *parents) {
  parents_clear(parents);
  free(parents->way);
  parents->way = NULL;
}

struct parent *cache_lookup(struct parents *parents, struct bytes key, uint32_t hash) {
  for (unsigned at = parents->buckets[hash % PARENT_BUCKETS]; at; at = parents->entries[at - 1].next) {
    struct parent *parent = &parents->entries[at - 1];
    if (parent->hash == hash && bytes_equal(parent_key(parent), key)) return parent;
  }
  return NULL;
}

static void cache_unlink(struct parents *parents, unsigned number) {
  struct parent *parent = &parents->entries[number - 1];
  uint16_t *at = &parents->buckets[parent->hash % PARENT_BUCKETS];
  while (*at != number) at = &parents->entries[*at - 1].next;
  *at = parent->next;
  close(parent->fd);
  free(parent->key);
}

/* Number of an entry that may be filled: a new one, or that of the directory not used for longest. */
static unsigned cache_vacate(struct parents *parents) {
  if (parents->count < CACHED_PARENTS) return ++parents->count;
  unsigned oldest = 1;
  for (unsigned i = 2; i <= CACHED_PARENTS; i++)
    if (parents->entries[i - 1].used < parents->entries[oldest - 1].used) oldest = i;
  if (parents->last == &parents->entries[oldest - 1]) parents->last = NULL;
  cache_unlink(parents, oldest);
  return oldest;
}

struct parent *cache_add(struct parents *parents, struct bytes key, struct bytes canonical, uint32_t depth,
                         uint32_t links, int fd) {
  bool is_same = bytes_equal(key, canonical);
  uint8_t *text = malloc(key.length + canonical.length + 2);
  if (!text) {
    close(fd);
    return NULL;
  }
  memcpy(text, key.at, key.length);
  text[key.length] = is_same ? 0 : 1;
  if (!is_same && canonical.length) memcpy(text + key.length + 1, canonical.at, canonical.length);
  unsigned number = cache_vacate(parents);
  struct parent *parent = &parents->entries[number - 1];
  uint32_t hash = hash_bytes(key);
  *parent = (struct parent){
      .fd = fd,
      .hash = hash,
      .key_length = (uint32_t)key.length,
      .canonical_length = (uint32_t)canonical.length,
      .depth = depth,
      .links = links,
      .next = parents->buckets[hash % PARENT_BUCKETS],
      .used = ++parents->clock,
      .key = text,
  };
  parents->buckets[hash % PARENT_BUCKETS] = (uint16_t)number;
  return parent;
}

bool parents_add(struct parents *parents, struct bytes canonical, uint32_t depth, int fd) {
  return cache_add(parents, canonical, canonical, depth, 0, fd) != NULL;
}
