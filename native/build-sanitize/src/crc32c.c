#include "crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

#define POLYNOMIAL UINT32_C(0x82f63b78)

/* Product of two polynomials modulo POLYNOMIAL, bits reflected. */
static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = UINT32_C(1) << 31; bit; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
  }
  return product;
}

uint32_t crc32c_zeros(uint32_t crc, uint64_t length) {
  if (length == 0) return crc;
  uint32_t shift = UINT32_C(1) << 31, square = UINT32_C(1) << 30;
  for (int i = 0; i < 3; i++) square = multiply(square, square);
  for (; length; length >>= 1) {
    if (length & 1) shift = multiply(shift, square);
    square = multiply(square, square);
  }
  return ~multiply(shift, ~crc);
}

uint32_t crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t length) {
  static const uint32_t nibbles[16] = {
      0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
      0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
  };
  crc = ~crc;
  while (length--) {
    crc ^= *bytes++;
    crc = crc >> 4 ^ nibbles[crc & 15];
    crc = crc >> 4 ^ nibbles[crc & 15];
  }
  return ~crc;
}

#if defined(__x86_64__) || defined(__aarch64__)

/* The instruction takes 3 cycles and one can start in each, so three lanes run side by side and are joined. */
enum { LANE = 4096 };
/* x^(8·LANE) and x^(16·LANE) modulo POLYNOMIAL. */
#define SHIFT_ONE_LANE UINT32_C(0x35d73a62)
#define SHIFT_TWO_LANES UINT32_C(0x28461564)

#if defined(__x86_64__)
#define WITH_CRC __attribute__((target("sse4.2")))
#define STEP_8(crc, word) ((uint32_t)_mm_crc32_u64((crc), (word)))
#define STEP_1(crc, byte) (_mm_crc32_u8((crc), (byte)))
#else
#define WITH_CRC __attribute__((target("+crc")))
#define STEP_8(crc, word) (__crc32cd((crc), (word)))
#define STEP_1(crc, byte) (__crc32cb((crc), (byte)))
#endif

static inline uint64_t load(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

WITH_CRC static uint32_t crc32c_instruction(uint32_t crc, const uint8_t *bytes, size_t length) {
  crc = ~crc;
  for (; length >= 3 * LANE; length -= 3 * LANE, bytes += 3 * LANE) {
    uint32_t second = 0, third = 0;
    for (size_t i = 0; i < LANE; i += 8) {
      crc = STEP_8(crc, load(bytes + i));
      second = STEP_8(second, load(bytes + LANE + i));
      third = STEP_8(third, load(bytes + 2 * LANE + i));
    }
    crc = multiply(SHIFT_TWO_LANES, crc) ^ multiply(SHIFT_ONE_LANE, second) ^ third;
  }
  for (; length >= 8; length -= 8, bytes += 8) crc = STEP_8(crc, load(bytes));
  for (; length; length--) crc = STEP_1(crc, *bytes++);
  return ~crc;
}

crc32c_update crc32c_best(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.2") ? crc32c_instruction : crc32c_portable;
#else
  return getauxval(AT_HWCAP) & HWCAP_CRC32 ? crc32c_instruction : crc32c_portable;
#endif
}

#else

crc32c_update crc32c_best(void) {
  return crc32c_portable;
}

#endif
