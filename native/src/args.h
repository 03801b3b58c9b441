/*
 * All checks of arguments, and how errors are thrown. A reader returns false with an exception pending; the function
 * that called it then returns NULL at once.
 */
#ifndef SLUICE_ARGS_H
#define SLUICE_ARGS_H

#include <limits.h>
#include <math.h>
#include <node_api.h>
#include <stdio.h>

#include "bytes.h"
#include "errors.h"

enum { MOST_ARGUMENTS = 8 };

struct arguments {
  napi_env env;
  napi_value at[MOST_ARGUMENTS];
};

/* Throws an Error with `code`, `errno` and `syscall`, as Node's own system errors have them. */
static inline napi_value throw_system(napi_env env, const char *call, int error) {
  char message[192], text[96];
  napi_value code, string, object, number, name;
  snprintf(message, sizeof message, "%s: %s, %s", errno_name(error), errno_text(error, text, sizeof text), call);
  if (napi_create_string_utf8(env, errno_name(error), NAPI_AUTO_LENGTH, &code) == napi_ok &&
      napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &string) == napi_ok &&
      napi_create_string_utf8(env, call, NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_create_error(env, code, string, &object) == napi_ok && napi_create_int32(env, -error, &number) == napi_ok &&
      napi_set_named_property(env, object, "errno", number) == napi_ok &&
      napi_set_named_property(env, object, "syscall", name) == napi_ok)
    napi_throw(env, object);
  return NULL;
}

static inline bool throw_type(napi_env env, const char *what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return false;
}

static inline bool throw_range(napi_env env, const char *what) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", what);
  return false;
}

/* Reads exactly `count` arguments. */
static inline bool read_arguments(napi_env env, napi_callback_info info, size_t count, struct arguments *arguments) {
  size_t given = count;
  arguments->env = env;
  if (napi_get_cb_info(env, info, &given, arguments->at, NULL, NULL) != napi_ok) return false;
  return given == count || throw_type(env, "wrong number of arguments");
}

/* A view's memory; its length is counted in elements. Works for views over a SharedArrayBuffer. */
static inline bool read_view(const struct arguments *arguments, size_t index, napi_typedarray_type wanted,
                             const char *what, void **at, size_t *length) {
  napi_typedarray_type type;
  bool is_view = false;
  napi_env env = arguments->env;
  if (napi_is_typedarray(env, arguments->at[index], &is_view) != napi_ok || !is_view) return throw_type(env, what);
  if (napi_get_typedarray_info(env, arguments->at[index], &type, length, at, NULL, NULL) != napi_ok || type != wanted)
    return throw_type(env, what);
  if (!*at) *at = (void *)""; /* an empty or detached view */
  return true;
}

static inline bool read_bytes(const struct arguments *arguments, size_t index, struct bytes *bytes) {
  void *at;
  if (!read_view(arguments, index, napi_uint8_array, "expected a Uint8Array", &at, &bytes->length)) return false;
  bytes->at = at;
  return true;
}

static inline bool read_words(const struct arguments *arguments, size_t index, size_t least, int32_t **words,
                              size_t *length) {
  void *at;
  if (!read_view(arguments, index, napi_int32_array, "expected an Int32Array", &at, length)) return false;
  *words = at;
  return *length >= least || throw_range(arguments->env, "the Int32Array is too short");
}

static inline bool read_doubles(const struct arguments *arguments, size_t index, double **doubles, size_t *length) {
  void *at;
  if (!read_view(arguments, index, napi_float64_array, "expected a Float64Array", &at, length)) return false;
  *doubles = at;
  return true;
}

/* Memory to be written to, of at least `least` bytes. */
static inline bool read_room(const struct arguments *arguments, size_t index, size_t least, uint8_t **at,
                             size_t *length) {
  void *view;
  if (!read_view(arguments, index, napi_uint8_array, "expected a Uint8Array", &view, length)) return false;
  *at = view;
  return *length >= least || throw_range(arguments->env, "the Uint8Array is too short");
}

