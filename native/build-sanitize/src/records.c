#include "records.h"

enum {
  FIRST_BATCH = 256 << 10,
  LARGEST_BATCH = 4 << 20,
  READ_AHEAD = 32 << 10,
  MOST_RUNS_OF_A_LEVEL = 64,
};

/* Yields the records of one run, or of the batch in memory. */
struct reader {
  const struct record *current;
  uint64_t next, end; /* in the spill, of what is not in `window` */
  struct buffer window;
  size_t at; /* of `current` in `window`, or its index in `records->order` */
  bool in_memory;
};

void records_init(struct records *records, int scratch) {
  *records = (struct records){0};
  spill_init(&records->spill, scratch);
}

void records_close(struct records *records) {
  buffer_free(&records->batch);
  free(records->order);
  free(records->runs);
  spill_close(&records->spill);
  records_init(records, records->spill.directory);
}

static int record_compare(const struct record *a, const struct record *b) {
  int order = bytes_compare(record_path(a), record_path(b));
  return order ? order : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

static const struct record *batch_record(const struct records *records, uint32_t offset) {
  return (const struct record *)(const void *)(records->batch.at + offset);
}

/* Whether the records at two places of `order` stand in order. Sequences differ, so there are no ties. */
static bool in_order(const struct records *records, uint32_t a, uint32_t b) {
  return record_compare(batch_record(records, a), batch_record(records, b)) <= 0;
}

static size_t stretch_end(const struct records *records, const uint32_t *order, size_t start) {
  size_t end = start + 1;
  while (end < records->count && in_order(records, order[end - 1], order[end])) end++;
  return end;
}

static void merge_stretches(const struct records *records, const uint32_t *from, size_t start, size_t middle,
                            size_t end, uint32_t *to) {
  size_t left = start, right = middle;
  for (size_t at = start; at < end; at++) {
    bool take_left = right == end || (left < middle && in_order(records, from[left], from[right]));
    to[at] = take_left ? from[left++] : from[right++];
  }
}

/* Merge sort over the stretches that are in order already: layers come nearly sorted. Returns false with errno. */
static bool batch_sort(struct records *records) {
  if (records->count == 0 || stretch_end(records, records->order, 0) == records->count) return true;
  uint32_t *other = malloc(records->order_room * sizeof *other);
  if (!other) return false;
  for (bool is_sorted = false; !is_sorted;) {
    for (size_t start = 0, middle, end; start < records->count; start = end) {
      middle = stretch_end(records, records->order, start);
      end = middle < records->count ? stretch_end(records, records->order, middle) : middle;
      merge_stretches(records, records->order, start, middle, end, other);
      is_sorted = start == 0 && end == records->count;
    }
    uint32_t *swapped = records->order;
    records->order = other;
    other = swapped;
  }
  free(other);
  return true;
}

static bool add_run(struct records *records, struct run run) {
  if (records->run_count == records->run_room) {
    size_t room = records->run_room ? records->run_room * 2 : 16;
    struct run *grown = realloc(records->runs, room * sizeof *grown);
    if (!grown) return false;
    records->runs = grown;
    records->run_room = room;
  }
  records->runs[records->run_count++] = run;
  return true;
}

static enum call merge_open_runs(struct merge *merge, struct records *records, size_t first, bool with_batch);

/* Joins the last MOST_RUNS_OF_A_LEVEL runs into one of the next level, so that a last merge never has many readers. */
static enum call join_runs(struct records *records) {
  size_t first = records->run_count - MOST_RUNS_OF_A_LEVEL;
  struct run joined = {.offset = spill_end(&records->spill), .level = records->runs[first].level + 1};
  struct merge merge;
  const struct record *record;
  enum call failed = merge_open_runs(&merge, records, first, false);
  while (!failed && !(failed = merge_next(&merge, &record)) && record) {
    failed = spill_append(&records->spill, record, record->bytes);
    joined.bytes += record->bytes;
  }
  merge_close(&merge);
  if (failed) return failed;
  records->run_count = first;
  return add_run(records, joined) ? CALL_NONE : CALL_MALLOC;
}

static bool has_full_level(const struct records *records) {
  if (records->run_count < MOST_RUNS_OF_A_LEVEL) return false;
  const struct run *last = &records->runs[records->run_count - 1];
  return last[1 - MOST_RUNS_OF_A_LEVEL].level == last->level;
}

/* Turns the batch into a run of level 0. */
static enum call batch_spill(struct records *records) {
  if (records->count == 0) return CALL_NONE;
  if (!batch_sort(records)) return CALL_MALLOC;
  struct run run = {.offset = spill_end(&records->spill), .bytes = records->batch.used};
  for (size_t i = 0; i < records->count; i++) {
    const struct record *record = batch_record(records, records->order[i]);
    enum call failed = spill_append(&records->spill, record, record->bytes);
    if (failed) return failed;
  }
  if (!add_run(records, run)) return CALL_MALLOC;
  records->batch.used = records->count = 0;
  while (has_full_level(records)) {
    enum call failed = join_runs(records);
    if (failed) return failed;
  }
  return CALL_NONE;
}

/* Room for one more record in the batch, which holds at most LARGEST_BATCH unless a single record is larger. */
static enum call batch_reserve(struct records *records, size_t bytes) {
  if (records->batch.used + bytes > LARGEST_BATCH) {
    enum call failed = batch_spill(records);
    if (failed) return failed;
  }
  size_t first = records->batch.room ? bytes : (bytes > FIRST_BATCH ? bytes : FIRST_BATCH);
  if (!buffer_reserve(&records->batch, first)) return CALL_MALLOC;
  if (records->count == records->order_room) {
    size_t room = records->order_room ? records->order_room * 2 : 1024;
    uint32_t *grown = realloc(records->order, room * sizeof *grown);
    if (!grown) return CALL_MALLOC;
    records->order = grown;
    records->order_room = room;
  }
  return CALL_NONE;
}

enum call records_add(struct records *records, const struct record *head, struct bytes path, struct bytes link,
                      struct bytes xattrs, uint32_t xattr_count) {
  size_t length = sizeof *head + path.length + link.length + xattrs.length;
  size_t bytes = (length + 7) & ~(size_t)7;
  if (bytes > UINT32_MAX / 2) {
    errno = ENOMEM;
    return CALL_MALLOC;
  }
  enum call failed = batch_reserve(records, bytes);
  if (failed) return failed;
  uint8_t *at = records->batch.at + records->batch.used;
  struct record record = *head;
  record.bytes = (uint32_t)bytes;
  record.sequence = ++records->sequence;
  record.path_length = (uint32_t)path.length;
  record.link_length = (uint32_t)link.length;
  record.xattr_length = (uint32_t)xattrs.length;
  record.xattr_count = xattr_count;
  memcpy(at, &record, sizeof record);
  at += sizeof record;
  if (path.length) memcpy(at, path.at, path.length);
  at += path.length;
  if (link.length) memcpy(at, link.at, link.length);
  at += link.length;
  if (xattrs.length) memcpy(at, xattrs.at, xattrs.length);
  at += xattrs.length;
  memset(at, 0, bytes - length);
  records->order[records->count++] = (uint32_t)records->batch.used;
  records->batch.used += bytes;
  return CALL_NONE;
}

/* Brings at least `bytes` of the run into the window, from `reader->at` on. */
static enum call reader_fill(struct reader *reader, struct spill *spill, size_t bytes) {
  size_t held = reader->window.used - reader->at;
  if (held) memmove(reader->window.at, reader->window.at + reader->at, held);
  reader->window.used = held;
  reader->at = 0;
  size_t wanted = bytes > READ_AHEAD ? bytes : READ_AHEAD;
  if (wanted - held > reader->end - reader->next) wanted = held + (size_t)(reader->end - reader->next);
  if (!buffer_reserve(&reader->window, wanted - held)) return CALL_MALLOC;
  enum call failed = spill_read(spill, reader->next, reader->window.at + held, wanted - held);
  if (failed) return failed;
  reader->next += wanted - held;
  reader->window.used = wanted;
  return CALL_NONE;
}

/* Sets `current` to the record at `reader->at`, NULL at the end. */
static enum call reader_load(struct reader *reader, struct records *records) {
  if (reader->in_memory) {
    reader->current = reader->at < records->count ? batch_record(records, records->order[reader->at]) : NULL;
    return CALL_NONE;
  }
  enum call failed = CALL_NONE;
  size_t held = reader->window.used - reader->at;
  reader->current = NULL;
  if (held == 0 && reader->next == reader->end) return CALL_NONE;
  if (held < sizeof(struct record)) failed = reader_fill(reader, &records->spill, sizeof(struct record));
  if (failed) return failed;
  uint32_t bytes = ((const struct record *)(const void *)(reader->window.at + reader->at))->bytes;
  if (reader->window.used - reader->at < bytes) failed = reader_fill(reader, &records->spill, bytes);
  if (failed) return failed;
  reader->current = (const struct record *)(const void *)(reader->window.at + reader->at);
  return CALL_NONE;
}

static enum call reader_advance(struct reader *reader, struct records *records) {
  reader->at += reader->in_memory ? 1 : reader->current->bytes;
  return reader_load(reader, records);
}

static void heap_sink(struct merge *merge, size_t at) {
  for (;;) {
    size_t least = at;
    for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->count; child++)
      if (record_compare(merge->readers[child].current, merge->readers[least].current) < 0) least = child;
    if (least == at) return;
    struct reader swapped = merge->readers[at];
    merge->readers[at] = merge->readers[least];
    merge->readers[least] = swapped;
    at = least;
  }
}

