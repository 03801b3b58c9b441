/*
 * The ordinary members of an archive, read without JavaScript: what nearly every layer consists of. Whatever is not
 * plain in any respect is left to src/layer, which decides and refuses by the rules; both read what is plain alike.
 */
#include "args.h"
#include "commands.h"
#include "exports.h"

enum { BLOCK = 512, TYPE_FILE = '0', TYPE_SYMLINK = '2', TYPE_DIRECTORY = '5' };

/* Fields of a header (POSIX pax, "ustar Interchange Format"). */
enum field_at {
  NAME = 0,
  MODE = 100,
  UID = 108,
  GID = 116,
  SIZE = 124,
  MTIME = 136,
  CHECKSUM = 148,
  TYPE = 156,
  LINK = 157,
  MAGIC = 257,
  DEV_MAJOR = 329,
  DEV_MINOR = 337,
  PREFIX = 345,
  STAR_MAGIC = 508,
};
enum { NAME_LENGTH = 100, PREFIX_LENGTH = 155, NUMBER_LENGTH = 8, LONG_NUMBER_LENGTH = 12 };

/* Words of `counts`: src/layer/plain.ts. */
enum count { COMMANDS, ARENA_USED, ENTRIES, FLAGS, FILE_BYTES, LARGEST_FILE, COUNTS };

struct batch {
  int32_t *words;
  double *offsets;
  uint8_t *arena;
  size_t commands, most_commands, arena_used, arena_room;
};

struct member {
  uint8_t type;
  uint64_t mode, uid, gid, size, mtime;
};

/* Octal digits, blanks before them, a NUL, blanks or nothing behind them. */
static bool read_octal(const uint8_t *at, size_t length, uint64_t *value) {
  const uint8_t *end = at + length;
  while (at < end && (*at == ' ' || *at == 0)) at++;
  for (*value = 0; at < end && *at >= '0' && *at <= '7'; at++) *value = *value << 3 | (uint64_t)(*at - '0');
  if (at == end || *at == 0) return true;
  while (at < end && (*at == ' ' || *at == 0)) at++;
  return at == end;
}

/* The sum of all bytes, those of the checksum itself taken as blanks. */
static bool has_checksum(const uint8_t *header) {
  uint64_t expected;
  uint32_t sum = 0;
  if (!read_octal(header + CHECKSUM, NUMBER_LENGTH, &expected)) return false;
  for (size_t i = 0; i < BLOCK; i++) sum += header[i];
  for (size_t i = 0; i < NUMBER_LENGTH; i++) sum += ' ' - (uint32_t)header[CHECKSUM + i];
  return sum == expected;
}

static bool is_gnu(const uint8_t *header) {
  return memcmp(header + MAGIC, "ustar  ", 8) == 0;
}

static bool is_ustar(const uint8_t *header) {
  return memcmp(header + MAGIC, "ustar", 6) == 0 && memcmp(header + STAR_MAGIC, "tar", 4) != 0;
}

static bool read_member(const uint8_t *header, struct member *member) {
  uint64_t device;
  member->type = header[TYPE];
  if (member->type != TYPE_FILE && member->type != TYPE_SYMLINK && member->type != TYPE_DIRECTORY) return false;
  if (!is_ustar(header) && !is_gnu(header)) return false;
  if (!has_checksum(header)) return false;
  if (!read_octal(header + MODE, NUMBER_LENGTH, &member->mode) ||
      !read_octal(header + UID, NUMBER_LENGTH, &member->uid) ||
      !read_octal(header + GID, NUMBER_LENGTH, &member->gid) ||
      !read_octal(header + SIZE, LONG_NUMBER_LENGTH, &member->size) ||
      !read_octal(header + MTIME, LONG_NUMBER_LENGTH, &member->mtime) ||
      !read_octal(header + DEV_MAJOR, NUMBER_LENGTH, &device) ||
      !read_octal(header + DEV_MINOR, NUMBER_LENGTH, &device))
    return false;
  return member->type == TYPE_FILE || member->size == 0;
}

/*
 * Appends the parts of `field` to a name that is clean so far. False for a part that a rule looks at: a whiteout, AUFS's
 * own, `..`.
 */
static bool add_parts(struct bytes field, uint8_t *name, size_t *length) {
  const uint8_t *at = field.at, *end = field.at + field.length;
  while (at < end) {
    const uint8_t *slash = memchr(at, '/', (size_t)(end - at));
    size_t part = (size_t)((slash ? slash : end) - at);
    if (at[0] == '.') {
      if (part == 2 && at[1] == '.') return false;
      if (part >= 4 && memcmp(at, ".wh.", 4) == 0) return false;
    }
    if (part > 1 || (part == 1 && at[0] != '.')) {
      if (*length) name[(*length)++] = '/';
      memcpy(name + *length, at, part);
      *length += part;
    }
    at += part + 1;
  }
  return true;
}

static struct bytes text_field(const uint8_t *at, size_t room) {
  return (struct bytes){at, strnlen((const char *)at, room)};
}

/* The cleaned name (N2). No field is longer than a name may be, so that no part is. False for the root. */
static bool read_name_of(const uint8_t *header, uint8_t *name, size_t *length) {
  *length = 0;
  if (is_ustar(header) && !add_parts(text_field(header + PREFIX, PREFIX_LENGTH), name, length)) return false;
  return add_parts(text_field(header + NAME, NAME_LENGTH), name, length) && *length > 0;
}

