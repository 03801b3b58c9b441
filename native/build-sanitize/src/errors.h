/* Names and texts of errno values, the same with every C library. */
#ifndef SLUICE_ERRORS_H
#define SLUICE_ERRORS_H

#include <stddef.h>

/* `EIO` and the like; `UNKNOWN` for values that no call of the addon is known to give. */
const char *errno_name(int error);

/* Writes the C library's text to `text`, and returns it. */
const char *errno_text(int error, char *text, size_t room);

#endif
