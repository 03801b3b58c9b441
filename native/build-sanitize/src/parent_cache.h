/* The cache of parents' descriptors (N9): LRU, keyed by the bytes of cleaned paths. */
#ifndef SLUICE_PARENT_CACHE_H
#define SLUICE_PARENT_CACHE_H

#include "parents.h"

#define HASH_START UINT32_C(2166136261)

static inline uint32_t hash_step(uint32_t hash, uint8_t byte) {
  return (hash ^ byte) * UINT32_C(16777619);
}

static inline uint32_t hash_bytes(struct bytes path) {
  uint32_t hash = HASH_START;
  for (size_t i = 0; i < path.length; i++) hash = hash_step(hash, path.at[i]);
  return hash;
}

static inline struct bytes parent_key(const struct parent *parent) {
  return (struct bytes){parent->key, parent->key_length};
}

static inline struct bytes parent_canonical(const struct parent *parent) {
  bool is_key = parent->canonical_length == 0 || parent->key[parent->key_length] == 0;
  return (struct bytes){is_key ? parent->key : parent->key + parent->key_length + 1, parent->canonical_length};
}

/* NULL when the directory of this cleaned path is not known. */
struct parent *cache_lookup(struct parents *parents, struct bytes key, uint32_t hash);

/* Takes over `fd`, and closes it when there is no memory (NULL). */
struct parent *cache_add(struct parents *parents, struct bytes key, struct bytes canonical, uint32_t depth,
                         uint32_t links, int fd);

#endif
