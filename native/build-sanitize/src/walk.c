#include "walk.h"

#include <sys/stat.h>
#include <unistd.h>

#include "openat2.h"
#include "parent_cache.h"
#include "spelling.h"

enum {
  MOST_LINKS = 40, /* the kernel's limit, so that both ways agree (X4) */
  MOST_RETRIES = 32,
  LONGEST_TARGET = 4095,
  /* Every symlink puts its target and a slash before what is left; nothing else makes it longer. */
  WAY_BYTES = LONGEST_PATH + (MOST_LINKS + 1) * (LONGEST_TARGET + 1),
};

int open_at_once(const struct parents *parents, const char *path) {
  int fd = RETRY(openat2_in_root(parents->root, path, OPEN_DIRECTORY, NO_SYMLINKS));
  for (int i = 0; fd < 0 && errno == EAGAIN && i < MOST_RETRIES; i++)
    fd = RETRY(openat2_in_root(parents->root, path, OPEN_DIRECTORY, NO_SYMLINKS));
  return fd;
}

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

/* A part of the way is there by another name alone (E15). */
static enum status walk_misspelled(struct walk *walk, int fd, const char *name, size_t length, int error) {
  if (fd >= 0) close(fd);
  if (walk_append(walk, name, length)) return FAILED;
  report_name(walk->report, walk_path(walk));
  return fail(walk->report, CALL_FSTATAT, error);
}

static enum status walk_into(struct walk *walk, const char *name, size_t length) {
  if (walk_ensure_open(walk)) return FAILED;
  int fd = RETRY(openat(walk->fd, name, OPEN_DIRECTORY | O_NOFOLLOW));
  if (walk->parents->folds && (fd >= 0 || errno == ENOTDIR || errno == ELOOP)) {
    int found = errno, error = spelling_check(walk->fd, name);
    if (error) return walk_misspelled(walk, fd, name, length, error);
    errno = found;
  }
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
  walk->end = walk->parents->way + WAY_BYTES;
  walk->at = walk->end - (path.length - start);
  memcpy(walk->at, path.at + start, path.length - start);
}

enum status walk_find(struct parents *parents, struct bytes path, struct parent **found, struct report *report) {
  if (!parents->way && !(parents->way = malloc(WAY_BYTES))) return fail(report, CALL_MALLOC, ENOMEM);
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
