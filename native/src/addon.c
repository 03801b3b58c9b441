/* The entry of the addon: what exists, by name. No state: every thread that loads it gets functions alone. */
#include "exports.h"

static const struct {
  const char *name;
  napi_callback function;
} functions[] = {
    {"writerOpen", export_writer_open},
    {"writerRun", export_writer_run},
    {"writerFinish", export_writer_finish},
    {"writerClose", export_writer_close},
    {"plainMembers", export_plain_members},
    {"inflaters", export_inflaters},
    {"inflaterOpen", export_inflater_open},
    {"inflaterReset", export_inflater_reset},
    {"inflaterRun", export_inflater_run},
    {"inflaterClose", export_inflater_close},
    {"digestStart", export_digest_start},
    {"digestUpdate", export_digest_update},
    {"digestEnd", export_digest_end},
    {"xattrGet", export_xattr_get},
    {"xattrSet", export_xattr_set},
    {"xattrList", export_xattr_list},
    {"xattrRemove", export_xattr_remove},
    {"flock", export_flock},
    {"syncfs", export_syncfs},
    {"crc32cOf", export_crc32c_of},
    {"freeBuffer", export_free_buffer},
    {"setTimes", export_set_times},
    {"hasOpenat2", export_has_openat2},
    {"removeTree", export_remove_tree},
};

NAPI_MODULE_INIT() {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    const char *name = functions[i].name;
    napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
    if (status != napi_ok || napi_set_named_property(env, exports, name, function) != napi_ok) return NULL;
  }
  return exports;
}
