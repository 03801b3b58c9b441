/* CRC-32C (Castagnoli), streaming: start with 0, pass the last result on. */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

typedef uint32_t (*crc32c_update)(uint32_t crc, const uint8_t *bytes, size_t length);

/* The fastest way this machine has. */
crc32c_update crc32c_best(void);

/* For machines without an instruction. */
uint32_t crc32c_portable(uint32_t crc, const uint8_t *bytes, size_t length);

/* The CRC after `length` zero bytes more, in time logarithmic in `length`: holes cost nothing. */
uint32_t crc32c_zeros(uint32_t crc, uint64_t length);

#endif
