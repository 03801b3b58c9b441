/**
 * The addon's contract. Every function is synchronous, keeps no reference to a buffer after it returns, and holds no
 * global state, so that any number of threads may load it. Wrong argument types throw a TypeError, numbers and offsets
 * out of range a RangeError; failures of the machine throw an Error with `code` (errno name) and `syscall`, but for
 * `writerRun`, which reports them as data. A handle belongs to one thread.
 * Paths and names are bytes without NUL. Typed arrays may lie over a SharedArrayBuffer.
 */

declare const writerBrand: unique symbol;
declare const inflaterBrand: unique symbol;

/** An open layer root. Its descriptors and memory are freed by `writerClose`, or when the handle is collected. */
export interface WriterHandle {
  readonly [writerBrand]: true;
}

/** A streaming decoder of one gzip member at a time. Its memory is freed by `inflaterClose`, or when the handle is collected. */
export interface InflaterHandle {
  readonly [inflaterBrand]: true;
}

/**
 * Opens an existing, empty directory as a layer root (`ENOTEMPTY` otherwise, rule E10).
 * @param root path of the directory
 * @param scratch path of a directory on the same file system for unlinked spill files of the sidecar's runs
 * @param walk true: find parents with a walk of `openat(O_NOFOLLOW)` alone; false: with `openat2` first
 * @param umask the process's umask: modes that it takes bits from are set with one `fchmod` more
 * @param folds true: the file system takes different bytes for one name. Parents are walked, and a name that is there by
 *   another spelling alone fails the command with EEXIST (E15)
 * @param mostLinks names that one inode may have; 0: as many as the file system lets it have (H10)
 * @throws Error with `code` and `syscall`
 * @see rules N8, N9
 */
export function writerOpen(
  root: Uint8Array,
  scratch: Uint8Array,
  walk: boolean,
  umask: number,
  folds: boolean,
  mostLinks: number,
): WriterHandle;

/**
 * Runs commands `first` up to `end` (exclusive) and returns the index of the first one that was not completed (`end`
 * when all were). It ends, with status DONE, after a command of which there is something to say: XATTRS_KEPT or
 * OVERRIDE_IS_LONG. See `src/layer/commands.ts` for the words of a command and of `result`, which tells of the last one
 * run. A command whose words lead outside slab or arena throws a RangeError; those before it are done.
 * @param slab what DATA offsets count from: bytes of the tar stream
 * @param arena what PATH, LINK and XATTR offsets count from
 * @param result at least 16 words
 * @param name at least 8192 bytes: the canonical path that `result` speaks of
 */
export function writerRun(
  writer: WriterHandle,
  slab: Uint8Array,
  arena: Uint8Array,
  commands: Int32Array,
  first: number,
  end: number,
  result: Int32Array,
  name: Uint8Array,
): number;

/**
 * Second pass, last steps: gives every directory its time (implied ones 0, the root last) and writes the sidecar:
 * `head`, then one line an entry sorted by path bytes, the later record of a path winning. Nothing is
 * synced; see {@link syncfs}. The writer runs nothing afterwards (`EBADF`).
 * @param path where the sidecar is created (O_EXCL, mode 0644)
 * @param head complete lines, each ended by a newline
 * @param most bytes that the sidecar may have; `EFBIG` beyond, and nothing stays
 * @returns number of entry lines written
 * @see rules §12 (second pass) and §13
 */
export function writerFinish(writer: WriterHandle, path: Uint8Array, head: Uint8Array, most: number): number;

/** Closes all descriptors and frees all memory but the handle's own. Calling it twice is harmless. */
export function writerClose(writer: WriterHandle): void;

/**
 * Turns members of a tar into commands, as long as they are plain: regular files, directories and symlinks of ustar or GNU
 * headers with nothing about them that a rule has to look at, whole in `bytes`. Ends at the first other one, or when
 * the batch has no room.
 * @param start where a header begins, with no meta header before it
 * @param base offset of `bytes[0]` in the tar stream
 * @param commands, offsets, arena the batch that the commands are added to, each with its header's offset in the stream
 * @param counts the words of `src/layer/plain.ts`, in and out
 * @returns where in `bytes` it ended: `start` when nothing was plain
 * @see `src/layer/tar/header.ts` and `src/layer/rules.ts`, which read and decide alike
 */
