#include "command.h"

static uint32_t word(const int32_t *words, enum word at) {
  return (uint32_t)words[at];
}

static uint64_t long_word(const int32_t *words, enum word at) {
  return (uint64_t)word(words, at) | (uint64_t)(uint32_t)words[at + 1] << 32;
}

/* Two neighbouring words: offset and length. False when the part does not lie inside `whole`. */
static bool part(struct bytes whole, const int32_t *words, struct bytes *out) {
  uint32_t offset = (uint32_t)words[0], length = (uint32_t)words[1];
  if (offset > whole.length || length > whole.length - offset) return false;
  *out = (struct bytes){whole.at + offset, length};
  return true;
}

/* Which operands an op has; stale words of earlier commands must not be looked at. */
static bool has_link(enum op op) {
  return op == OP_SYMLINK || op == OP_LINK || op == OP_NOTE || op == OP_COPY;
}

static bool has_data(enum op op) {
  return op == OP_FILE || op == OP_WRITE;
}

static bool has_metadata(enum op op) {
  return op != OP_WRITE && op != OP_REMOVE && op != OP_STAT && op != OP_LINK && op != OP_COPY;
}

static bool has_xattrs(enum op op, unsigned flags) {
  if (op == OP_DIR) return !(flags & FLAG_IMPLIED);
  return op == OP_FILE || op == OP_DIR_META || op == OP_SYMLINK || op == OP_INODE_META;
}

static bool is_placeholder_kind(unsigned kind) {
  return kind == KIND_FILE || kind == KIND_CHAR || kind == KIND_BLOCK || kind == KIND_FIFO || kind == KIND_SOCKET;
}

static const char *decode_metadata(struct command *command, const int32_t *words) {
  command->metadata = (struct metadata){
      .kind = word(words, WORD_KIND),
      .mode = word(words, WORD_MODE) & 07777,
      .uid = word(words, WORD_UID),
      .gid = word(words, WORD_GID),
      .mtime = (int64_t)long_word(words, WORD_MTIME),
      .mtime_ns = word(words, WORD_MTIME_NS),
      .dev_major = word(words, WORD_DEV_MAJOR),
      .dev_minor = word(words, WORD_DEV_MINOR),
      .flags = command->flags,
  };
  if (command->metadata.mtime_ns > 999999999) return "MTIME_NS";
  switch (command->op) {
    case OP_FILE:
      if (!is_placeholder_kind(command->metadata.kind)) return "KIND";
      break;
    case OP_DIR:
    case OP_DIR_META:
      command->metadata.kind = KIND_DIR;
      break;
    case OP_SYMLINK:
      command->metadata.kind = KIND_SYMLINK;
      break;
    default:
      break;
  }
  return NULL;
}

const char *command_decode(struct command *command, const int32_t *words, struct bytes slab, struct bytes arena) {
  *command = (struct command){
      .op = (enum op)word(words, WORD_OP),
      .flags = word(words, WORD_FLAGS),
      .size = long_word(words, WORD_SIZE),
      .offset = long_word(words, WORD_OFFSET),
      .entry = word(words, WORD_ENTRY),
  };
  enum op op = command->op;
  if (op < OP_FILE || op > OP_COPY) return "OP";
  if (op != OP_WRITE && !part(arena, words + WORD_PATH, &command->path)) return "PATH";
  if (has_link(op) && !part(arena, words + WORD_LINK, &command->link)) return "LINK";
  if (has_data(op) && !part(slab, words + WORD_DATA, &command->data)) return "DATA";
  if (has_data(op) && command->size > INT64_MAX) return "SIZE";
  if (has_data(op) && command->offset > INT64_MAX - command->data.length) return "OFFSET";
  if (has_xattrs(op, command->flags) && word(words, WORD_XATTR_COUNT) > 0) {
    uint32_t start = word(words, WORD_XATTR);
    if (start > arena.length) return "XATTR";
    command->xattrs = (struct xattrs){arena.at + start, arena.at + arena.length, word(words, WORD_XATTR_COUNT)};
    if (!xattrs_fit(&command->xattrs)) return "XATTR";
  }
  return has_metadata(op) ? decode_metadata(command, words) : NULL;
}
