/** Bytes inside a buffer that someone else owns; valid as long as its owner says. */
export interface Span {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** An extended attribute as the archive gives it. */
export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Where the stored bytes of a sparse file lie in it: pairs of offset and length, in order. */
export type SparseMap = readonly { readonly offset: number; readonly length: number }[];

/**
 * One member of the archive, headers merged. The reader reuses one object for all: it and its spans are valid during
 * the call that hands it over.
 */
export interface Entry {
  /** Type flag, e.g. 0x30. v7's NUL is a file or a directory by then, and a sparse file a file. */
  type: number;
  /** Not cleaned; a trailing slash is kept. */
  readonly name: Span;
  readonly link: Span;
  /** Low 12 bits (extraction M4). */
  mode: number;
  uid: number;
  gid: number;
  /** Logical size of a regular file in bytes, holes included. */
  size: number;
  /** Floored seconds and the nanoseconds after them. Seconds may be beyond what a file system holds. */
  mtime: number;
  mtimeNs: number;
  devMajor: number;
  devMinor: number;
  xattrs: readonly Xattr[];
  sparse: SparseMap | null;
  /** Offset of the entry's own header in the tar stream. */
  offset: number;
}

/** Letters of the type flags that the reader or the rules know. */
export const TYPE = {
  OLD_FILE: 0x00,
  FILE: 0x30,
  LINK: 0x31,
  SYMLINK: 0x32,
  CHAR: 0x33,
  BLOCK: 0x34,
  DIRECTORY: 0x35,
  FIFO: 0x36,
  CONTIGUOUS: 0x37,
  DUMP_DIRECTORY: 0x44,
  GNU_LONG_LINK: 0x4b,
  GNU_LONG_NAME: 0x4c,
  GNU_SPARSE: 0x53,
  VOLUME: 0x56,
  SOLARIS_PAX: 0x58,
  PAX_GLOBAL: 0x67,
  PAX: 0x78,
} as const;
