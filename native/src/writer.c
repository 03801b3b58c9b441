#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "args.h"
#include "exports.h"
#include "writer.h"

static const napi_type_tag WRITER_TAG = {0x6c1f0c5be5a74d02, 0x9ad1c3a4f7be2f11};
static const char *const call_names[CALL_COUNT] = CALL_NAMES;

/* What a handle owns: Node finalizes handles in turns of the event loop, and a worker that waits for its next task in
   Atomics.wait has none, so that closing frees all but this. */
struct writer_handle {
  struct writer *writer; /* NULL when closed */
};

static void writer_close(struct writer_handle *handle) {
  struct writer *writer = handle->writer;
  if (!writer) return;
  file_drop(writer);
  copy_drop(writer);
  parents_free(&writer->parents);
  records_close(&writer->records);
  links_close(&writer->links);
  links_close(&writer->placeholders);
  buffer_free(&writer->file.path);
  buffer_free(&writer->file.xattrs);
  buffer_free(&writer->listed);
  close(writer->scratch);
  close(writer->root);
  free(writer);
  handle->writer = NULL;
}

static void finalize(napi_env env, void *owned, void *hint) {
  (void)env;
  (void)hint;
  writer_close(owned);
  free(owned);
}

/* A staging tree starts empty: nothing can lie in wait in it (E10). Returns 0 or errno. */
static int check_empty(int root) {
  int fd = RETRY(openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd < 0) return errno;
  DIR *entries = fdopendir(fd);
  if (!entries) {
    close(fd);
    return ENOMEM;
  }
  int error = 0;
  struct dirent *entry;
  while (!error && (entry = readdir(entries)))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) error = ENOTEMPTY;
  closedir(entries);
  return error;
}

/* The tree's own directory hands on to what is made in it neither a group nor ACLs (M1). Returns 0 or errno. */
static int make_plain(int root, const char **call) {
  struct stat there;
  *call = "fstatat";
  if (fstat(root, &there) < 0) return errno;
  *call = "fchmod";
  if ((there.st_mode & S_ISGID) && RETRY(fchmod(root, there.st_mode & 0777)) < 0) return errno;
  *call = "fremovexattr";
  return attributes_disinherit(root);
}

