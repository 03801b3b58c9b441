#include "parents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "openat2.h"

enum {
  MOST_LINKS = 40, /* the kernel's limit, so that both ways agree (X4) */
  MOST_RETRIES = 32,
  LONGEST_TARGET = 4095,
  /* Every symlink puts its target and a slash before what is left; nothing else makes it longer. */
  TODO = LONGEST_PATH + (MOST_LINKS + 1) * (LONGEST_TARGET + 1),
  OPEN_DIRECTORY = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
};

#define HASH_START UINT32_C(2166136261)

static uint32_t hash_step(uint32_t hash, uint8_t byte) {
  return (hash ^ byte) * UINT32_C(16777619);
}

static uint32_t hash_bytes(struct bytes path) {
  uint32_t hash = HASH_START;
  for (size_t i = 0; i < path.length; i++) hash = hash_step(hash, path.at[i]);
  return hash;
}

/* ---- the cache ---- */

void parents_init(struct parents *parents, int root, bool walk) {
  *parents = (struct parents){.root = root, .walk = walk};
}

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
  free(parents->todo);
  parents->todo = NULL;
}

static struct bytes parent_key(const struct parent *parent) {
  return (struct bytes){parent->key, parent->key_length};
}

static struct bytes parent_canonical(const struct parent *parent) {
  bool is_key = parent->canonical_length == 0 || parent->key[parent->key_length] == 0;
  return (struct bytes){is_key ? parent->key : parent->key + parent->key_length + 1, parent->canonical_length};
}

