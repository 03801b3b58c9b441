/*
 * Digests whose whole state is the caller's bytes, so that threads can take turns at one stream. The calls are OpenSSL's,
 * which node carries; they are looked up, as a node that is linked otherwise may lack them.
 */
#include <dlfcn.h>

#include "args.h"
#include "exports.h"

enum { STATE_BYTES = 256, LONGEST_DIGEST = 64 };

struct algorithm {
  const char *name;
  size_t block;
  size_t length;
  size_t counters; /* where OpenSSL's state has the bytes of a block that is not full, and then the digest's length */
  const char *init, *update, *final;
};

static const struct algorithm algorithms[] = {
    {"sha256", 64, 32, 104, "SHA256_Init", "SHA256_Update", "SHA256_Final"},
    {"sha384", 128, 48, 208, "SHA384_Init", "SHA384_Update", "SHA384_Final"},
    {"sha512", 128, 64, 208, "SHA512_Init", "SHA512_Update", "SHA512_Final"},
};

struct calls {
  int (*init)(void *state);
  int (*update)(void *state, const void *bytes, size_t length);
  int (*final)(unsigned char *digest, void *state);
};

static bool find_calls(const struct algorithm *algorithm, struct calls *calls) {
  *(void **)&calls->init = dlsym(RTLD_DEFAULT, algorithm->init);
  *(void **)&calls->update = dlsym(RTLD_DEFAULT, algorithm->update);
  *(void **)&calls->final = dlsym(RTLD_DEFAULT, algorithm->final);
  return calls->init && calls->update && calls->final;
}

static bool read_algorithm(const struct arguments *arguments, const struct algorithm **algorithm,
                           struct calls *calls) {
  char name[8];
  size_t length;
  if (napi_get_value_string_utf8(arguments->env, arguments->at[0], name, sizeof name, &length) != napi_ok)
    return throw_type(arguments->env, "expected a string");
  for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
    if (strcmp(name, algorithms[i].name) == 0) {
      *algorithm = &algorithms[i];
      if (find_calls(*algorithm, calls)) return true;
    }
  throw_system(arguments->env, "digest", ENOSYS);
  return false;
}

/* A copy of the caller's state: aligned, and nobody else's while it changes. */
struct state {
  _Alignas(16) unsigned char at[STATE_BYTES];
};

/* A state that was not made here must not lead OpenSSL out of its block. */
static bool is_sound(const struct algorithm *algorithm, const struct state *state) {
  unsigned int counters[2];
  memcpy(counters, state->at + algorithm->counters, sizeof counters);
  return counters[0] < algorithm->block && counters[1] == algorithm->length;
}

napi_value export_digest_start(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  const struct algorithm *algorithm;
  struct calls calls;
  uint8_t *room;
  size_t length;
  if (!read_arguments(env, info, 2, &arguments) || !read_algorithm(&arguments, &algorithm, &calls) ||
      !read_room(&arguments, 1, STATE_BYTES, &room, &length))
    return NULL;
  struct state state = {0};
  calls.init(state.at);
  if (!is_sound(algorithm, &state)) return throw_system(env, "digest", ENOSYS);
  memcpy(room, state.at, STATE_BYTES);
  return NULL;
}

napi_value export_digest_update(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  const struct algorithm *algorithm;
  struct calls calls;
  uint8_t *room;
  size_t length;
  struct bytes bytes;
  if (!read_arguments(env, info, 3, &arguments) || !read_algorithm(&arguments, &algorithm, &calls) ||
      !read_room(&arguments, 1, STATE_BYTES, &room, &length) || !read_bytes(&arguments, 2, &bytes))
    return NULL;
  struct state state;
  memcpy(state.at, room, STATE_BYTES);
  if (!is_sound(algorithm, &state)) return throw_system(env, "digest", EINVAL);
  calls.update(state.at, bytes.at, bytes.length);
  memcpy(room, state.at, STATE_BYTES);
  return NULL;
}

napi_value export_digest_end(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  const struct algorithm *algorithm;
  struct calls calls;
  uint8_t *room;
  size_t length;
  if (!read_arguments(env, info, 2, &arguments) || !read_algorithm(&arguments, &algorithm, &calls) ||
      !read_room(&arguments, 1, STATE_BYTES, &room, &length))
    return NULL;
  struct state state;
  memcpy(state.at, room, STATE_BYTES);
  if (!is_sound(algorithm, &state)) return throw_system(env, "digest", EINVAL);
  unsigned char digest[LONGEST_DIGEST];
  calls.final(digest, state.at);
  napi_value buffer;
  return napi_create_buffer_copy(env, algorithm->length, digest, NULL, &buffer) == napi_ok ? buffer : NULL;
}