static struct writer *open_writer(const char *root, const char *scratch, const char **call) {
  *call = "malloc";
  struct writer *writer = calloc(1, sizeof *writer);
  if (!writer) return NULL;
  *call = "openat";
  writer->root = RETRY(open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  writer->scratch = writer->root < 0 ? -1 : RETRY(open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int error = writer->scratch < 0 ? errno : check_empty(writer->root);
  if (error == 0) error = make_plain(writer->root, call);
  if (error == 0) return writer;
  if (writer->root >= 0) close(writer->root);
  if (writer->scratch >= 0) close(writer->scratch);
  free(writer);
  errno = error;
  return NULL;
}

napi_value export_writer_open(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  bool walk, folds;
  uint64_t umask, most_links;
  if (!read_arguments(env, info, 6, &arguments) || !read_boolean(&arguments, 2, &walk) ||
      !read_integer(&arguments, 3, 0777, &umask) || !read_boolean(&arguments, 4, &folds) ||
      !read_integer(&arguments, 5, UINT32_MAX, &most_links))
    return NULL;
  char *root = read_path(&arguments, 0);
  char *scratch = root ? read_path(&arguments, 1) : NULL;
  const char *call = "malloc";
  struct writer_handle *handle = scratch ? malloc(sizeof *handle) : NULL;
  struct writer *writer = handle ? open_writer(root, scratch, &call) : NULL;
  int error = errno;
  bool has_paths = scratch != NULL;
  free(root);
  free(scratch);
  if (!has_paths) return NULL;
  if (!writer) {
    free(handle);
    return throw_system(env, call, error);
  }
  handle->writer = writer;
  writer->umask = (mode_t)umask;
  writer->most_links = most_links;
  writer->file.fd = writer->copy.to = -1;
  writer->crc = crc32c_best();
  parents_init(&writer->parents, writer->root, walk, folds);
  records_init(&writer->records, writer->scratch);
  links_init(&writer->links, writer->scratch);
  links_init(&writer->placeholders, writer->scratch);
  return wrap_handle(env, handle, &WRITER_TAG, finalize);
}

static enum status run_command(struct writer *writer, const struct command *command) {
  report_clear(&writer->report);
  writer->listed.used = 0;
  if (command->op != OP_WRITE && writer->file.fd >= 0) return fail(&writer->report, CALL_WRITE, EBUSY);
  if (command->op != OP_COPY && writer->copy.to >= 0) return fail(&writer->report, CALL_WRITE, EBUSY);
  switch (command->op) {
    case OP_FILE:
      return file_begin(writer, command);
    case OP_WRITE:
      return file_go_on(writer, command);
    case OP_DIR:
      return make_directory(writer, command);
    case OP_DIR_META:
      return change_directory(writer, command);
    case OP_SYMLINK:
      return make_symlink(writer, command);
    case OP_LINK:
      return make_link(writer, command);
    case OP_REMOVE:
      return remove_leaf(writer, command);
    case OP_STAT:
      return stat_leaf(writer, command);
    case OP_INODE_META:
      return change_inode(writer, command);
    case OP_NOTE:
      return add_note(writer, command);
    case OP_COPY:
      return make_copy(writer, command);
  }
  return fail(&writer->report, CALL_NONE, ENOSYS);
}

static void write_result(const struct report *report, int32_t *result, uint8_t *name) {
  result[RESULT_STATUS] = report->status;
  result[RESULT_ERRNO] = report->error;
  result[RESULT_SYSCALL] = report->call;
  result[RESULT_AT_LEAF] = report->at_leaf;
  result[RESULT_NAME_LENGTH] = (int32_t)report->name_length;
  result[RESULT_KIND] = (int32_t)report->kind;
  result[RESULT_INODE] = (int32_t)(uint32_t)report->inode;
  result[RESULT_INODE + 1] = (int32_t)(uint32_t)(report->inode >> 32);
  result[RESULT_LINKS] = (int32_t)report->links;
  result[RESULT_XATTRS_KEPT] = (int32_t)report->xattrs_kept;
  result[RESULT_OVERRIDE_IS_LONG] = report->override_is_long;
  result[RESULT_SIZE] = (int32_t)(uint32_t)report->size;
  result[RESULT_SIZE + 1] = (int32_t)(uint32_t)(report->size >> 32);
  if (report->name_length) memcpy(name, report->name, report->name_length);
}

static struct writer *read_writer(const struct arguments *arguments) {
  struct writer_handle *handle = read_handle(arguments, 0, &WRITER_TAG);
  if (!handle) return NULL;
  if (handle->writer && !handle->writer->is_finished) return handle->writer;
  throw_system(arguments->env, "writer", EBADF);
  return NULL;
}

static napi_value throw_command(napi_env env, size_t index, const char *word) {
  char message[64];
  snprintf(message, sizeof message, "command %zu: %s is out of range", index, word);
  throw_range(env, message);
  return NULL;
}

napi_value export_writer_run(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct bytes slab, arena;
  int32_t *words, *result;
  size_t word_count, result_count, name_room, first, end;
  uint8_t *name;
  if (!read_arguments(env, info, 8, &arguments)) return NULL;
  struct writer *writer = read_writer(&arguments);
  if (!writer || !read_bytes(&arguments, 1, &slab) || !read_bytes(&arguments, 2, &arena) ||
      !read_words(&arguments, 3, 0, &words, &word_count) ||
      !read_part(&arguments, 4, word_count / STRIDE, &first, &end) ||
      !read_words(&arguments, 6, RESULT_WORDS, &result, &result_count) ||
      !read_room(&arguments, 7, NAME_BYTES, &name, &name_room))
    return NULL;
  report_clear(&writer->report);
  while (first < end) {
    struct command command;
    const char *wrong = command_decode(&command, words + first * STRIDE, slab, arena);
    if (wrong) return throw_command(env, first, wrong);
    if (run_command(writer, &command)) break;
    first++;
    if (report_is_noteworthy(&writer->report)) break;
  }
  write_result(&writer->report, result, name);
  return make_number(env, (double)first);
}

napi_value export_writer_finish(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct bytes head;
  uint64_t most;
  if (!read_arguments(env, info, 4, &arguments)) return NULL;
  struct writer *writer = read_writer(&arguments);
  if (!writer || !read_bytes(&arguments, 2, &head) || !read_integer(&arguments, 3, 1ull << 53, &most)) return NULL;
  if (writer->file.fd >= 0 || writer->copy.to >= 0) return throw_system(env, "writer", EBUSY);
  char *path = read_path(&arguments, 1);
  if (!path) return NULL;
  writer->is_finished = true;
  int64_t lines = writer_finish(writer, path, head, most);
  free(path);
  if (lines < 0) return throw_system(env, call_names[writer->report.call], writer->report.error);
  return make_number(env, (double)lines);
}

napi_value export_writer_close(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  if (!read_arguments(env, info, 1, &arguments)) return NULL;
  struct writer_handle *handle = read_handle(&arguments, 0, &WRITER_TAG);
  if (handle) writer_close(handle);
  return NULL;
}
