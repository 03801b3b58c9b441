import { SluiceError } from '../../errors.js';
import { classOfHost } from './address.js';
import { printable } from './body.js';
import { parseUrl } from './http.js';

/**
 * The token server that a challenge names, when it may be asked (R24).
 * @param registry the URL that drew the challenge
 * @throws SluiceError AUTH_REALM_REFUSED: a realm can point a client with credentials anywhere (CVE-2026-48978)
 */
export function parseRealm(realm: string, registry: URL): URL {
  const url = parseUrl(realm);
  if (url === null) throw refused(printable(realm), 'it is no URL');
  checkRealm(url, registry);
  url.hash = '';
  return url;
}

/** The same test, for a redirect of the token request too. */
export function checkRealm(realm: URL, registry: URL): void {
  const shown = `${realm.protocol}//${realm.host}${realm.pathname}`;
  if (realm.username !== '' || realm.password !== '') throw refused(shown, 'it holds a user name');
  const isSecureEnough = realm.protocol === 'https:' || (realm.protocol === 'http:' && registry.protocol === 'http:');
  if (!isSecureEnough) throw refused(shown, 'it is not https');
  const kind = classOfHost(realm.hostname);
  const isLocal = kind !== null && kind !== 'public';
  if (isLocal && !isSameAddress(realm.hostname, registry.hostname)) throw refused(shown, `it is a ${kind} address`);
}

function isSameAddress(one: string, other: string): boolean {
  return one === other || (isLocalhost(one) && isLocalhost(other));
}

/** The name and the two addresses it stands for. */
function isLocalhost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
}

function refused(realm: string, why: string): SluiceError {
  return new SluiceError('AUTH_REALM_REFUSED', {
    message: `asking the token server ${realm}: ${why}`,
    rule: 'registry R24',
  });
}