/* Bytes without NUL, copied and ended by one. To be freed. */
static inline char *read_path(const struct arguments *arguments, size_t index) {
  struct bytes bytes;
  if (!read_bytes(arguments, index, &bytes)) return NULL;
  if (bytes.length == 0 || memchr(bytes.at, 0, bytes.length)) {
    throw_range(arguments->env, "expected bytes without NUL");
    return NULL;
  }
  char *path = malloc(bytes.length + 1);
  if (!path) {
    throw_system(arguments->env, "malloc", ENOMEM);
    return NULL;
  }
  memcpy(path, bytes.at, bytes.length);
  path[bytes.length] = 0;
  return path;
}

static inline bool read_boolean(const struct arguments *arguments, size_t index, bool *value) {
  return napi_get_value_bool(arguments->env, arguments->at[index], value) == napi_ok ||
         throw_type(arguments->env, "expected a boolean");
}

/* An integer from 0 to `most`, which is at most 2^53. */
static inline bool read_integer(const struct arguments *arguments, size_t index, uint64_t most, uint64_t *value) {
  double number;
  if (napi_get_value_double(arguments->env, arguments->at[index], &number) != napi_ok)
    return throw_type(arguments->env, "expected a number");
  if (!(number >= 0 && number <= (double)most) || number != floor(number))
    return throw_range(arguments->env, "expected an integer within its range");
  *value = (uint64_t)number;
  return true;
}

/* A safe integer of either sign. */
static inline bool read_signed(const struct arguments *arguments, size_t index, int64_t *value) {
  double number;
  if (napi_get_value_double(arguments->env, arguments->at[index], &number) != napi_ok)
    return throw_type(arguments->env, "expected a number");
  if (!(fabs(number) <= 9007199254740991.0) || number != floor(number))
    return throw_range(arguments->env, "expected a safe integer");
  *value = (int64_t)number;
  return true;
}

static inline bool read_fd(const struct arguments *arguments, size_t index, int *fd) {
  uint64_t number;
  if (!read_integer(arguments, index, INT_MAX, &number)) return false;
  *fd = (int)number;
  return true;
}

/* A short name in ASCII; longer ones are cut and so match nothing. */
static inline bool read_name(const struct arguments *arguments, size_t index, char *name, size_t room) {
  size_t length;
  return napi_get_value_string_utf8(arguments->env, arguments->at[index], name, room, &length) == napi_ok ||
         throw_type(arguments->env, "expected a string");
}

/* Start and end of a part of a view of `length` bytes, at two neighbouring indexes. */
static inline bool read_part(const struct arguments *arguments, size_t index, size_t length, size_t *start,
                             size_t *end) {
  uint64_t first, last;
  if (!read_integer(arguments, index, length, &first)) return false;
  if (!read_integer(arguments, index + 1, length, &last)) return false;
  if (first > last) return throw_range(arguments->env, "the end lies before the start");
  *start = (size_t)first;
  *end = (size_t)last;
  return true;
}

/* The struct behind a handle that wrap_handle made with the same tag. */
static inline void *read_handle(const struct arguments *arguments, size_t index, const napi_type_tag *tag) {
  bool is_ours = false;
  void *handle = NULL;
  napi_valuetype type;
  napi_env env = arguments->env;
  if (napi_typeof(env, arguments->at[index], &type) != napi_ok || type != napi_object ||
      napi_check_object_type_tag(env, arguments->at[index], tag, &is_ours) != napi_ok || !is_ours ||
      napi_unwrap(env, arguments->at[index], &handle) != napi_ok) {
    throw_type(env, "expected a handle of the addon");
    return NULL;
  }
  return handle;
}

/* Makes a handle that owns `owned`. When that fails, `owned` is finalized here and NULL returned. */
static inline napi_value wrap_handle(napi_env env, void *owned, const napi_type_tag *tag, napi_finalize finalize) {
  napi_value handle;
  if (napi_create_object(env, &handle) == napi_ok && napi_type_tag_object(env, handle, tag) == napi_ok &&
      napi_wrap(env, handle, owned, finalize, NULL, NULL) == napi_ok)
    return handle;
  finalize(env, owned, NULL);
  throw_system(env, "malloc", ENOMEM);
  return NULL;
}

static inline napi_value make_number(napi_env env, double number) {
  napi_value value = NULL;
  napi_create_double(env, number, &value);
  return value;
}

static inline napi_value make_boolean(napi_env env, bool boolean) {
  napi_value value = NULL;
  napi_get_boolean(env, boolean, &value);
  return value;
}

#endif
