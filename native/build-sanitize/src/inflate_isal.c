/*
 * ISA-L's deflate decoder, from the shared library of the machine it runs on: the addon does not depend on it. The frame
 * of a member (RFC 1952) is read here: ISA-L's own reader of it accepts reserved flags and a wrong header CRC. Unlike
 * zlib it also accepts code lengths of no complete Huffman code, if CRC and length of the output are right all the same.
 */
#include "inflate.h"

#ifdef SLUICE_HAS_ISAL

#include <dlfcn.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

/* The name that goes with the headers' major version. */
#define LIBRARY "libisal.so.2"

enum phase { FIXED, EXTRA_LENGTH, EXTRA, NAME, COMMENT, HEADER_CRC, DEFLATED, TRAILER, DONE, DAMAGED, BROKEN };
enum flag { FHCRC = 2, FEXTRA = 4, FNAME = 8, FCOMMENT = 16, RESERVED = 0xe0 };
enum { FIXED_BYTES = 10, TRAILER_BYTES = 8, DEFLATE_METHOD = 8 };

struct library {
  void *handle;
  void (*init)(struct inflate_state *);
  int (*inflate)(struct inflate_state *);
  uint32_t (*crc32)(uint32_t crc, const unsigned char *bytes, uint64_t length);
};

struct member {
  struct library isal;
  enum phase phase;
  uint8_t flags;
  uint8_t field[FIXED_BYTES]; /* bytes of the header's fixed part, of a 16-bit field, or of the trailer */
  size_t field_length;
  size_t extra_length;
  uint32_t header_crc;
  uint32_t length; /* of the output, modulo 2^32 as the trailer has it */
  struct inflate_state deflate;
};

/* A position in the caller's input. */
struct input {
  const uint8_t *at;
  const uint8_t *end;
};

static bool load(struct library *isal) {
  isal->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!isal->handle) return false;
  *(void **)&isal->init = dlsym(isal->handle, "isal_inflate_init");
  *(void **)&isal->inflate = dlsym(isal->handle, "isal_inflate");
  *(void **)&isal->crc32 = dlsym(isal->handle, "crc32_gzip_refl");
  if (isal->init && isal->inflate && isal->crc32) return true;
  dlclose(isal->handle);
  return false;
}

static bool is_present(void) {
  struct library isal;
  if (!load(&isal)) return false;
  dlclose(isal.handle);
  return true;
}

static void reset_state(void *state) {
  struct member *member = state;
  member->phase = FIXED;
  member->flags = 0;
  member->field_length = member->extra_length = 0;
  member->header_crc = member->length = 0;
  member->isal.init(&member->deflate);
  member->deflate.crc_flag = ISAL_GZIP_NO_HDR;
}

static void *open_state(void) {
  struct member *member = calloc(1, sizeof *member);
  if (member && load(&member->isal)) {
    reset_state(member);
    return member;
  }
  free(member);
  return NULL;
}

static void close_state(void *state) {
  struct member *member = state;
  dlclose(member->isal.handle);
  free(member);
}

/* Whether `field` now holds `length` bytes. */
static bool fill_field(struct member *member, size_t length, struct input *in) {
  while (member->field_length < length && in->at < in->end) member->field[member->field_length++] = *in->at++;
  return member->field_length == length;
}

static uint32_t little_endian(const uint8_t *bytes, size_t length) {
  uint32_t value = 0;
  for (size_t i = length; i > 0; i--) value = value << 8 | bytes[i - 1];
  return value;
}

/* Takes a field that is complete out of the way. */
static uint32_t take_field(struct member *member) {
  size_t length = member->field_length;
  member->field_length = 0;
  return little_endian(member->field, length);
}

static enum phase fixed_end(struct member *member) {
  const uint8_t *head = member->field;
  bool is_right = head[0] == 0x1f && head[1] == 0x8b && head[2] == DEFLATE_METHOD && !(head[3] & RESERVED);
  member->flags = head[3];
  member->field_length = 0;
  return is_right ? EXTRA_LENGTH : BROKEN;
}

/* Goes past a text that a NUL ends. */
static bool skip_text(struct input *in) {
  while (in->at < in->end)
    if (*in->at++ == 0) return true;
  return false;
}

static bool skip_extra(struct member *member, struct input *in) {
  size_t there = (size_t)(in->end - in->at);
  size_t length = member->extra_length < there ? member->extra_length : there;
  in->at += length;
  member->extra_length -= length;
  return member->extra_length == 0;
}

