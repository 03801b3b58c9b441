/* Numbers and names as text, written to memory that the caller knows to be large enough. */
#ifndef SLUICE_TEXT_H
#define SLUICE_TEXT_H

#include "bytes.h"

/* Longest output of put_decimal, put_signed and put_octal. */
enum { LONGEST_NUMBER = 24 };

static inline uint8_t *put_bytes(uint8_t *at, const void *from, size_t length) {
  memcpy(at, from, length);
  return at + length;
}

#define PUT_LITERAL(at, literal) put_bytes((at), (literal), sizeof(literal) - 1)

static inline uint8_t *put_digits(uint8_t *at, uint64_t value, unsigned base, unsigned least) {
  uint8_t digits[LONGEST_NUMBER];
  unsigned count = 0;
  do {
    digits[count++] = (uint8_t)('0' + value % base);
    value /= base;
  } while (value);
  while (count < least) digits[count++] = '0';
  while (count) *at++ = digits[--count];
  return at;
}

static inline uint8_t *put_decimal(uint8_t *at, uint64_t value) {
  return put_digits(at, value, 10, 1);
}

static inline uint8_t *put_signed(uint8_t *at, int64_t value) {
  if (value < 0) {
    *at++ = '-';
    return put_decimal(at, 0 - (uint64_t)value);
  }
  return put_decimal(at, (uint64_t)value);
}

/* With one leading zero and `least` digits after it. */
static inline uint8_t *put_octal(uint8_t *at, uint32_t value, unsigned least) {
  *at++ = '0';
  return put_digits(at, value, 8, least);
}

#endif
