#include "parents.h"

#include <sys/stat.h>

#include "parent_cache.h"
#include "spelling.h"
#include "walk.h"

/* A walk sees each name on the way, as the comparing of names needs. */
void parents_init(struct parents *parents, int root, bool walk, bool folds) {
  *parents = (struct parents){.root = root, .walk = walk || folds, .folds = folds};
}

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
  if (parents->walk) return walk_find(parents, path, found, report);
  char text[LONGEST_PATH + 1];
  memcpy(text, path.at, path.length);
  text[path.length] = 0;
  int fd = open_at_once(parents, text);
  if (fd < 0) {
    if (must_walk(errno)) return walk_find(parents, path, found, report);
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

int leaf_stat(const struct parents *parents, const struct leaf *leaf, struct report *report) {
  struct stat there;
  if (RETRY(fstatat(leaf->fd, leaf->name, &there, AT_SYMLINK_NOFOLLOW | (leaf_is_root(leaf) ? AT_EMPTY_PATH : 0))) < 0)
    return errno;
  report->kind = there.st_mode >> 12;
  report->inode = there.st_ino;
  report->links = (uint32_t)there.st_nlink;
  report->size = (uint64_t)there.st_size;
  return parents->folds && !leaf_is_root(leaf) ? spelling_check(leaf->fd, leaf->name) : 0;
}
