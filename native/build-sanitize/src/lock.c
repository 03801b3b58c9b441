/* Calls of the machine that Node lacks. */
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "attributes.h"
#include "exports.h"
#include "openat2.h"
#include "remove.h"

static const char *const call_names[CALL_COUNT] = CALL_NAMES;

napi_value export_flock(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  int fd;
  bool is_exclusive;
  if (!read_arguments(env, info, 2, &arguments) || !read_fd(&arguments, 0, &fd) ||
      !read_boolean(&arguments, 1, &is_exclusive))
    return NULL;
  int answer = RETRY(flock(fd, (is_exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
  if (answer < 0 && errno != EWOULDBLOCK) return throw_system(env, "flock", errno);
  return make_boolean(env, answer == 0);
}

napi_value export_syncfs(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  int fd;
  if (!read_arguments(env, info, 1, &arguments) || !read_fd(&arguments, 0, &fd)) return NULL;
  return RETRY(syncfs(fd)) < 0 ? throw_system(env, "syncfs", errno) : NULL;
}

napi_value export_set_times(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  int64_t seconds;
  uint64_t nanoseconds;
  if (!read_arguments(env, info, 3, &arguments) || !read_signed(&arguments, 1, &seconds) ||
      !read_integer(&arguments, 2, 999999999, &nanoseconds))
    return NULL;
  char *path = read_path(&arguments, 0);
  if (!path) return NULL;
  struct timespec times[2];
  attributes_times(seconds, (uint32_t)nanoseconds, times);
  int answer = RETRY(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
  int error = errno;
  free(path);
  return answer < 0 ? throw_system(env, "utimensat", error) : NULL;
}

napi_value export_has_openat2(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = RETRY(openat2_in_root(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  if (fd >= 0) close(fd);
  return make_boolean(env, fd >= 0);
}

napi_value export_remove_tree(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  char *path = read_path(&arguments, 0);
  if (!path) return NULL;
  /* With a slash at its end, a symlink would be followed. */
  size_t length = strlen(path);
  while (length > 0 && path[length - 1] == '/') path[--length] = 0;
  errno = EBUSY;
  enum call failed = length ? remove_at(AT_FDCWD, path, NULL, NULL) : CALL_UNLINKAT;
  int error = errno;
  free(path);
  return failed ? throw_system(env, call_names[failed], error) : NULL;
}
