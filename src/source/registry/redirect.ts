import { SluiceError } from '../../errors.js';
import { type AddressGuard, classOfHost, isLoopbackHost } from './address.js';
import { discardBody } from './body.js';
import { isNamedHost } from './hosts.js';
import { type Dispatch, headerOf, type HttpRequest, parseUrl, type ReplyHead } from './http.js';

export interface RedirectPolicy {
  /** Hosts that speak plain HTTP because the user said so. */
  readonly plainHttp: readonly string[];
  /** A further test of every target, which throws. */
  readonly check?: (target: URL) => void;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_HOPS = 5;
/** What another origin must not see. */
const PRIVATE_HEADERS = new Set(['authorization', 'cookie']);

/**
 * Follows redirects (R48–R52) where the reply leads elsewhere; undici follows none.
 * @throws SluiceError REDIRECT_REFUSED, PROTOCOL_ERROR
 */
export function withRedirects(dispatch: Dispatch, policy: RedirectPolicy): Dispatch {
  return async (request, receive, signal) => {
    const seen = new Set([request.url.href]);
    let current = request;
    for (let hops = 0; ; hops++) {
      let isRedirected = false;
      const head = await dispatch(
        current,
        (reply) => {
          isRedirected = REDIRECTS.has(reply.status);
          return isRedirected ? discardBody() : receive(reply);
        },
        signal,
      );
      if (!isRedirected) return head;
      const target = targetOf(head, current.url);
      if (hops === MOST_HOPS) throw refused(target, `more than ${MOST_HOPS} redirects`, 'registry R48');
      if (seen.has(target.href)) throw refused(target, 'the redirects lead in a circle', 'registry R48');
      checkTarget(target, current, policy);
      seen.add(target.href);
      current = redirected(current, target);
    }
  };
}

/** Which addresses a request may connect to when another host than the one asked was named by the network (R52). */
export function guardOf(target: URL, asked: URL): AddressGuard {
  if (target.hostname === asked.hostname) return 'any';
  return isLoopbackHost(asked.hostname) ? 'no-link-local' : 'no-local';
}

function targetOf(head: ReplyHead, from: URL): URL {
  const location = headerOf(head, 'location');
  const target = location === null ? null : parseUrl(location, from);
  if (target === null) {
    throw new SluiceError('PROTOCOL_ERROR', {
      message: `asking ${from.host}: a redirect (HTTP ${head.status}) that leads nowhere`,
      rule: 'registry R48',
      status: head.status,
    });
  }
  target.hash = '';
  return target;
}

function checkTarget(target: URL, request: HttpRequest, policy: RedirectPolicy): void {
  if (target.protocol !== 'https:' && target.protocol !== 'http:') {
    throw refused(target, `the scheme ${target.protocol} is not followed`, 'registry R51');
  }
  if (target.username !== '' || target.password !== '') {
    throw refused(target, 'it holds a user name', 'registry R51');
  }
  const isDowngrade = request.url.protocol === 'https:' && target.protocol === 'http:';
  if (isDowngrade && !isNamedHost(target.host, policy.plainHttp)) {
    throw refused(target, 'it leaves HTTPS', 'registry R50');
  }
  const kind = classOfHost(target.hostname);
  const isLoopback = kind === 'loopback' && !isLoopbackHost(request.firstUrl.hostname);
  if (kind === 'link-local' || kind === 'unspecified' || isLoopback) {
    throw refused(target, `it leads to a ${kind} address`, 'registry R52');
  }
  policy.check?.(target);
}

function redirected(request: HttpRequest, target: URL): HttpRequest {
  const isSameOrigin = target.origin === request.url.origin;
  // The body of a POST holds a credential (R24).
  if (request.method === 'POST' && !isSameOrigin) throw refused(target, 'it would take a login along', 'registry R24');
  const kept = Object.entries(request.headers).filter(([name]) => !PRIVATE_HEADERS.has(name.toLowerCase()));
  return {
    ...request,
    url: target,
    headers: isSameOrigin ? request.headers : Object.fromEntries(kept),
    guard: request.guard === 'public' ? 'public' : guardOf(target, request.firstUrl),
  };
}

/** The query of a target is a credential (R35): it is cut here and not left to the redaction of texts. */
function refused(target: URL, why: string, rule: string): SluiceError {
  const shown = target.host === '' ? target.protocol : `${target.protocol}//${target.host}${target.pathname}`;
  return new SluiceError('REDIRECT_REFUSED', { message: `following a redirect to ${shown}: ${why}`, rule });
}
