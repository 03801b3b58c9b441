#include "inflate.h"

#include "args.h"
#include "exports.h"

/* Fastest first. */
static const struct decoder *const decoders[] = {
#ifdef SLUICE_HAS_ISAL
    &isal_decoder,
#endif
#ifdef SLUICE_HAS_ZLIB
    &zlib_decoder,
#endif
    NULL,
};

static const napi_type_tag INFLATER_TAG = {0x2f5d1b9c07e84a63, 0xb04e6a51c8d97e25};

struct inflater {
  const struct decoder *decoder;
  void *state; /* NULL when closed: see struct writer_handle */
  enum inflate_status status; /* INFLATE_END and failures last until the next reset */
};

static void inflater_close(struct inflater *inflater) {
  if (inflater->state) inflater->decoder->close(inflater->state);
  inflater->state = NULL;
}

static void finalize(napi_env env, void *owned, void *hint) {
  (void)env;
  (void)hint;
  inflater_close(owned);
  free(owned);
}

napi_value export_inflaters(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value names, name;
  uint32_t count = 0;
  if (napi_create_array(env, &names) != napi_ok) return NULL;
  for (size_t i = 0; decoders[i]; i++) {
    if (!decoders[i]->is_present()) continue;
    if (napi_create_string_utf8(env, decoders[i]->name, NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_set_element(env, names, count++, name) != napi_ok)
      return NULL;
  }
  return names;
}

static const struct decoder *find_decoder(const char *name) {
  for (size_t i = 0; decoders[i]; i++)
    if (strcmp(decoders[i]->name, name) == 0 && decoders[i]->is_present()) return decoders[i];
  return NULL;
}

napi_value export_inflater_open(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  char name[16];
  if (!read_arguments(env, info, 1, &arguments) || !read_name(&arguments, 0, name, sizeof name)) return NULL;
  const struct decoder *decoder = find_decoder(name);
  if (!decoder) return throw_system(env, "inflate", ENOSYS);
  struct inflater *inflater = calloc(1, sizeof *inflater);
  void *state = inflater ? decoder->open() : NULL;
  if (!state) {
    free(inflater);
    return throw_system(env, "malloc", ENOMEM);
  }
  inflater->decoder = decoder;
  inflater->state = state;
  return wrap_handle(env, inflater, &INFLATER_TAG, finalize);
}

static struct inflater *read_inflater(const struct arguments *arguments) {
  struct inflater *inflater = read_handle(arguments, 0, &INFLATER_TAG);
  if (!inflater || inflater->state) return inflater;
  throw_system(arguments->env, "inflater", EBADF);
  return NULL;
}

napi_value export_inflater_close(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  struct inflater *inflater = read_handle(&arguments, 0, &INFLATER_TAG);
  if (inflater) inflater_close(inflater);
  return NULL;
}

napi_value export_inflater_reset(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  struct inflater *inflater = read_inflater(&arguments);
  if (!inflater) return NULL;
  inflater->decoder->reset(inflater->state);
  inflater->status = INFLATE_MORE;
  return NULL;
}

/* What fits a word of `result`; the rest is asked for again. */
static size_t at_most(size_t length) {
  return length < INT32_MAX ? length : INT32_MAX;
}

napi_value export_inflater_run(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct bytes input;
  uint8_t *output;
  int32_t *result;
  size_t start, end, room, output_start, output_end, words, consumed = 0, produced = 0;
  if (!read_arguments(env, info, 8, &arguments)) return NULL;
  struct inflater *inflater = read_inflater(&arguments);
  if (!inflater || !read_bytes(&arguments, 1, &input) || !read_part(&arguments, 2, input.length, &start, &end) ||
      !read_room(&arguments, 4, 0, &output, &room) || !read_part(&arguments, 5, room, &output_start, &output_end) ||
      !read_words(&arguments, 7, 2, &result, &words))
    return NULL;
  if (inflater->status == INFLATE_MORE)
    inflater->status = inflater->decoder->run(inflater->state, input.at + start, at_most(end - start),
                                              output + output_start, at_most(output_end - output_start), &consumed,
                                              &produced);
  result[0] = (int32_t)consumed;
  result[1] = (int32_t)produced;
  if (inflater->status == INFLATE_NO_MEMORY) return throw_system(env, "malloc", ENOMEM);
  return make_number(env, inflater->status);
}
