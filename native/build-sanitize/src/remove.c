#include "remove.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum {
  HELD = 64, /* levels whose descriptors stay open; deeper ones are opened again on the way back */
  ENTRIES = 32 << 10,
  MOST_RESCANS = 8,
};

/* As getdents64 lays it out. */
struct entry {
  uint64_t inode;
  int64_t next;
  uint16_t length;
  uint8_t type;
  char name[];
};

struct level {
  size_t name; /* in `names` */
  int64_t resume;
  int fd; /* -1 when it was closed to save descriptors; then these say which directory it was */
  dev_t device;
  ino_t inode;
  unsigned rescans;
};

struct removal {
  int directory;
  before_unlink before;
  void *context;
  struct buffer names;
  struct level *levels;
  size_t depth, room; /* `depth` levels are entered */
  uint8_t *entries;
  enum call failed;
};

static bool failed(struct removal *removal, enum call call) {
  removal->failed = call;
  return false;
}

/* Gives a directory that cannot be opened its owner's bits, through a descriptor so that nothing is followed. */
static void make_usable(int directory, const char *name) {
  char link[32];
  int fd = RETRY(openat(directory, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (chmod(link, 0700) < 0) errno = EACCES;
  close(fd);
}

static int open_directory(int directory, const char *name) {
  enum { HOW = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
  int fd = RETRY(openat(directory, name, HOW));
  if (fd >= 0 || errno != EACCES) return fd;
  make_usable(directory, name);
  return RETRY(openat(directory, name, HOW));
}

/* Returns 0 or -1 with errno. */
static int unlink_in(int directory, const char *name, int flags) {
  if (RETRY(unlinkat(directory, name, flags)) == 0 || errno == ENOENT) return 0;
  if (errno != EACCES || directory == AT_FDCWD || fchmod(directory, 0700) < 0) return -1;
  return RETRY(unlinkat(directory, name, flags)) == 0 || errno == ENOENT ? 0 : -1;
}

static const char *level_name(const struct removal *removal, size_t level) {
  return (const char *)removal->names.at + removal->levels[level].name;
}

static bool level_close(struct level *level) {
  struct stat there;
  if (fstat(level->fd, &there) < 0) return false;
  level->device = there.st_dev;
  level->inode = there.st_ino;
  close(level->fd);
  level->fd = -1;
  return true;
}

/* By `..`, which must lead to the very directory that was left: a tree moved meanwhile would lead out of it. */
static bool level_reopen(struct level *level, int child) {
  struct stat there;
  int fd = RETRY(openat(child, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd < 0) return false;
  if (fstat(fd, &there) < 0 || there.st_dev != level->device || there.st_ino != level->inode) {
    close(fd);
    errno = ESTALE;
    return false;
  }
  level->fd = fd;
  return true;
}

/* Descriptor of the directory that holds a level's directory. False with errno. */
static bool level_parent(struct removal *removal, size_t level, int *fd) {
  *fd = removal->directory;
  if (level == 0) return true;
  struct level *parent = &removal->levels[level - 1];
  if (parent->fd < 0 && !level_reopen(parent, removal->levels[level].fd)) return false;
  *fd = parent->fd;
  return true;
}

static bool level_reserve(struct removal *removal) {
  if (removal->depth < removal->room) return true;
  size_t room = removal->room ? removal->room * 2 : 64;
  struct level *grown = realloc(removal->levels, room * sizeof *grown);
  if (!grown) return failed(removal, CALL_MALLOC);
  removal->levels = grown;
  removal->room = room;
  return true;
}

/* Enters a directory of the innermost level. */
static bool enter(struct removal *removal, int directory, const char *name) {
  if (!level_reserve(removal)) return false;
  size_t offset = removal->names.used;
  if (!buffer_add(&removal->names, name, strlen(name) + 1)) return failed(removal, CALL_MALLOC);
  int fd = open_directory(directory, name);
  if (fd < 0) return failed(removal, CALL_OPENAT);
  if (removal->depth > HELD && !level_close(&removal->levels[removal->depth - 1])) {
    close(fd);
    return failed(removal, CALL_FSTATAT);
  }
  removal->levels[removal->depth++] = (struct level){.name = offset, .fd = fd};
  return true;
}

/* Removes the innermost directory, which seemed empty. */
static bool leave(struct removal *removal) {
  size_t level = removal->depth - 1;
  struct level *left = &removal->levels[level];
  int parent;
  if (!level_parent(removal, level, &parent)) return failed(removal, CALL_OPENAT);
  if (unlink_in(parent, level_name(removal, level), AT_REMOVEDIR) == 0) {
    close(left->fd);
    removal->names.used = left->name;
    removal->depth--;
    return true;
  }
  /* Some file systems skip entries of a directory that changes while it is read. */
  if (errno != ENOTEMPTY || left->rescans++ == MOST_RESCANS) return failed(removal, CALL_UNLINKAT);
  left->resume = 0;
  if (level > HELD && !level_close(&removal->levels[level - 1])) return failed(removal, CALL_FSTATAT);
  return true;
}

/* Reads on in the innermost directory, and enters the first directory in it, or leaves it at its end. */
static bool step(struct removal *removal) {
  struct level *level = &removal->levels[removal->depth - 1];
  int fd = level->fd;
  if (lseek(fd, level->resume, SEEK_SET) < 0) return failed(removal, CALL_GETDENTS64);
  long length = RETRY(syscall(SYS_getdents64, fd, removal->entries, ENTRIES));
  if (length < 0) return failed(removal, CALL_GETDENTS64);
  if (length == 0) return leave(removal);
  for (long at = 0; at < length;) {
    const struct entry *entry = (const struct entry *)(const void *)(removal->entries + at);
    at += entry->length;
    level->resume = entry->next;
    if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
    if (entry->type == DT_DIR) return enter(removal, fd, entry->name);
    if (removal->before) removal->before(removal->context, fd, entry->name);
    if (unlink_in(fd, entry->name, 0) == 0) continue;
    if (errno == EISDIR) return enter(removal, fd, entry->name);
    return failed(removal, CALL_UNLINKAT);
  }
  return true;
}

enum call remove_at(int directory, const char *name, before_unlink before, void *context) {
  struct removal removal = {.directory = directory, .before = before, .context = context};
  if (before) before(context, directory, name);
  if (unlink_in(directory, name, 0) == 0) return CALL_NONE;
  if (errno != EISDIR) return CALL_UNLINKAT;
  removal.entries = malloc(ENTRIES);
  if (!removal.entries) return CALL_MALLOC;
  bool is_well = enter(&removal, directory, name);
  while (is_well && removal.depth > 0) is_well = step(&removal);
  int error = errno;
  for (size_t i = 0; i < removal.depth; i++)
    if (removal.levels[i].fd >= 0) close(removal.levels[i].fd);
  free(removal.entries);
  free(removal.levels);
  buffer_free(&removal.names);
  errno = error;
  return removal.failed;
}
