/* Mirror of src/layer/commands.ts: the words of a writer command and of its result. Change both together. */
#ifndef SLUICE_COMMANDS_H
#define SLUICE_COMMANDS_H

enum { STRIDE = 24, RESULT_WORDS = 16, NAME_BYTES = 8192 };

enum word {
  WORD_OP = 0,
  WORD_PATH = 1,
  WORD_PATH_LENGTH = 2,
  WORD_LINK = 3,
  WORD_LINK_LENGTH = 4,
  WORD_MODE = 5,
  WORD_UID = 6,
  WORD_GID = 7,
  WORD_MTIME = 8,
  WORD_MTIME_NS = 10,
  WORD_SIZE = 11,
  WORD_DATA = 13,
  WORD_DATA_LENGTH = 14,
  WORD_XATTR = 15,
  WORD_XATTR_COUNT = 16,
  WORD_DEV_MAJOR = 17,
  WORD_DEV_MINOR = 18,
  WORD_FLAGS = 19,
  WORD_KIND = 20,
  WORD_OFFSET = 21,
  WORD_ENTRY = 23,
};

enum op {
  OP_FILE = 1,
  OP_WRITE = 2,
  OP_DIR = 3,
  OP_DIR_META = 4,
  OP_SYMLINK = 5,
  OP_LINK = 6,
  OP_REMOVE = 7,
  OP_STAT = 8,
  OP_INODE_META = 9,
  OP_NOTE = 10,
  OP_COPY = 11,
};

enum flag {
  FLAG_LAST = 1,
  FLAG_IMPLIED = 2,
  FLAG_DEFERRED = 4,
  FLAG_LIBKRUN = 8,
  FLAG_NO_XATTR = 16,
  FLAG_MARKER = 32,
  FLAG_PARENTS = 64,
  FLAG_PRIVILEGED = 128,
};

enum kind {
  KIND_NONE = 0,
  KIND_FIFO = 1,
  KIND_CHAR = 2,
  KIND_DIR = 4,
  KIND_BLOCK = 6,
  KIND_FILE = 8,
  KIND_SYMLINK = 10,
  KIND_SOCKET = 12,
};

enum xattr_flag { XATTR_KEPT = 0, XATTR_SET = 1, XATTR_SET_UNLISTED = 2 };

enum status { DONE = 0, SUSPENDED = 1, FAILED = 2 };

enum result_word {
  RESULT_STATUS = 0,
  RESULT_ERRNO = 1,
  RESULT_SYSCALL = 2,
  RESULT_AT_LEAF = 3,
  RESULT_NAME_LENGTH = 4,
  RESULT_KIND = 5,
  RESULT_INODE = 6,
  RESULT_LINKS = 8,
  RESULT_XATTRS_KEPT = 9,
  RESULT_OVERRIDE_IS_LONG = 10,
  RESULT_SIZE = 11,
};

/* Index into SYSCALLS. 0 stands for "no failure" wherever a function returns one. */
enum call {
  CALL_NONE,
  CALL_OPENAT,
  CALL_OPENAT2,
  CALL_MKDIRAT,
  CALL_SYMLINKAT,
  CALL_LINKAT,
  CALL_UNLINKAT,
  CALL_WRITE,
  CALL_FTRUNCATE,
  CALL_FSETXATTR,
  CALL_FCHMOD,
  CALL_UTIMENSAT,
  CALL_CLOSE,
  CALL_FSTATAT,
  CALL_READLINKAT,
  CALL_GETDENTS64,
  CALL_MALLOC,
  CALL_FGETXATTR,
  CALL_FREMOVEXATTR,
  CALL_PREAD,
  CALL_LSEEK,
  CALL_COUNT,
};

/* Order of `enum call`. */
#define CALL_NAMES                                                                                             \
  {"",         "openat",    "openat2",    "mkdirat",    "symlinkat", "linkat",   "unlinkat",                   \
   "write",    "ftruncate", "fsetxattr",  "fchmod",     "utimensat", "close",    "fstatat",                    \
   "readlinkat", "getdents64", "malloc",  "fgetxattr",  "fremovexattr", "pread",  \
   "lseek"}

#endif
