import { errnoOf, SluiceError } from '../../errors.js';

/** Failures below HTTP that may pass (R66); parser errors (`HPE_*`) belong to them too. */
const TRANSIENT = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]);

const TRANSIENT_STATUS = new Set([408, 429, 500, 502, 503, 504]);

interface TlsReason {
  readonly why: string;
  readonly hint: string;
}

const NAME_AUTHORITY = 'Name the file of the authority that signed it with --tls-ca (tlsCa).';
const RENEW = "Renew the registry's certificate, or set this machine's clock right.";
const OTHER_NAME = 'Use a name of the registry that stands in its certificate, or issue one for this name.';
const NO_TLS = 'If the registry has no TLS, use --plain-http (plainHttp).';

const UNKNOWN_AUTHORITY: TlsReason = { why: 'its certificate comes from an unknown authority', hint: NAME_AUTHORITY };

const TLS_REASONS: Readonly<Record<string, TlsReason>> = {
  CERT_HAS_EXPIRED: { why: 'its certificate has expired', hint: RENEW },
  CERT_NOT_YET_VALID: { why: 'its certificate is not valid yet', hint: RENEW },
  CERT_REVOKED: { why: 'its certificate was revoked', hint: RENEW },
  ERR_TLS_CERT_ALTNAME_INVALID: { why: 'its certificate is for another name', hint: OTHER_NAME },
  HOSTNAME_MISMATCH: { why: 'its certificate is for another name', hint: OTHER_NAME },
  DEPTH_ZERO_SELF_SIGNED_CERT: { why: 'its certificate is self-signed', hint: NAME_AUTHORITY },
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
  CERT_UNTRUSTED: { why: 'its certificate is not trusted', hint: NAME_AUTHORITY },
  CERT_REJECTED: { why: 'its certificate is not trusted', hint: NAME_AUTHORITY },
  CERT_SIGNATURE_FAILURE: { why: 'its certificate is damaged', hint: RENEW },
  CERT_CHAIN_TOO_LONG: { why: 'its certificate chain is too long', hint: RENEW },
  INVALID_CA: { why: 'its certificate comes from something that is no authority', hint: RENEW },
};

/** OpenSSL's words when the peer answers a TLS hello with plain text. */
const PLAIN_TEXT = /wrong[ _]version[ _]number|packet[ _]length[ _]too[ _]long|http[ _]request/i;

/** What an error of undici, Node's sockets or TLS means (R66, R67), by class and then by code. */
export function classifyTransport(thrown: unknown, url: URL): SluiceError {
  if (thrown instanceof SluiceError) return thrown;
  const errno = codeOf(thrown);
  const asking = `asking ${url.host}`;
  if (errno === 'UND_ERR_DESTROYED' || errno === 'UND_ERR_CLOSED') {
    return new SluiceError('ABORTED', `${asking}: Sluice was closed`);
  }
  const tls = tlsReason(thrown, errno);
  if (tls !== null) {
    return new SluiceError(
      'TLS_FAILED',
      { message: `${asking}: ${tls.why}`, rule: 'registry R38', errno, hint: tls.hint },
      { cause: thrown },
    );
  }
  if (errno === 'ENOTFOUND' || TRANSIENT.has(errno)) {
    return new SluiceError('REGISTRY_UNREACHABLE', { message: `${asking}: ${errno}`, errno }, { cause: thrown });
  }
  return new SluiceError(
    'PROTOCOL_ERROR',
    { message: `${asking}: ${textOf(thrown)}`, ...(errno && { errno }) },
    { cause: thrown },
  );
}

/**
 * Whether the same request may succeed in a moment (R66, R67). What is not known is not retried, and neither is what was
 * retried already: an error with `tries`.
 */
export function isPassing(error: SluiceError): boolean {
  const { errno, status, tries } = error.detail;
  if (tries !== undefined) return false;
  switch (error.code) {
    case 'BLOB_INCOMPLETE':
    case 'TOO_SLOW':
      return true;
    case 'REGISTRY_UNREACHABLE':
    case 'PROTOCOL_ERROR':
      return errno !== undefined && (TRANSIENT.has(errno) || errno.startsWith('HPE_'));
    case 'RATE_LIMITED':
    case 'SERVER_ERROR':
      return status !== undefined && TRANSIENT_STATUS.has(status);
    default:
      return false;
  }
}

/** Some of undici's parser errors have no code: these go by their class. */
function codeOf(thrown: unknown): string {
  return errnoOf(thrown) ?? (thrown instanceof Error && thrown.name === 'HTTPParserError' ? 'HPE_UNKNOWN' : '');
}

function tlsReason(thrown: unknown, errno: string): TlsReason | null {
  const known = TLS_REASONS[errno];
  if (known !== undefined) return known;
  if (errno !== 'EPROTO' && !/^ERR_(TLS|SSL|OSSL)_/.test(errno)) return null;
  return PLAIN_TEXT.test(textOf(thrown)) || PLAIN_TEXT.test(errno)
    ? { why: 'plain HTTP is spoken on the port', hint: NO_TLS }
    : { why: `TLS failed (${errno})`, hint: `${NAME_AUTHORITY} ${NO_TLS}` };
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