export function plainMembers(
  bytes: Uint8Array,
  start: number,
  base: number,
  commands: Int32Array,
  offsets: Float64Array,
  arena: Uint8Array,
  counts: Int32Array,
): number;

/** Names of the inflaters this build holds, fastest first: a subset of `isal`, `zlib`. */
export function inflaters(): string[];

/** @throws Error `ENOSYS` for a decoder this build does not hold */
export function inflaterOpen(decoder: string): InflaterHandle;

/** Prepares the handle for the next gzip member; until then, the end of a member and failures last. */
export function inflaterReset(inflater: InflaterHandle): void;

/**
 * Decodes as much of one gzip member (RFC 1952, header and trailer included and checked) as input and room allow.
 * @param result [0] bytes consumed, [1] bytes produced
 * @returns 0 more input or more room is needed · 1 the member has ended, CRC and ISIZE right · negative: malformed
 */
export function inflaterRun(
  inflater: InflaterHandle,
  input: Uint8Array,
  inputStart: number,
  inputEnd: number,
  output: Uint8Array,
  outputStart: number,
  outputEnd: number,
  result: Int32Array,
): number;

/** Frees the decoder; the handle runs nothing afterwards (`EBADF`). Calling it twice is harmless. */
export function inflaterClose(inflater: InflaterHandle): void;

/**
 * Begins a digest whose whole state is `state`, so that threads can take turns at one stream.
 * @param algorithm `sha256`, `sha384` or `sha512`
 * @param state 256 bytes or more, which may be shared memory; one thread at a time
 * @throws Error `ENOSYS` where node does not carry OpenSSL's calls
 */
export function digestStart(algorithm: string, state: Uint8Array): void;
/** @throws Error `EINVAL` for a state that is none */
export function digestUpdate(algorithm: string, state: Uint8Array, bytes: Uint8Array): void;
/** The digest of all bytes so far; the state may go on. @throws Error `EINVAL` for a state that is none */
export function digestEnd(algorithm: string, state: Uint8Array): Buffer;

/** Reads an extended attribute of a path, not following a last symlink. @returns null when it is not there */
export function xattrGet(path: Uint8Array, name: Uint8Array): Buffer | null;
/** Sets an extended attribute of a path, not following a last symlink. */
export function xattrSet(path: Uint8Array, name: Uint8Array, value: Uint8Array): void;
/** @returns names of the extended attributes of a path, a last symlink not followed */
export function xattrList(path: Uint8Array): Buffer[];
/** Removes an extended attribute of a path. @returns false when it was not there */
export function xattrRemove(path: Uint8Array, name: Uint8Array): boolean;

/** `flock(fd, LOCK_EX | LOCK_NB)`, or `LOCK_SH`. @returns false when another open file description holds it */
export function flock(fd: number, exclusive: boolean): boolean;

/** Writes back everything of the file system that `fd` lies on. Blocks: never call it on the main thread. */
export function syncfs(fd: number): void;

/**
 * The CRC-32C of a regular file's content, from its first byte to its last; holes are passed over. Blocks: never call it on
 * the main thread. The offset of `fd` afterwards means nothing.
 */
export function crc32cOf(fd: number): number;

/** Gives a buffer's memory back at once; it and its views have the length 0 from then on. */
export function freeBuffer(buffer: ArrayBuffer): void;

/**
 * Sets access and modification time of a path, a last symlink not followed.
 * @param seconds floored; clamped to what file systems can hold (rule M18)
 * @param nanoseconds 0…999999999
 */
export function setTimes(path: Uint8Array, seconds: number, nanoseconds: number): void;

/** Whether `openat2` with RESOLVE_IN_ROOT works here. */
export function hasOpenat2(): boolean;

/**
 * Removes a directory tree, descriptor-relative and without following a symlink; unreadable directories are made
 * readable first. A path that does not exist is no error. Blocks: never call it on the main thread.
 */
export function removeTree(path: Uint8Array): void;
