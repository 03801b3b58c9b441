import { SluiceError } from '../../errors.js';
import type { AuthOptions } from './auth.js';
import { collectBody, collectErrorBody } from './body.js';
import type { Credential } from './credentials/credential.js';
import type { Demand } from './demand.js';
import type { Dispatch, HttpRequest } from './http.js';
import { checkRealm } from './realm.js';
import { guardOf, withRedirects } from './redirect.js';
import { retry } from './retry.js';
import { MISSING_OR_PRIVATE, statusError } from './status.js';
import { parseToken, type Token } from './token.js';

type Bearer = Extract<Demand, { kind: 'bearer' }>;

/** Whose token is asked for; null for anybody's. */
export type TokenUser = Exclude<Credential, { kind: 'registry-token' }> | null;

/**
 * Asks the token server of a challenge: by GET with user and password or with nothing (R15), by POST with an identity
 * token (R17).
 * @throws SluiceError AUTH_FAILED, AUTH_REQUIRED, AUTH_UNSUPPORTED, AUTH_REALM_REFUSED, and those of any request
 */
export async function requestToken(
  bearer: Bearer,
  user: TokenUser,
  options: AuthOptions,
  signal: AbortSignal,
): Promise<Token> {
  const registry = new URL(options.endpoint.origin);
  const dispatch = withRedirects(options.bare, {
    plainHttp: options.plainHttp,
    check: (target) => checkRealm(target, registry),
  });
  const request = requestOf(bearer, user, options);
  try {
    return await retry(() => readToken(dispatch, request, { user, options }, signal), options.timing, signal);
  } catch (error) {
    throw error instanceof SluiceError ? realmError(error).with({ ...options.asked('token') }) : error;
  }
}

/** The realm's own query is kept. */
function requestOf(bearer: Bearer, user: TokenUser, options: AuthOptions): HttpRequest {
  const url = new URL(bearer.realm);
  const common = {
    url,
    firstUrl: url,
    wanted: 'token',
    host: url.host,
    guard: guardOf(url, new URL(options.endpoint.origin)),
    ...(options.order && { order: options.order }),
  } as const;
  const headers = { ...options.headers, accept: 'application/json' };
  if (user?.kind === 'identity-token') {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: user.token, client_id: 'sluice' });
    if (bearer.service !== null) form.append('service', bearer.service);
    if (bearer.scopes.length > 0) form.append('scope', bearer.scopes.join(' '));
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    return { ...common, method: 'POST', headers: { ...headers, ...type }, body: form.toString() };
  }
  if (bearer.service !== null) url.searchParams.append('service', bearer.service);
  for (const scope of bearer.scopes) url.searchParams.append('scope', scope);
  const authorization = user === null ? {} : { authorization: basicOf(user) };
  return { ...common, method: 'GET', headers: { ...headers, ...authorization } };
}

/** Value of `Authorization` for a user with a password, in UTF-8 (R19). */
export function basicOf({ username, password }: Extract<Credential, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/** Where a name or a redirect leads a token request to an address of this machine, the realm is to blame (R24). */
function realmError(error: SluiceError): SluiceError {
  const isRealm = error.detail.rule === 'registry R52' || error.detail.rule === 'registry R24';
  if (error.code !== 'REDIRECT_REFUSED' || !isRealm) return error;
  return new SluiceError('AUTH_REALM_REFUSED', { ...error.detail, rule: 'registry R24' });
}

interface Asking {
  readonly user: TokenUser;
  readonly options: AuthOptions;
}

async function readToken(
  dispatch: Dispatch,
  request: HttpRequest,
  asking: Asking,
  signal: AbortSignal,
): Promise<Token> {
  let body = collectErrorBody();
  const head = await dispatch(
    request,
    (reply) => {
      body = reply.status === 200 ? collectBody(reply, asking.options.tokenCap) : collectErrorBody();
      return body.sink;
    },
    signal,
  );
  if (head.status === 200) return parseToken(body.bytes());
  const { options, user } = asking;
  // A token server may repeat what it was shown, in whatever form (R35).
  const told = user === null ? body.bytes() : Buffer.alloc(0);
  throw tokenRefusal(statusError(head, told, options.asked('token'), options.timing.now()), user);
}

/** A token server that refuses an anonymous request says what the registry would (R25). */
function tokenRefusal(error: SluiceError, user: TokenUser): SluiceError {
  const { status, message } = error.detail;
  if (user?.kind === 'identity-token' && (status === 404 || status === 405)) {
    return new SluiceError('AUTH_UNSUPPORTED', {
      ...error.detail,
      message: `${message}: the token server takes no identity tokens`,
      rule: 'registry R17',
      hint: 'Log in with a user name and a password: sluice login HOST.',
    });
  }
  switch (error.code) {
    case 'RATE_LIMITED':
    case 'SERVER_ERROR':
      return error;
    case 'AUTH_REQUIRED':
    case 'ACCESS_DENIED': {
      const code = user === null ? 'AUTH_REQUIRED' : 'AUTH_FAILED';
      const isTold = error.code === 'AUTH_REQUIRED' || error.detail.repository === '';
      return new SluiceError(code, {
        ...error.detail,
        message: isTold ? message : `${message}: ${MISSING_OR_PRIVATE}`,
      });
    }
    default:
      return new SluiceError('AUTH_FAILED', error.detail);
  }
}