/* Takes the first reader, which has ended, out of the heap. */
static void heap_drop_first(struct merge *merge) {
  struct reader ended = merge->readers[0];
  merge->count--;
  merge->readers[0] = merge->readers[merge->count];
  merge->readers[merge->count] = ended;
}

static enum call merge_open_runs(struct merge *merge, struct records *records, size_t first, bool with_batch) {
  *merge = (struct merge){.records = records};
  size_t runs = records->run_count - first;
  merge->readers = calloc(runs + 1, sizeof *merge->readers);
  if (!merge->readers) return CALL_MALLOC;
  for (size_t i = 0; i < runs; i++) {
    const struct run *run = &records->runs[first + i];
    merge->readers[i] = (struct reader){.next = run->offset, .end = run->offset + run->bytes};
  }
  if (with_batch && records->count) merge->readers[runs++] = (struct reader){.in_memory = true};
  merge->open = merge->count = runs;
  for (size_t i = 0; i < runs; i++) {
    enum call failed = reader_load(&merge->readers[i], records);
    if (failed) return failed;
  }
  for (size_t i = runs / 2; i-- > 0;) heap_sink(merge, i);
  return CALL_NONE;
}

enum call merge_open(struct merge *merge, struct records *records) {
  *merge = (struct merge){0};
  if (!batch_sort(records)) return CALL_MALLOC;
  return merge_open_runs(merge, records, 0, true);
}

enum call merge_next(struct merge *merge, const struct record **record) {
  *record = NULL;
  if (merge->started && merge->count) {
    enum call failed = reader_advance(&merge->readers[0], merge->records);
    if (failed) return failed;
    if (!merge->readers[0].current) heap_drop_first(merge);
    heap_sink(merge, 0);
  }
  merge->started = true;
  if (merge->count) *record = merge->readers[0].current;
  return CALL_NONE;
}

void merge_close(struct merge *merge) {
  for (size_t i = 0; i < merge->open; i++) buffer_free(&merge->readers[i].window);
  free(merge->readers);
  *merge = (struct merge){0};
}
