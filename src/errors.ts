/** Every way in which Sluice fails. Stable: codes are added, never renamed. */
export type ErrorCode =
  // the layer's own bytes
  | 'ENTRY_REFUSED'
  | 'NAME_REFUSED'
  | 'NUMBER_OUT_OF_RANGE'
  | 'TAR_MALFORMED'
  | 'ENTRY_TYPE_UNSUPPORTED'
  | 'COMPRESSION_MALFORMED'
  | 'COMPRESSION_UNSUPPORTED'
  | 'DIGEST_MISMATCH'
  | 'DIFF_ID_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'BUDGET_EXCEEDED'
  | 'NAME_COLLISION'
  | 'XATTR_UNSUPPORTED'
  // the network
  | 'REGISTRY_UNREACHABLE'
  | 'RATE_LIMITED'
  | 'TOO_SLOW'
  | 'BLOB_INCOMPLETE'
  | 'SERVER_ERROR'
  | 'DEADLINE'
  | 'AUTH_REQUIRED'
  | 'AUTH_FAILED'
  | 'AUTH_UNSUPPORTED'
  | 'AUTH_REALM_REFUSED'
  | 'ACCESS_DENIED'
  | 'TLS_FAILED'
  | 'REDIRECT_REFUSED'
  | 'NAME_UNKNOWN'
  | 'MANIFEST_UNKNOWN'
  | 'BLOB_UNKNOWN'
  | 'PROTOCOL_ERROR'
  // the image's documents
  | 'DIGEST_INVALID'
  | 'TOO_LARGE'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNSUPPORTED'
  | 'MEDIA_TYPE_MISMATCH'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'INDEX_TOO_DEEP'
  | 'LAYER_COUNT_MISMATCH'
  | 'PLATFORM_NOT_FOUND'
  | 'PLATFORM_MISMATCH'
  | 'NOT_AN_IMAGE'
  | 'FOREIGN_LAYER'
  // the store
  | 'IMAGE_NOT_FOUND'
  | 'INDEX_TOO_NEW'
  | 'INDEX_FOREIGN'
  | 'INDEX_BUSY'
  | 'INDEX_CORRUPT'
  | 'SIDECAR_CORRUPT'
  | 'STORE_FAILED'
  | 'DISK_FULL'
  | 'LAYER_FAILED'
  // the user's side and the machine
  | 'REFERENCE_INVALID'
  | 'CONFIG_INVALID'
  | 'ADDON_MISSING'
  | 'DECODER_MISSING'
  | 'PLATFORM_UNSUPPORTED'
  | 'NOT_IMPLEMENTED'
  | 'ABORTED';

/** What follows from a code. */
export interface ErrorRow {
  /** Exit status of the command line. */
  readonly exit: 1 | 2 | 130;
  /** Whether the same call may succeed later without any change. */
  readonly retryable: boolean;
  /** What the user can do. */
  readonly hint: string;
}

const refused = (hint: string): ErrorRow => ({ exit: 1, retryable: false, hint });
const transient = (hint: string): ErrorRow => ({ exit: 1, retryable: true, hint });

