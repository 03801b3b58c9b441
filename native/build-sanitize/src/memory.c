/* Memory that JavaScript is done with before its collector is. */
#include "args.h"
#include "exports.h"

napi_value export_free_buffer(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  bool is_buffer = false;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  if (napi_is_arraybuffer(env, arguments.at[0], &is_buffer) != napi_ok || !is_buffer) {
    throw_type(env, "expected an ArrayBuffer");
    return NULL;
  }
  napi_detach_arraybuffer(env, arguments.at[0]); /* one that can't be detached is left to the collector */
  return NULL;
}
