/* What addon.c hands to JavaScript. Contracts: binding.d.ts. */
#ifndef SLUICE_EXPORTS_H
#define SLUICE_EXPORTS_H

#include <node_api.h>

napi_value export_writer_open(napi_env env, napi_callback_info info);
napi_value export_writer_run(napi_env env, napi_callback_info info);
napi_value export_writer_finish(napi_env env, napi_callback_info info);
napi_value export_writer_close(napi_env env, napi_callback_info info);

napi_value export_plain_members(napi_env env, napi_callback_info info);

napi_value export_inflaters(napi_env env, napi_callback_info info);
napi_value export_inflater_open(napi_env env, napi_callback_info info);
napi_value export_inflater_reset(napi_env env, napi_callback_info info);
napi_value export_inflater_run(napi_env env, napi_callback_info info);
napi_value export_inflater_close(napi_env env, napi_callback_info info);

napi_value export_digest_start(napi_env env, napi_callback_info info);
napi_value export_digest_update(napi_env env, napi_callback_info info);
napi_value export_digest_end(napi_env env, napi_callback_info info);

napi_value export_xattr_get(napi_env env, napi_callback_info info);
napi_value export_xattr_set(napi_env env, napi_callback_info info);
napi_value export_xattr_list(napi_env env, napi_callback_info info);
napi_value export_xattr_remove(napi_env env, napi_callback_info info);

napi_value export_flock(napi_env env, napi_callback_info info);
napi_value export_syncfs(napi_env env, napi_callback_info info);
napi_value export_crc32c_of(napi_env env, napi_callback_info info);
napi_value export_free_buffer(napi_env env, napi_callback_info info);
napi_value export_set_times(napi_env env, napi_callback_info info);
napi_value export_has_openat2(napi_env env, napi_callback_info info);
napi_value export_remove_tree(napi_env env, napi_callback_info info);

#endif