static struct parent *cache_lookup(struct parents *parents, struct bytes key, uint32_t hash) {
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

/* Takes over `fd`, and closes it when there is no memory (NULL). */
static struct parent *cache_add(struct parents *parents, struct bytes key, struct bytes canonical, uint32_t depth,
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

/* ---- the walk ---- */

struct walk {
  struct parents *parents;
  struct report *report;
  int fd;        /* the directory that `path` names; -1: to be opened when it is needed */
  bool is_owned; /* `fd` is to be closed here */
  uint32_t depth, links;
  size_t length;
  uint8_t path[LONGEST_PATH]; /* canonical: real directories alone */
  uint8_t *at, *end;          /* what is left of the way */
};

static void walk_move(struct walk *walk, int fd, bool is_owned) {
  if (walk->is_owned) close(walk->fd);
  walk->fd = fd;
  walk->is_owned = is_owned;
}

static struct bytes walk_path(const struct walk *walk) {
  return (struct bytes){walk->path, walk->length};
}

/* ELOOP when a symlink is on the way. Returns -1 with errno. */
static int open_at_once(struct parents *parents, const char *path) {
  int fd = RETRY(openat2_in_root(parents->root, path, OPEN_DIRECTORY, NO_SYMLINKS));
  for (int i = 0; fd < 0 && errno == EAGAIN && i < MOST_RETRIES; i++)
    fd = RETRY(openat2_in_root(parents->root, path, OPEN_DIRECTORY, NO_SYMLINKS));
  return fd;
}

/* Opens a directory by a path that holds no symlink. Returns -1 with errno. */
static int open_real(struct parents *parents, struct bytes path) {
  char text[LONGEST_PATH + 1];
  memcpy(text, path.at, path.length);
  text[path.length] = 0;
  if (!parents->walk) {
    int fd = open_at_once(parents, text);
    if (fd >= 0 || (errno != EAGAIN && errno != ENOSYS && errno != EPERM && errno != ENAMETOOLONG)) return fd;
  }
  int fd = parents->root;
  for (char *name = text, *slash; name; name = slash) {
    slash = strchr(name, '/');
    if (slash) *slash++ = 0;
    int next = RETRY(openat(fd, name, OPEN_DIRECTORY | O_NOFOLLOW));
    int error = errno;
    if (fd != parents->root) close(fd);
    errno = error;
    fd = next;
    if (fd < 0) return -1;
  }
  return fd;
}

/* Makes `walk->fd` the directory that `walk->path` names. */
static enum status walk_ensure_open(struct walk *walk) {
  if (walk->fd >= 0) return DONE;
  if (walk->length == 0) {
    walk_move(walk, walk->parents->root, false);
    return DONE;
  }
  struct parent *known = cache_lookup(walk->parents, walk_path(walk), hash_bytes(walk_path(walk)));
  if (known) {
    walk_move(walk, known->fd, false);
    return DONE;
  }
  int fd = open_real(walk->parents, walk_path(walk));
  if (fd < 0) return fail(walk->report, CALL_OPENAT, errno);
  walk_move(walk, fd, true);
  return DONE;
}

/* Appends a component to the canonical path, within the limits of X3. */
static enum status walk_append(struct walk *walk, const char *name, size_t length) {
  size_t slash = walk->length ? 1 : 0;
  if (walk->length + slash + length > LONGEST_PATH || walk->depth == DEEPEST_PATH)
    return fail(walk->report, CALL_OPENAT, ENAMETOOLONG);
  if (slash) walk->path[walk->length] = '/';
  memcpy(walk->path + walk->length + slash, name, length);
  walk->length += slash + length;
  walk->depth++;
  return DONE;
}

/* `..` of a symlink's target: by the canonical path, never by the directory's own `..`, and it stops at the root. */
static void walk_up(struct walk *walk) {
  if (walk->length == 0) return;
  while (walk->length > 0 && walk->path[walk->length - 1] != '/') walk->length--;
  if (walk->length > 0) walk->length--;
  walk->depth--;
  walk_move(walk, -1, false);
}

static void walk_to_root(struct walk *walk) {
  walk->length = walk->depth = 0;
  walk_move(walk, walk->parents->root, false);
}

/* Puts a symlink's target before what is left of the way. */
static enum status walk_follow(struct walk *walk, const char *target, size_t length) {
  if (walk->links++ == MOST_LINKS) return fail(walk->report, CALL_OPENAT, ELOOP);
  *--walk->at = '/';
  walk->at -= length;
  memcpy(walk->at, target, length);
  if (target[0] == '/') walk_to_root(walk);
  return DONE;
}

/* The way ends at a part that is missing or no directory: the rules decide (N4, N6). */
static enum status walk_blocked(struct walk *walk, const char *name, size_t length, int error) {
  struct stat there;
  if (error == ENOTDIR && RETRY(fstatat(walk->fd, name, &there, AT_SYMLINK_NOFOLLOW)) == 0) {
    walk->report->kind = there.st_mode >> 12;
    walk->report->inode = there.st_ino;
    walk->report->links = (uint32_t)there.st_nlink;
  }
  if (walk_append(walk, name, length)) return FAILED;
  report_name(walk->report, walk_path(walk));
  return suspend(walk->report, error, false);
}

static enum status walk_into(struct walk *walk, const char *name, size_t length) {
  if (walk_ensure_open(walk)) return FAILED;
  int fd = RETRY(openat(walk->fd, name, OPEN_DIRECTORY | O_NOFOLLOW));
  if (fd >= 0) {
    if (walk_append(walk, name, length)) {
      close(fd);
      return FAILED;
    }
    walk_move(walk, fd, true);
    return DONE;
  }
  if (errno == ENOENT) return walk_blocked(walk, name, length, ENOENT);
  if (errno != ENOTDIR && errno != ELOOP) return fail(walk->report, CALL_OPENAT, errno);
  char target[LONGEST_TARGET + 1];
  ssize_t target_length = RETRY(readlinkat(walk->fd, name, target, sizeof target));
  if (target_length > 0 && target_length <= LONGEST_TARGET) return walk_follow(walk, target, (size_t)target_length);
  if (target_length < 0 && errno == EINVAL) return walk_blocked(walk, name, length, ENOTDIR);
  return fail(walk->report, CALL_READLINKAT, target_length < 0 ? errno : ENAMETOOLONG);
}

/* Takes the next component off the way; its length, 0 when the way is done. */
static size_t walk_take(struct walk *walk, char name[LONGEST_NAME + 2]) {
  while (walk->at < walk->end && *walk->at == '/') walk->at++;
  size_t length = 0;
  for (; walk->at < walk->end && *walk->at != '/'; walk->at++)
    if (length <= LONGEST_NAME) name[length++] = (char)*walk->at;
  name[length] = 0;
  return length;
}

static enum status walk_all(struct walk *walk) {
  char name[LONGEST_NAME + 2];
  size_t length;
  while ((length = walk_take(walk, name)) > 0) {
    if (strcmp(name, ".") == 0) continue;
    if (strcmp(name, "..") == 0) {
      walk_up(walk);
      continue;
    }
    if (length > LONGEST_NAME) return fail(walk->report, CALL_OPENAT, ENAMETOOLONG);
    enum status status = walk_into(walk, name, length);
    if (status) return status;
  }
  return walk_ensure_open(walk);
}

/* Lets the walk begin at the longest beginning of the path that is in the cache. */
static void walk_start(struct walk *walk, struct bytes path) {
  uint32_t hashes[DEEPEST_PATH];
  uint16_t ends[DEEPEST_PATH];
  size_t count = 0;
  uint32_t hash = HASH_START;
  for (size_t i = 0; i < path.length; i++) {
    if (path.at[i] == '/') {
      hashes[count] = hash;
      ends[count++] = (uint16_t)i;
    }
    hash = hash_step(hash, path.at[i]);
  }
  size_t start = 0;
  walk->fd = walk->parents->root;
  while (count-- > 0) {
    struct bytes beginning = {path.at, ends[count]};
    const struct parent *known = cache_lookup(walk->parents, beginning, hashes[count]);
    if (!known) continue;
    walk->fd = known->fd;
    walk->depth = known->depth;
    walk->links = known->links;
    walk->length = known->canonical_length;
    memcpy(walk->path, parent_canonical(known).at, walk->length);
    start = beginning.length;
    break;
  }
  walk->end = walk->parents->todo + TODO;
  walk->at = walk->end - (path.length - start);
  memcpy(walk->at, path.at + start, path.length - start);
}

static enum status find_by_walk(struct parents *parents, struct bytes path, struct parent **found,
                                struct report *report) {
  if (!parents->todo && !(parents->todo = malloc(TODO))) return fail(report, CALL_MALLOC, ENOMEM);
  struct walk walk = {.parents = parents, .report = report};
  walk_start(&walk, path);
  enum status status = walk_all(&walk);
  if (status == DONE && !walk.is_owned) {
    int fd = RETRY(fcntl(walk.fd, F_DUPFD_CLOEXEC, 0));
    if (fd < 0) return fail(report, CALL_OPENAT, errno);
    walk_move(&walk, fd, true);
  }
  if (status != DONE) {
    walk_move(&walk, -1, false);
    return status;
  }
  *found = cache_add(parents, path, walk_path(&walk), walk.depth, walk.links, walk.fd);
  return *found ? DONE : fail(report, CALL_MALLOC, ENOMEM);
}

/* ---- finding ---- */

static bool is_dots(const uint8_t *name, size_t length) {
  return name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'));
}

/* Counts the components of a path that must be clean (N2). Returns 0 or errno. */
static int check_path(struct bytes path, uint32_t *depth) {
  if (path.length > LONGEST_PATH) return ENAMETOOLONG;
  if (path.length && memchr(path.at, 0, path.length)) return EINVAL;
  *depth = 0;
  for (size_t start = 0, end; start <= path.length && path.length > 0; start = end + 1) {
    for (end = start; end < path.length && path.at[end] != '/'; end++) continue;
    size_t length = end - start;
    if (length == 0 || is_dots(path.at + start, length)) return EINVAL;
    if (length > LONGEST_NAME || ++*depth > DEEPEST_PATH) return ENAMETOOLONG;
  }
  return 0;
}

static bool must_walk(int error) {
  return error == ELOOP || error == ENOENT || error == ENOTDIR || error == EAGAIN || error == ENOSYS ||
         error == ENAMETOOLONG || error == EPERM;
}

static enum status find_anew(struct parents *parents, struct bytes path, struct parent **found,
                             struct report *report) {
  uint32_t depth;
  int error = check_path(path, &depth);
  if (!error && depth == DEEPEST_PATH) error = ENAMETOOLONG; /* a name is still to come */
  if (error) {
    report_name(report, path);
    return fail(report, CALL_OPENAT, error);
  }
  if (parents->walk) return find_by_walk(parents, path, found, report);
  char text[LONGEST_PATH + 1];
  memcpy(text, path.at, path.length);
  text[path.length] = 0;
  int fd = open_at_once(parents, text);
  if (fd < 0) {
    if (must_walk(errno)) return find_by_walk(parents, path, found, report);
    report_name(report, path);
    return fail(report, CALL_OPENAT2, errno);
  }
  *found = cache_add(parents, path, path, depth, 0, fd);
  return *found ? DONE : fail(report, CALL_MALLOC, ENOMEM);
}

enum status parents_find(struct parents *parents, struct bytes path, struct place *place, struct report *report) {
  if (path.length == 0) {
    *place = (struct place){.fd = parents->root, .path = {(const uint8_t *)"", 0}};
    return DONE;
  }
  struct parent *found = parents->last;
  if (!found || !bytes_equal(parent_key(found), path)) {
    found = cache_lookup(parents, path, hash_bytes(path));
    if (!found) {
      enum status status = find_anew(parents, path, &found, report);
      if (status) return status;
    }
    parents->last = found;
  }
  /*
   * Here alone, and not for what a walk comes by: so the directory found last is never the one that the next search
   * drops, whatever ways a layer's symlinks take. make_link holds two.
   */
  found->used = ++parents->clock;
  *place = (struct place){.fd = found->fd, .path = parent_canonical(found), .depth = found->depth};
  return DONE;
}

enum status leaf_find(struct parents *parents, struct bytes path, struct leaf *leaf, struct report *report) {
  const uint8_t *slash = path.length ? memrchr(path.at, '/', path.length) : NULL;
  struct bytes parent = {path.at, slash ? (size_t)(slash - path.at) : 0};
  struct bytes name = slash ? (struct bytes){slash + 1, path.length - parent.length - 1} : path;
  struct place place;
  uint32_t depth = 0;
  int error = path.length > LONGEST_PATH ? ENAMETOOLONG : check_path(name, &depth);
  if (!error && slash && (parent.length == 0 || name.length == 0)) error = EINVAL;
  if (error) {
    report_name(report, path);
    return fail(report, CALL_OPENAT, error);
  }
  enum status status = parents_find(parents, parent, &place, report);
  if (status) return status;
  size_t between = place.path.length ? 1 : 0;
  leaf->fd = place.fd;
  leaf->depth = place.depth + depth;
  leaf->length = place.path.length + between + name.length;
  if (leaf->length > LONGEST_PATH || leaf->depth > DEEPEST_PATH) {
    report_name(report, path);
    return fail(report, CALL_OPENAT, ENAMETOOLONG);
  }
  if (between) memcpy(leaf->path, place.path.at, place.path.length);
  if (between) leaf->path[place.path.length] = '/';
  if (name.length) memcpy(leaf->path + place.path.length + between, name.at, name.length);
  if (name.length) memcpy(leaf->name, name.at, name.length);
  leaf->name[name.length] = 0;
  return DONE;
}

int leaf_stat(const struct leaf *leaf, struct report *report) {
  struct stat there;
  if (RETRY(fstatat(leaf->fd, leaf->name, &there, AT_SYMLINK_NOFOLLOW | (leaf_is_root(leaf) ? AT_EMPTY_PATH : 0))) < 0)
    return errno;
  report->kind = there.st_mode >> 12;
  report->inode = there.st_ino;
  report->links = (uint32_t)there.st_nlink;
  return 0;
}
