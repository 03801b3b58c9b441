import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { errnoOf, SluiceError } from '../../errors.js';
import { isNamedHost } from './hosts.js';
import type { Dispatch } from './http.js';

/** How the other side of a connection is verified. */
export interface TlsChoice {
  /** False: not at all (R40). */
  readonly isVerified: boolean;
  /** Authorities beside those of Node and the system. */
  readonly authorities: Authorities;
}

/** Certificates of authorities that the user named. */
export interface Authorities {
  /** Equal for equal certificates. */
  readonly id: string;
  /** PEM, one certificate each. */
  readonly certificates: readonly string[];
}

/** What the user said about TLS. */
export interface TlsPolicy {
  readonly authorities: Authorities;
  /** Hosts, with their port where they have one, whose certificates are not looked at. */
  readonly skipVerify: readonly string[];
}

export const NO_AUTHORITIES: Authorities = { id: '', certificates: [] };
export const DEFAULT_TLS: TlsChoice = { isVerified: true, authorities: NO_AUTHORITIES };

const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @throws SluiceError CONFIG_INVALID for a file that cannot be read or holds no certificate */
export function readAuthorities(paths: readonly string[]): Authorities {
  const certificates = paths.flatMap((path) => {
    const found = certificatesIn(readNamed(path));
    if (found.length > 0) return found;
    throw invalid(path, 'it holds no certificate in PEM form');
  });
  if (certificates.length === 0) return NO_AUTHORITIES;
  return { id: createHash('sha256').update(certificates.join('\n')).digest('hex'), certificates };
}

function readNamed(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw invalid(path, errnoOf(error) ?? 'it cannot be read');
  }
}

function invalid(path: string, why: string): SluiceError {
  const message = `reading certificate authorities from "${path}": ${why}`;
  return new SluiceError('CONFIG_INVALID', { message, rule: 'registry R41' });
}

/** Chooses for each request by the host it really goes to: what is said of one host holds for no other (R40). */
export function withTls(dispatch: Dispatch, { authorities, skipVerify }: TlsPolicy): Dispatch {
  return (request, receive, signal) => {
    const tls = { isVerified: !isNamedHost(request.url.host, skipVerify), authorities };
    return dispatch({ ...request, tls }, receive, signal);
  };
}

/**
 * Node's own roots, the system's, those of `NODE_EXTRA_CA_CERTS`, and the user's. Node's option `ca` replaces the first
 * and the third, and Node never reads the second, where companies put their own (R41).
 */
export function trustedCertificates(
  { certificates }: Authorities,
  environment: NodeJS.ProcessEnv = process.env,
): string[] {
  const { SSL_CERT_FILE: named, NODE_EXTRA_CA_CERTS: extra } = environment;
  const system = named ? readIfThere(named) : (SYSTEM_BUNDLES.map(readIfThere).find((text) => text !== '') ?? '');
  const more = extra ? readIfThere(extra) : '';
  const all = [...rootCertificates, ...certificatesIn(system), ...certificatesIn(more), ...certificates];
  return [...new Map(all.map((certificate) => [certificate.replace(/\s+/g, ''), certificate])).values()];
}

/** Reading the certificates takes 30 ms, and the half of them stands in two lists; connections share what is made. */
export function openSecureContext(authorities: Authorities): SecureContext {
  return createSecureContext({ ca: trustedCertificates(authorities) });
}

function certificatesIn(text: string): string[] {
  return text.match(CERTIFICATE) ?? [];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