export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = {
  ENTRY_REFUSED: refused('An entry asks for something no layer may do; the layer was not extracted.'),
  NAME_REFUSED: refused('An entry has a name that no file can have; the layer was not extracted.'),
  NUMBER_OUT_OF_RANGE: refused('An entry has an owner or device number that Linux does not know.'),
  TAR_MALFORMED: refused('The layer is no well-formed tar archive; build or push the image again.'),
  ENTRY_TYPE_UNSUPPORTED: refused('The layer holds an entry of a kind that a directory cannot represent.'),
  COMPRESSION_MALFORMED: refused('The compressed layer is damaged; build or push the image again.'),
  COMPRESSION_UNSUPPORTED: refused('Layers may be plain tar, gzip or zstd; convert the image, e.g. with skopeo copy.'),
  DIGEST_MISMATCH: refused('The source sent other bytes than the digest promises; try another source.'),
  DIFF_ID_MISMATCH: refused("The layer's content is not what the image's config promises; build the image again."),
  SIZE_MISMATCH: refused('The source sent more or fewer bytes than the descriptor promises.'),
  BUDGET_EXCEEDED: refused('Raise the named limit if you trust the image.'),
  NAME_COLLISION: refused('Put the store on a file system that tells names apart byte for byte.'),
  XATTR_UNSUPPORTED: refused(
    'Put the store on a file system with user xattrs: ext4, xfs, btrfs, or tmpfs of Linux 6.6 on.',
  ),
  REGISTRY_UNREACHABLE: transient('Check the network and the name of the registry, then try again.'),
  RATE_LIMITED: transient('The registry asks for patience; try again later.'),
  TOO_SLOW: transient('The connection delivers almost nothing; try again later or from another network.'),
  BLOB_INCOMPLETE: transient('The registry kept breaking off; try again.'),
  SERVER_ERROR: transient('The registry has a problem of its own; try again later.'),
  DEADLINE: transient('Allow more time.'),
  AUTH_REQUIRED: refused('The repository does not exist, or it needs a login: sluice login HOST.'),
  AUTH_FAILED: refused(
    'The registry did not accept the credentials: check them, or log in anew with sluice login HOST.',
  ),
  AUTH_UNSUPPORTED: refused('The registry asks for a way to authenticate that Sluice does not speak.'),
  AUTH_REALM_REFUSED: refused('The registry names a token server that must not be trusted with this request.'),
  ACCESS_DENIED: refused('These credentials may not read the repository.'),
  TLS_FAILED: refused(
    'Name the certificate authority with --tls-ca (tlsCa), or use --plain-http for a registry without TLS.',
  ),
  REDIRECT_REFUSED: refused('The registry redirects to a place that must not be followed.'),
  NAME_UNKNOWN: refused('Check the name of the repository.'),
  MANIFEST_UNKNOWN: refused('Check the tag or digest.'),
  BLOB_UNKNOWN: refused('The registry lost a part of the image; push it again.'),
  PROTOCOL_ERROR: refused('What answered is no registry, or a broken one.'),
  DIGEST_INVALID: refused('Digests are sha256:, sha384: or sha512: and lower-case hex digits.'),
  TOO_LARGE: refused('Raise the named limit if you trust the source.'),
  MANIFEST_INVALID: refused('The image is not well formed; build or push it again.'),
  MANIFEST_UNSUPPORTED: refused('Build or push the image again with a current tool.'),
  MEDIA_TYPE_MISMATCH: refused('The source says two things about one document; push the image again.'),
  MEDIA_TYPE_UNSUPPORTED: refused('The image has a part of a kind that Sluice cannot extract.'),
  INDEX_TOO_DEEP: refused('The image index nests too deeply or too widely to be real.'),
  LAYER_COUNT_MISMATCH: refused('Manifest and config disagree about the layers; build the image again.'),
  PLATFORM_NOT_FOUND: refused('Choose one of the platforms listed with --platform.'),
  PLATFORM_MISMATCH: refused('Choose the platform the image is made for with --platform.'),
  NOT_AN_IMAGE: refused('The reference leads to an artifact that is no container image.'),
  FOREIGN_LAYER: refused('A layer lies outside the registry; push the image again with all its layers.'),
  IMAGE_NOT_FOUND: refused('Pull it first, or allow requests with --policy missing.'),
  INDEX_TOO_NEW: refused('A newer Sluice wrote this home; use that one, or another home.'),
  INDEX_FOREIGN: refused('A newer microsandbox took this home over; set SLUICE_HOME to another folder.'),
  INDEX_BUSY: transient('Another process keeps the store index locked; try again.'),
  INDEX_CORRUPT: refused('The store index is damaged; move oci.db away, layers are adopted by the next pull.'),
  SIDECAR_CORRUPT: refused("A layer's sidecar is damaged; remove it, and the next pull replaces the layer."),
  STORE_FAILED: refused('Check owner, permissions and health of the file system that holds the store.'),
  DISK_FULL: transient('Free some space on the file system that holds the store.'),
  LAYER_FAILED: refused('This is an error in Sluice; please report it with the layer.'),
  REFERENCE_INVALID: {
    exit: 2,
    retryable: false,
    hint: 'A reference is [host/]path[:tag][@digest], or oci:DIR[:TAG].',
  },
  CONFIG_INVALID: { exit: 2, retryable: false, hint: 'Correct the named option or variable.' },
  ADDON_MISSING: refused('Install python3, make and g++, then run npm rebuild xattr-native.'),
  DECODER_MISSING: refused('See sluice doctor for the decoders of this machine, or use --decoder auto.'),
  PLATFORM_UNSUPPORTED: refused('Sluice runs on Linux; elsewhere, run it in a Linux VM.'),
  NOT_IMPLEMENTED: refused('This part of the interface is kept for compatibility alone.'),
  ABORTED: { exit: 130, retryable: true, hint: 'The call was cancelled; nothing of it was kept but finished layers.' },
};