/* One part of the header: the phase after it, or the same one when the input has ended. */
static enum phase read_part(struct member *member, struct input *in) {
  uint8_t flags = member->flags;
  switch (member->phase) {
    case FIXED:
      return fill_field(member, FIXED_BYTES, in) ? fixed_end(member) : FIXED;
    case EXTRA_LENGTH:
      if (!(flags & FEXTRA)) return NAME;
      if (!fill_field(member, 2, in)) return EXTRA_LENGTH;
      member->extra_length = take_field(member);
      return EXTRA;
    case EXTRA:
      return skip_extra(member, in) ? NAME : EXTRA;
    case NAME:
      return !(flags & FNAME) || skip_text(in) ? COMMENT : NAME;
    case COMMENT:
      return !(flags & FCOMMENT) || skip_text(in) ? HEADER_CRC : COMMENT;
    case HEADER_CRC:
      if (!(flags & FHCRC)) return DEFLATED;
      if (!fill_field(member, 2, in)) return HEADER_CRC;
      return take_field(member) == (member->header_crc & 0xffff) ? DEFLATED : BROKEN;
    default:
      return member->phase;
  }
}

static void read_header(struct member *member, struct input *in) {
  while (member->phase < DEFLATED) {
    const uint8_t *start = in->at;
    enum phase next = read_part(member, in);
    if (member->phase < HEADER_CRC)
      member->header_crc = member->isal.crc32(member->header_crc, start, (uint64_t)(in->at - start));
    if (next == member->phase) return;
    member->phase = next;
  }
}

/* What the decoder has read ahead, at most the bytes of the trailer, becomes the field's beginning. */
static void take_back(struct member *member) {
  struct inflate_state *deflate = &member->deflate;
  uint64_t bits = deflate->read_in >> (deflate->read_in_length % 8);
  for (int32_t left = deflate->read_in_length / 8; left > 0 && member->field_length < TRAILER_BYTES; left--) {
    member->field[member->field_length++] = (uint8_t)bits;
    bits >>= 8;
  }
}

static void run_deflate(struct member *member, struct input *in, uint8_t *out, size_t out_length, size_t *produced) {
  struct inflate_state *deflate = &member->deflate;
  deflate->next_in = (uint8_t *)in->at;
  deflate->avail_in = (uint32_t)(in->end - in->at);
  deflate->next_out = out;
  deflate->avail_out = (uint32_t)out_length;
  int code = member->isal.inflate(deflate);
  in->at = in->end - deflate->avail_in;
  *produced = out_length - deflate->avail_out;
  member->length += (uint32_t)*produced;
  if (code < 0 || code == ISAL_NEED_DICT) {
    member->phase = DAMAGED;
  } else if (deflate->block_state == ISAL_BLOCK_FINISH) {
    take_back(member);
    member->phase = TRAILER;
  }
}

/* What was decoded before the damage and had no room yet: zlib has handed that out when it fails. */
static void hand_out_rest(struct member *member, uint8_t *out, size_t out_length, size_t *produced) {
  struct inflate_state *deflate = &member->deflate;
  size_t rest = (size_t)(deflate->tmp_out_valid - deflate->tmp_out_processed), room = out_length - *produced;
  size_t length = rest < room ? rest : room;
  memcpy(out + *produced, deflate->tmp_out_buffer + deflate->tmp_out_processed, length);
  deflate->tmp_out_processed += (int32_t)length;
  *produced += length;
  if (length == rest) member->phase = BROKEN;
}

static void read_trailer(struct member *member, struct input *in) {
  if (!fill_field(member, TRAILER_BYTES, in)) return;
  bool is_right = little_endian(member->field, 4) == member->deflate.crc &&
                  little_endian(member->field + 4, 4) == member->length;
  member->phase = is_right ? DONE : BROKEN;
}

static enum inflate_status run(void *state, const uint8_t *in, size_t in_length, uint8_t *out, size_t out_length,
                               size_t *consumed, size_t *produced) {
  struct member *member = state;
  struct input input = {in, in + in_length};
  *produced = 0;
  if (member->phase < DEFLATED) read_header(member, &input);
  if (member->phase == DEFLATED) run_deflate(member, &input, out, out_length, produced);
  if (member->phase == TRAILER) read_trailer(member, &input);
  if (member->phase == DAMAGED) hand_out_rest(member, out, out_length, produced);
  *consumed = (size_t)(input.at - in);
  return member->phase == DONE ? INFLATE_END : member->phase == BROKEN ? INFLATE_MALFORMED : INFLATE_MORE;
}

const struct decoder isal_decoder = {"isal", is_present, open_state, reset_state, run, close_state};

#else

/* A translation unit must not be empty. */
typedef int sluice_no_isal;

#endif