static void put_long(int32_t *word, uint64_t value) {
  word[0] = (int32_t)(uint32_t)value;
  word[1] = (int32_t)(uint32_t)(value >> 32);
}

static void add_command(struct batch *batch, const struct member *member, struct bytes name, struct bytes link,
                        size_t data, int32_t entry, int32_t flags) {
  int32_t *words = batch->words + batch->commands * STRIDE;
  bool is_file = member->type == TYPE_FILE, is_link = member->type == TYPE_SYMLINK;
  memset(words, 0, STRIDE * sizeof *words);
  words[WORD_OP] = is_file ? OP_FILE : is_link ? OP_SYMLINK : OP_DIR;
  words[WORD_KIND] = is_file ? KIND_FILE : is_link ? KIND_SYMLINK : KIND_DIR;
  words[WORD_FLAGS] = is_file ? flags | FLAG_LAST : flags;
  words[WORD_ENTRY] = entry;
  words[WORD_PATH] = (int32_t)batch->arena_used;
  words[WORD_PATH_LENGTH] = (int32_t)name.length;
  words[WORD_MODE] = (int32_t)(member->mode & 07777);
  words[WORD_UID] = (int32_t)member->uid;
  words[WORD_GID] = (int32_t)member->gid;
  put_long(words + WORD_MTIME, member->mtime);
  memcpy(batch->arena + batch->arena_used, name.at, name.length);
  batch->arena_used += name.length;
  if (is_link) {
    words[WORD_LINK] = (int32_t)batch->arena_used;
    words[WORD_LINK_LENGTH] = (int32_t)link.length;
    memcpy(batch->arena + batch->arena_used, link.at, link.length);
    batch->arena_used += link.length;
  } else if (is_file && member->size) {
    put_long(words + WORD_SIZE, member->size);
    words[WORD_DATA] = (int32_t)data;
    words[WORD_DATA_LENGTH] = (int32_t)member->size;
  }
  batch->commands++;
}

static bool has_room(const struct batch *batch) {
  return batch->commands < batch->most_commands &&
         batch->arena_room - batch->arena_used >= PREFIX_LENGTH + 1 + 2 * NAME_LENGTH;
}

/* The member at `at`, whole: how many bytes it has with its padding. 0 when it is not plain or not all here. */
static size_t take_member(struct bytes bytes, size_t at, struct batch *batch, int32_t *counts) {
  struct member member;
  uint8_t name[PREFIX_LENGTH + 1 + NAME_LENGTH];
  size_t name_length, left = bytes.length - at;
  const uint8_t *header = bytes.at + at;
  if (left < BLOCK || !read_member(header, &member) || member.size > left - BLOCK) return 0;
  size_t length = BLOCK + (((size_t)member.size + BLOCK - 1) & ~(size_t)(BLOCK - 1));
  if (length > left || !read_name_of(header, name, &name_length)) return 0;
  struct bytes link = text_field(header + LINK, NAME_LENGTH);
  if (member.type == TYPE_SYMLINK && link.length == 0) return 0;
  add_command(batch, &member, (struct bytes){name, name_length}, link, at + BLOCK, counts[ENTRIES], counts[FLAGS]);
  counts[ENTRIES] = (int32_t)((uint32_t)counts[ENTRIES] + 1);
  if (member.type == TYPE_FILE) {
    counts[FILE_BYTES] += (int32_t)member.size;
    if ((int32_t)member.size > counts[LARGEST_FILE]) counts[LARGEST_FILE] = (int32_t)member.size;
  }
  return length;
}

napi_value export_plain_members(napi_env env, napi_callback_info info) {
  struct arguments arguments;
  struct batch batch = {0};
  struct bytes bytes;
  size_t words, offsets, length;
  uint64_t at, base;
  int32_t *counts;
  if (!read_arguments(env, info, 7, &arguments) || !read_bytes(&arguments, 0, &bytes) ||
      !read_integer(&arguments, 1, bytes.length, &at) || !read_integer(&arguments, 2, 1ull << 53, &base) ||
      !read_words(&arguments, 3, 0, &batch.words, &words) || !read_doubles(&arguments, 4, &batch.offsets, &offsets) ||
      !read_room(&arguments, 5, 0, &batch.arena, &batch.arena_room) ||
      !read_words(&arguments, 6, COUNTS, &counts, &length))
    return NULL;
  batch.most_commands = words / STRIDE < offsets ? words / STRIDE : offsets;
  batch.commands = (uint32_t)counts[COMMANDS];
  batch.arena_used = (uint32_t)counts[ARENA_USED];
  if (batch.commands > batch.most_commands || batch.arena_used > batch.arena_room) {
    throw_range(env, "the batch is smaller than what it holds");
    return NULL;
  }
  if (bytes.length > INT32_MAX) bytes.length = INT32_MAX;
  while (at < bytes.length && has_room(&batch)) {
    size_t command = batch.commands;
    size_t taken = take_member(bytes, (size_t)at, &batch, counts);
    if (taken == 0) break;
    batch.offsets[command] = (double)(base + at);
    at += taken;
  }
  counts[COMMANDS] = (int32_t)batch.commands;
  counts[ARENA_USED] = (int32_t)batch.arena_used;
  return make_number(env, (double)at);
}
