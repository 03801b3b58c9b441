import { SluiceError } from '../../errors.js';
import { collectBody, collectErrorBody, type BodyCap } from './body.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Endpoint } from './hosts.js';
import { type Dispatch, type HttpRequest, headersOf, type ReplyHead, type Wanted } from './http.js';
import { checkRealm, parseRealm } from './realm.js';
import { guardOf, withRedirects } from './redirect.js';
import { retry } from './retry.js';
import { type Asked, MISSING_OR_PRIVATE, statusError } from './status.js';
import type { Timing } from './timing.js';
import { parseToken, type Token, type TokenCache, type TokenKey } from './token.js';

/** What a registry wants for one repository, once it has said so; later requests carry it at once (R13). */
export type ChallengeMemory = Map<string, TokenKey>;

export interface AuthOptions {
  readonly endpoint: Endpoint;
  asked(wanted: Wanted): Asked;
  /** Without redirects and without authentication; carries the token requests. */
  readonly bare: Dispatch;
  readonly tokens: TokenCache;
  readonly challenges: ChallengeMemory;
  readonly tokenCap: BodyCap;
  readonly plainHttp: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly timing: Timing;
}

const ANONYMOUS = 'anonymous';
const MOST_CHALLENGES = 1000;

interface Refusal {
  readonly head: ReplyHead;
  readonly body: Uint8Array;
}

/**
 * Answers the registry's challenges. A request without an answer is repeated with one token (R22); one whose cached
 * token is called invalid with 400 or 403 goes once without, to draw a challenge (R23). Both cost no try.
 * @throws SluiceError AUTH_REQUIRED, AUTH_UNSUPPORTED, AUTH_REALM_REFUSED, AUTH_FAILED
 */
export function withAuth(dispatch: Dispatch, options: AuthOptions): Dispatch {
  const memoryKey = `${options.endpoint.origin}/${options.endpoint.repository}`;
  const { tokens, challenges, timing } = options;

  return async (request, receive, signal) => {
    const asked = options.asked(request.wanted);
    const authorize = (key: TokenKey): Promise<string> =>
      tokens.find(key, (flight) => requestToken(key, options, flight), signal);

    let key = challenges.get(memoryKey) ?? null;
    let token = key === null ? null : await authorize(key);
    let isFresh = false;
    let isRedrawn = false;
    for (;;) {
      const refusal: { current: Refusal | null } = { current: null };
      const isRefused = (head: ReplyHead): boolean =>
        head.url.origin === request.firstUrl.origin &&
        (head.status === 401 || (token !== null && !isRedrawn && isStaleToken(head)));
      const head = await attempt(dispatch, request, { token, isRefused, receive, signal, refusal });
      if (refusal.current === null) return head;

      if (key !== null && token !== null) tokens.drop(key, token);
      if (head.status !== 401) {
        isRedrawn = true;
        isFresh = false;
        token = null;
        continue;
      }
      if (isFresh) throw statusError(head, refusal.current.body, asked, timing.now());
      key = chooseChallenge(refusal.current, asked, timing.now());
      remember(challenges, memoryKey, key);
      token = await authorize(key);
      isFresh = true;
    }
  };
}

/** Some registries answer 400 or 403, without a challenge, to a token they no longer like. */
function isStaleToken(head: ReplyHead): boolean {
  return (head.status === 400 || head.status === 403) && headersOf(head, 'www-authenticate').length === 0;
}

interface Attempt {
  readonly token: string | null;
  readonly isRefused: (head: ReplyHead) => boolean;
  readonly receive: Parameters<Dispatch>[1];
  readonly signal: AbortSignal;
  /** Where a refusal is put. */
  readonly refusal: { current: Refusal | null };
}

async function attempt(dispatch: Dispatch, request: HttpRequest, run: Attempt): Promise<ReplyHead> {
  const body = collectErrorBody();
  let isRefused = false;
  const headers = run.token === null ? request.headers : { ...request.headers, authorization: `Bearer ${run.token}` };
  const head = await dispatch(
    { ...request, headers },
    (reply) => {
      isRefused = run.isRefused(reply);
      return isRefused ? body.sink : run.receive(reply);
    },
    run.signal,
  );
  run.refusal.current = isRefused ? { head, body: body.bytes() } : null;
  return head;
}

