/* Extended attributes of a path, byte for byte, never through a last symlink. */
#include <sys/xattr.h>

#include "args.h"
#include "exports.h"

/* Linux allows no larger value and no larger list (XATTR_SIZE_MAX, XATTR_LIST_MAX). */
enum { LARGEST = 65536 };

/* A path and the name of an attribute; both NULL when an exception is pending. */
struct place {
  char *path, *name;
};

static bool read_place(const struct arguments *arguments, struct place *place) {
  place->path = read_path(arguments, 0);
  place->name = place->path ? read_path(arguments, 1) : NULL;
  if (place->name) return true;
  free(place->path);
  place->path = NULL;
  return false;
}

static void free_place(struct place *place) {
  int error = errno;
  free(place->path);
  free(place->name);
  errno = error;
}

napi_value export_xattr_get(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct place place;
  napi_value value = NULL;
  if (!read_arguments(env, info, 2, &arguments) || !read_place(&arguments, &place)) return NULL;
  void *bytes = malloc(LARGEST);
  ssize_t length = bytes ? RETRY(lgetxattr(place.path, place.name, bytes, LARGEST)) : -1;
  free_place(&place);
  if (length >= 0) napi_create_buffer_copy(env, (size_t)length, bytes, NULL, &value);
  else if (errno == ENODATA) napi_get_null(env, &value);
  else throw_system(env, "lgetxattr", errno);
  free(bytes);
  return value;
}

napi_value export_xattr_set(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct place place;
  struct bytes value;
  if (!read_arguments(env, info, 3, &arguments) || !read_bytes(&arguments, 2, &value)) return NULL;
  if (!read_place(&arguments, &place)) return NULL;
  int answer = RETRY(lsetxattr(place.path, place.name, value.at, value.length, 0));
  free_place(&place);
  return answer < 0 ? throw_system(env, "lsetxattr", errno) : NULL;
}

static napi_value make_list(napi_env env, const char *names, size_t length) {
  napi_value list, name;
  uint32_t count = 0;
  if (napi_create_array(env, &list) != napi_ok) return NULL;
  for (const char *at = names; at < names + length; at += strlen(at) + 1)
    if (napi_create_buffer_copy(env, strlen(at), at, NULL, &name) != napi_ok ||
        napi_set_element(env, list, count++, name) != napi_ok)
      return NULL;
  return list;
}

napi_value export_xattr_list(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  char *path = read_path(&arguments, 0);
  if (!path) return NULL;
  char *names = malloc(LARGEST);
  ssize_t length = names ? RETRY(llistxattr(path, names, LARGEST)) : -1;
  int error = errno;
  free(path);
  napi_value list = length >= 0 ? make_list(env, names, (size_t)length) : throw_system(env, "llistxattr", error);
  free(names);
  return list;
}

napi_value export_xattr_remove(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct place place;
  if (!read_arguments(env, info, 2, &arguments) || !read_place(&arguments, &place)) return NULL;
  int answer = RETRY(lremovexattr(place.path, place.name));
  free_place(&place);
  if (answer < 0 && errno != ENODATA) return throw_system(env, "lremovexattr", errno);
  return make_boolean(env, answer == 0);
}