/** Where and why it failed; every field is printable and free of secrets once it is in a {@link SluiceError}. */
export interface ErrorDetail {
  /** Doing what, to what: `opening blob "sha256:…"`. */
  readonly message: string;
  /** Id of the rule that refused, e.g. `X3` or `registry R97`. */
  readonly rule?: string;
  readonly image?: string;
  /** Digest of the layer's blob. */
  readonly layer?: string;
  /** Name of the entry, printable form; {@link entryBase64} holds its raw bytes. */
  readonly entry?: string;
  readonly entryBase64?: string;
  /** Byte offset in the uncompressed tar stream, or in the blob for compression errors. */
  readonly offset?: number;
  /** Option that sets the limit, and its value. */
  readonly limit?: { readonly option: string; readonly value: number };
  readonly expected?: string;
  readonly got?: string;
  /** System call and errno name, for failures of the machine. */
  readonly syscall?: string;
  readonly errno?: string;
  readonly host?: string;
  readonly repository?: string;
  /** What was asked for. */
  readonly asked?: 'manifest' | 'config' | 'blob' | 'token' | 'login';
  /** HTTP status. */
  readonly status?: number;
  readonly registryCode?: string;
  readonly tries?: number;
  readonly bytesSoFar?: number;
  /** ISO 8601 time before which a new try is pointless. */
  readonly retryAt?: string;
  /** Platforms an image index offers. */
  readonly platforms?: readonly string[];
  /** What to do, when the code's general hint is not the best one. */
  readonly hint?: string;
}

/** An error as data: what crosses a thread and what `--json` prints. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;
}

/**
 * The one error class of Sluice. Text is redacted on construction: user information and queries of URLs, and header
 * values that carry credentials.
 */
export class SluiceError extends Error {
  override readonly name = 'SluiceError';
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, detail: ErrorDetail | string, options?: { cause?: unknown }) {
    const clean = redactDetail(typeof detail === 'string' ? { message: detail } : detail);
    super(clean.message, options?.cause === undefined ? undefined : { cause: redactCause(options.cause) });
    this.code = code;
    this.detail = clean;
  }

  get hint(): string {
    return this.detail.hint ?? ERRORS[this.code].hint;
  }

  get isRetryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  /** The same error with more said about where it happened; fields already set stay. */
  with(more: Partial<ErrorDetail>): SluiceError {
    return new SluiceError(this.code, { ...more, ...this.detail }, { cause: this.cause });
  }

  toData(): ErrorData {
    return { code: this.code, detail: this.detail };
  }

  toJSON(): Record<string, unknown> {
    return { code: this.code, ...this.detail, hint: this.hint };
  }

  static fromData(data: ErrorData): SluiceError {
    return new SluiceError(data.code, data.detail);
  }
}

/**
 * Removes secrets from text that came from outside: user information and queries of URLs, and the values of
 * `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie`.
 */
export function redact(text: string): string {
  return text
    .replace(/:\/\/[^\s"'<>]*/g, redactUrl)
    .replace(/\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s*[:=]\s*["']?)[^\r\n"']+/gi, '$1$2…')
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/g, '$1 …');
}

/**
 * The part of a URL behind its scheme. Each byte is looked at a bounded number of times: an entry's name of a megabyte
 * ends up in messages, and a pattern that begins anew at each of its letters would take hours.
 */
function redactUrl(rest: string): string {
  const query = rest.indexOf('?');
  const place = (query < 0 ? rest : rest.slice(0, query)).replace(/:\/\/[^/#]*@/g, '://');
  return query < 0 ? place : `${place}?…`;
}

function redactDetail(detail: ErrorDetail): ErrorDetail {
  const clean: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(detail)) {
    if (value === undefined) continue;
    clean[key] = typeof value === 'string' && key !== 'entryBase64' ? redact(value) : value;
  }
  return clean as unknown as ErrorDetail;
}

/** Library errors are never passed on as they are: they may hold requests with their headers. */
function redactCause(cause: unknown): unknown {
  if (cause instanceof SluiceError) return cause;
  if (!(cause instanceof Error)) return redact(String(cause));
  const clean = new Error(redact(cause.message));
  clean.name = cause.name;
  const { code } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') (clean as NodeJS.ErrnoException).code = code;
  return clean;
}

/** The code of a Node system error, e.g. `ENOENT`; undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** An error of the file system as a typed error: `DISK_FULL` for ENOSPC and EDQUOT, else `STORE_FAILED`. */
export function fileSystemError(doing: string, error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  const errno = errnoOf(error);
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'DISK_FULL' : 'STORE_FAILED';
  const syscall = (error as NodeJS.ErrnoException).syscall;
  return new SluiceError(
    code,
    { message: `${doing}: ${errno ?? String(error)}`, ...(errno && { errno }), ...(syscall && { syscall }) },
    { cause: error },
  );
}

/** Whether a code names a fault that is the image's own, if its bytes are what the digest promises (extraction D5). */
export function isImageFault(code: ErrorCode): boolean {
  return IMAGE_FAULTS.has(code);
}

const IMAGE_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ENTRY_REFUSED',
  'NAME_REFUSED',
  'NUMBER_OUT_OF_RANGE',
  'TAR_MALFORMED',
  'ENTRY_TYPE_UNSUPPORTED',
  'COMPRESSION_MALFORMED',
  'COMPRESSION_UNSUPPORTED',
  'NAME_COLLISION',
]);