/** Bearer wins over Basic; what is not spoken here is skipped (R14). */
function chooseChallenge({ head, body }: Refusal, asked: Asked, nowMs: number): TokenKey {
  const challenges = parseChallenges(headersOf(head, 'www-authenticate'));
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
  if (bearer !== undefined) return tokenKeyOf(bearer, head.url, asked.repository);
  if (challenges.length === 0) throw statusError(head, body, asked, nowMs);
  const asking = `asking ${asked.host} for the ${asked.asked} of "${asked.repository}"`;
  if (challenges.some(({ scheme }) => scheme === 'basic')) {
    const message = `${asking}: a user name and a password are needed`;
    throw new SluiceError('AUTH_REQUIRED', { ...asked, message, rule: 'registry R19', status: head.status });
  }
  const schemes = [...new Set(challenges.map(({ scheme }) => scheme))].join(', ');
  const message = `${asking}: it offers ${schemes} alone`;
  throw new SluiceError('AUTH_UNSUPPORTED', { ...asked, message, rule: 'registry R14', status: head.status });
}

/** The challenge's scope as it stands, and never more than the challenge or a pull asks for (R16). */
function tokenKeyOf({ parameters }: Challenge, registry: URL, repository: string): TokenKey {
  return {
    realm: parseRealm(parameters.get('realm') ?? '', registry),
    service: parameters.get('service') ?? null,
    scopes: [parameters.get('scope') ?? `repository:${repository}:pull`],
    identity: ANONYMOUS,
  };
}

/** `GET <realm>?service=…&scope=…`, the realm's own query kept (R15). */
async function requestToken(key: TokenKey, options: AuthOptions, signal: AbortSignal): Promise<Token> {
  const registry = new URL(options.endpoint.origin);
  const url = new URL(key.realm);
  if (key.service !== null) url.searchParams.append('service', key.service);
  for (const scope of key.scopes) url.searchParams.append('scope', scope);
  const request: HttpRequest = {
    method: 'GET',
    url,
    firstUrl: url,
    wanted: 'token',
    headers: { ...options.headers, accept: 'application/json' },
    host: url.host,
    guard: guardOf(url, registry),
  };
  const dispatch = withRedirects(options.bare, {
    plainHttp: options.plainHttp,
    check: (target) => checkRealm(target, registry),
  });
  try {
    return await retry(() => readToken(dispatch, request, options, signal), options.timing, signal);
  } catch (error) {
    throw error instanceof SluiceError ? realmError(error).with({ ...options.asked('token') }) : error;
  }
}

/** Where a name or a redirect leads a token request to an address of this machine, the realm is to blame (R24). */
function realmError(error: SluiceError): SluiceError {
  if (error.code !== 'REDIRECT_REFUSED' || error.detail.rule !== 'registry R52') return error;
  return new SluiceError('AUTH_REALM_REFUSED', { ...error.detail, rule: 'registry R24' });
}

async function readToken(
  dispatch: Dispatch,
  request: HttpRequest,
  options: AuthOptions,
  signal: AbortSignal,
): Promise<Token> {
  let body = collectErrorBody();
  const head = await dispatch(
    request,
    (reply) => {
      body = reply.status === 200 ? collectBody(reply, options.tokenCap) : collectErrorBody();
      return body.sink;
    },
    signal,
  );
  if (head.status === 200) return parseToken(body.bytes());
  throw tokenRefusal(head, body.bytes(), options);
}

/** A token server that refuses an anonymous request says what the registry would (R25). */
function tokenRefusal(head: ReplyHead, body: Uint8Array, options: AuthOptions): SluiceError {
  const error = statusError(head, body, options.asked('token'), options.timing.now());
  switch (error.code) {
    case 'RATE_LIMITED':
    case 'SERVER_ERROR':
    case 'AUTH_REQUIRED':
      return error;
    case 'ACCESS_DENIED':
      return new SluiceError('AUTH_REQUIRED', {
        ...error.detail,
        message: `${error.detail.message}: ${MISSING_OR_PRIVATE}`,
      });
    default:
      return new SluiceError('AUTH_FAILED', error.detail);
  }
}

function remember(challenges: ChallengeMemory, memoryKey: string, key: TokenKey): void {
  challenges.delete(memoryKey);
  challenges.set(memoryKey, key);
  const [oldest] = challenges.keys();
  if (challenges.size > MOST_CHALLENGES && oldest !== undefined) challenges.delete(oldest);
}
