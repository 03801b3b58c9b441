/* The POSIX form of strerror_r, and not GNU's. */
#undef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "errors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAME(error) \
  case error:       \
    return #error;

const char *errno_name(int error) {
  switch (error) {
    NAME(E2BIG) NAME(EACCES) NAME(EAGAIN) NAME(EBADF) NAME(EBUSY) NAME(EDQUOT) NAME(EEXIST) NAME(EFAULT) NAME(EFBIG)
    NAME(EINTR) NAME(EINVAL) NAME(EIO) NAME(EISDIR) NAME(ELOOP) NAME(EMFILE) NAME(EMLINK) NAME(ENAMETOOLONG)
    NAME(ENFILE) NAME(ENODATA) NAME(ENODEV) NAME(ENOENT) NAME(ENOLCK) NAME(ENOMEM) NAME(ENOSPC) NAME(ENOSYS)
    NAME(ENOTDIR) NAME(ENOTEMPTY) NAME(ENOTSUP) NAME(ENOTTY) NAME(ENXIO) NAME(EOVERFLOW) NAME(EPERM) NAME(EPIPE)
    NAME(ERANGE) NAME(EROFS) NAME(ESPIPE) NAME(ESTALE) NAME(ETXTBSY) NAME(EXDEV)
    default:
      return "UNKNOWN";
  }
}

const char *errno_text(int error, char *text, size_t room) {
  if (strerror_r(error, text, room) != 0) snprintf(text, room, "error %d", error);
  return text;
}
