/* openat2(2), which C libraries do not wrap and old kernel headers lack. */
#ifndef SLUICE_OPENAT2_H
#define SLUICE_OPENAT2_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437 /* the same on every architecture that Node runs on */
#endif

enum { NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, IN_ROOT = 0x10 };

/* As the kernel lays it out. */
struct how {
  uint64_t flags, mode, resolve;
};

static inline int openat2_in_root(int root, const char *path, int flags, uint64_t more) {
  struct how how = {.flags = (uint64_t)flags, .resolve = IN_ROOT | NO_MAGICLINKS | more};
  return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

#endif
