#include "spelling.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "bytes.h"

int spelling_check(int directory, const char *name) {
  int fd = RETRY(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd < 0) return errno;
  DIR *entries = fdopendir(fd);
  if (!entries) {
    close(fd);
    return ENOMEM;
  }
  int error = EEXIST;
  struct dirent *entry;
  while (error && (entry = readdir(entries)))
    if (strcmp(entry->d_name, name) == 0) error = 0;
  closedir(entries);
  return error;
}
