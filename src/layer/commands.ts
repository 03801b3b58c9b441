/**
 * The words of a writer command. Commands are records of {@link STRIDE} 32-bit words in one Int32Array, filled by
 * `apply` and run in batches by the addon (`native/src/writer.c`), which mirrors these numbers in `native/src/commands.h`.
 * 64-bit values take two words, low first.
 */
export const STRIDE = 24;

/** What each word holds. */
export const WORD = {
  OP: 0,
  /** Cleaned path relative to the root (N2), in the arena; length 0 is the root. */
  PATH: 1,
  PATH_LENGTH: 2,
  /** Symlink target as stored, or canonical path of a hard link's target, in the arena. */
  LINK: 3,
  LINK_LENGTH: 4,
  /** Low 12 bits of the entry's mode. */
  MODE: 5,
  UID: 6,
  GID: 7,
  /** Seconds, floored, as the entry gives them; clamped by the writer for the file system alone (M18). */
  MTIME: 8,
  MTIME_NS: 10,
  /** Logical size of a regular file. */
  SIZE: 11,
  /** Bytes of content at hand, in the slab. */
  DATA: 13,
  DATA_LENGTH: 14,
  /** Extended attributes in the arena: count × (flags u8, name length u32 LE, value length u32 LE, name, value). */
  XATTR: 15,
  XATTR_COUNT: 16,
  DEV_MAJOR: 17,
  DEV_MINOR: 18,
  FLAGS: 19,
  /** What the entry is: one of {@link KIND}. */
  KIND: 20,
  /** Where DATA goes in the file. */
  OFFSET: 21,
  /** Number of the entry in the layer, counted from 0. */
  ENTRY: 23,
} as const;

export const OP = {
  /** Creates a regular file or placeholder (O_EXCL), writes DATA; with LAST also attributes, time, close. */
  FILE: 1,
  /**
   * Writes DATA at OFFSET, never before what is written already, of the file begun last; with LAST finishes it
   * (ftruncate to SIZE for a trailing hole). Attributes, time, SIZE and xattrs are those of the FILE command. Until LAST
   * no other command may run.
   */
  WRITE: 2,
  /** Makes a directory with its attributes; its time is set by `writerFinish`. With IMPLIED: 0755, no xattr. */
  DIR: 3,
  /** Gives a directory that exists (or the root) the metadata of a later entry. */
  DIR_META: 4,
  SYMLINK: 5,
  /**
   * `linkat` without follow from LINK to PATH; the sidecar line of PATH names its group. Suspends with EMLINK when LINK
   * can have no more names.
   */
  LINK: 6,
  /** Removes whatever is at PATH, whole trees included, forgets its records and empties the cache of parents. */
  REMOVE: 7,
  /** Reads what is at PATH without following it, and its canonical path. */
  STAT: 8,
  /**
   * Gives the inode at PATH (not a directory) other owner, mode and time, and XATTR in addition; type and fourth field
   * stay (H7). KIND is what the inode is, and counts with NO_XATTR alone; MARKER as for FILE.
   */
  INODE_META: 9,
  /**
   * Adds a sidecar comment after the line of PATH: LINK holds `folded NAME` and the like, already in vis form. A later
   * FILE, DIR, DIR_META, SYMLINK, LINK or REMOVE of PATH drops it. With DEFERRED: LINK is the cleaned target.
   */
  NOTE: 10,
  /** Makes PATH a file or symlink of its own that is what LINK is at this moment (H10). */
  COPY: 11,
} as const;

export const FLAG = {
  /** DATA completes the file. */
  LAST: 1,
  IMPLIED: 2,
  /** DEFERRED note: stands alone at its sort place, with no entry line (H6). */
  DEFERRED: 4,
  /** Host form of devices: decimal dev_t instead of `char-MAJ-MIN` (M5). */
  LIBKRUN: 8,
  /** No override_stat and no other xattr is set; the sidecar alone holds them (M10). */
  NO_XATTR: 16,
  /** The file is a whiteout marker: host mode 0600 whatever MODE says (W2). */
  MARKER: 32,
  /** STAT: suspend at a part of the way that is missing or no directory, as the commands that make something do. */
  PARENTS: 64,
  /** DIR_META: an earlier entry may have set attributes beside `user.*`; they go too (M15). */
  PRIVILEGED: 128,
} as const;

/** Entry kinds, as the type bits of `st_mode` shifted right by 12. */
export const KIND = { FIFO: 1, CHAR: 2, DIR: 4, BLOCK: 6, FILE: 8, SYMLINK: 10, SOCKET: 12 } as const;

/** Flags of an extended attribute in the arena. */
export const XATTR = {
  /** List it in the sidecar as `kept`; do not set it. */
  KEPT: 0,
  /** Set it; on failure list it as `kept` and count it in RESULT.XATTRS_KEPT. */
  SET: 1,
  /** Set it, but leave it out of the sidecar (M13's copy of a capability). */
  SET_UNLISTED: 2,
} as const;

export const STATUS = {
  DONE: 0,
  /** The rules must decide: ERRNO is EEXIST or EMLINK at the leaf, ENOENT or ENOTDIR on the way; `name` is where. */
  SUSPENDED: 1,
  /** The machine failed, a limit of N3 was met (ELOOP, ENAMETOOLONG), or a name folds (EEXIST, E15): ERRNO, SYSCALL. */
  FAILED: 2,
} as const;

/** Words of `result`. */
export const RESULT = {
  STATUS: 0,
  ERRNO: 1,
  /** Index into {@link SYSCALLS}. */
  SYSCALL: 2,
  /** 0: on the way to the parent; 1: the last component. */
  AT_LEAF: 3,
  /**
   * Length of the canonical path in `name`: of the leaf, or of the first part of the way that blocks. Of a command that
   * was DONE, for STAT and with XATTRS_KEPT or OVERRIDE_IS_LONG alone.
   */
  NAME_LENGTH: 4,
  /** STAT, and SUSPENDED with EEXIST or ENOTDIR: KIND of what is there, 0 for nothing (ERRNO says why). */
  KIND: 5,
  /** Its inode number, two words. */
  INODE: 6,
  /** Its number of links. */
  LINKS: 8,
  /** Image xattrs that the command could not set (M16). */
  XATTRS_KEPT: 9,
  /** 1 when the override_stat that it set is longer than some readers take (M9). */
  OVERRIDE_IS_LONG: 10,
  /** Size in bytes of what KIND speaks of, two words. */
  SIZE: 11,
} as const;

/** Names for RESULT.SYSCALL, in the order of `native/src/commands.h`. */
export const SYSCALLS = [
  '',
  'openat',
  'openat2',
  'mkdirat',
  'symlinkat',
  'linkat',
  'unlinkat',
  'write',
  'ftruncate',
  'fsetxattr',
  'fchmod',
  'utimensat',
  'close',
  'fstatat',
  'readlinkat',
  'getdents64',
  'malloc',
  'fgetxattr',
  'fremovexattr',
  'pread',
  'lseek',
] as const;
