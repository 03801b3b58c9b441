import { SluiceError } from '../../errors.js';
import { collectErrorBody, type BodyCap } from './body.js';
import { identityOf } from './credentials/credential.js';
import type { CredentialQuery, FoundCredential } from './credentials/find-credential.js';
import { chooseDemand, type Demand, type DemandMemory, type Refusal } from './demand.js';
import { isNamedHost, type Endpoint } from './hosts.js';
import { type BodySink, type Dispatch, type HttpRequest, headersOf, type ReplyHead, type Wanted } from './http.js';
import type { Order } from './limits.js';
import { type Asked, doingOf, statusError } from './status.js';
import type { Timing } from './timing.js';
import type { TokenCache } from './token.js';
import { basicOf, requestToken, type TokenUser } from './token-request.js';
import { withoutSecrets } from './without-secrets.js';

export interface AuthOptions {
  readonly endpoint: Endpoint;
  asked(wanted: Wanted): Asked;
  /** Without redirects and without authentication; carries the token requests. */
  readonly bare: Dispatch;
  readonly tokens: TokenCache;
  /** Identity tokens that took the place of older ones, by {@link identityOf} and realm; in memory alone (R17). */
  readonly renewed: Map<string, string>;
  readonly demands: DemandMemory;
  findCredential(query: Pick<CredentialQuery, 'isFresh' | 'signal'>): Promise<FoundCredential>;
  readonly tokenCap: BodyCap;
  readonly plainHttp: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly order: Order | undefined;
  readonly timing: Timing;
  notice(level: 'warn', message: string): void;
}

/** What a request shows. */
interface Shown {
  /** Value of `Authorization`. */
  readonly authorization: string;
  /** What was found for the host. */
  readonly found: FoundCredential;
  /** A token of an earlier request, which the registry may no longer like. */
  readonly isKept: boolean;
  /** It was refused. */
  drop(): void;
}

/**
 * Answers the registry's challenges. A request without an answer is repeated with one token (R22); one whose cached
 * token is called invalid with 400 or 403 goes once without, to draw a challenge (R23). Both cost no try.
 * @throws SluiceError AUTH_REQUIRED, AUTH_UNSUPPORTED, AUTH_REALM_REFUSED, AUTH_FAILED
 */
export function withAuth(dispatch: Dispatch, options: AuthOptions): Dispatch {
  const { demands, endpoint, timing } = options;
  const wallet = createWallet(options);

  return async (request, receive, signal) => {
    const asked = options.asked(request.wanted);
    const known = demands.find(endpoint.origin, endpoint.repository);
    let shown = known === null ? null : await wallet.recall(known, asked, signal);
    let isFresh = false;
    let isRedrawn = false;
    let isRenewed = false;
    for (;;) {
      const refusal: { current: Refusal | null } = { current: null };
      const isRefused = (head: ReplyHead): boolean =>
        head.url.origin === request.firstUrl.origin &&
        (head.status === 401 || (shown?.isKept === true && !isRedrawn && isStaleToken(head)));
      const { authorization } = shown ?? { authorization: null };
      const head = await attempt(dispatch, request, { authorization, isRefused, receive, signal, refusal });
      if (refusal.current === null) return head;

      shown?.drop();
      if (head.status !== 401) {
        isRedrawn = true;
        isFresh = false;
        shown = null;
        continue;
      }
      const before: Shown | null = shown;
      if (isFresh) throw refusedError(statusError(head, refusal.current.body, asked, timing.now()), before?.found);
      const demand = chooseDemand(refusal.current, asked, timing.now());
      demands.keep(endpoint.origin, endpoint.repository, demand);
      shown = await wallet.show(demand, asked, { isRefused: before !== null, signal });
      if (shown.authorization === before?.authorization) {
        throw refusedError(statusError(head, refusal.current.body, asked, timing.now()), shown.found);
      }
      // Another repository's token may answer the challenge, when their scopes are one; it is no fresh one.
      isFresh = isRenewed || !shown.isKept;
      isRenewed = true;
    }
  };
}

/** Some registries answer 400 or 403, without a challenge, to a token they no longer like. */
function isStaleToken(head: ReplyHead): boolean {
  return (head.status === 400 || head.status === 403) && headersOf(head, 'www-authenticate').length === 0;
}

/** The second refusal is final; whether credentials were used tells its code, and why none were may be its cause (R22, R32). */
function refusedError(error: SluiceError, found: FoundCredential | undefined): SluiceError {
  const detail = { ...error.detail, message: withProblems(error.detail.message, found) };
  return new SluiceError(found?.credential ? 'AUTH_FAILED' : error.code, detail);
}

function withProblems(message: string, found: FoundCredential | undefined): string {
  return [message, ...(found?.problems ?? [])].join('; ');
}

interface Attempt {
  readonly authorization: string | null;
  readonly isRefused: (head: ReplyHead) => boolean;
  readonly receive: Parameters<Dispatch>[1];
  readonly signal: AbortSignal;
  /** Where a refusal is put. */
  readonly refusal: { current: Refusal | null };
}

async function attempt(dispatch: Dispatch, request: HttpRequest, run: Attempt): Promise<ReplyHead> {
  const { authorization } = run;
  const body = collectErrorBody();
  let isRefused = false;
  /** Takes the body of an error when it is complete. */
  const told: { by: BodySink | null } = { by: null };
  const headers = authorization === null ? request.headers : { ...request.headers, authorization };
  const head = await dispatch(
    { ...request, headers },
    (reply) => {
      isRefused = run.isRefused(reply);
      if (isRefused) return body.sink;
      const sink = run.receive(reply);
      if (authorization === null || reply.status < 400) return sink;
      told.by = sink;
      return body.sink;
    },
    run.signal,
  );
  const said = authorization === null ? body.bytes() : withoutSecrets(body.bytes(), authorization);
  told.by?.(said);
  run.refusal.current = isRefused ? { head, body: said } : null;
  return head;
}

interface Showing {
  /** Whether what was shown last was refused: what is kept of credentials does not count then. */
  readonly isRefused: boolean;
  readonly signal: AbortSignal;
}

/** Finds and shows what one pull has for its repository. */
interface Wallet {
  /** For a demand of earlier; null when this repository may have none: Basic is remembered for its host (R19). */
  recall(demand: Demand, asked: Asked, signal: AbortSignal): Promise<Shown | null>;
  show(demand: Demand, asked: Asked, showing: Showing): Promise<Shown>;
}

function createWallet(options: AuthOptions): Wallet {
  const said = new Set<string>();
  const warn = (message: string): void => {
    if (said.has(message)) return;
    said.add(message);
    options.notice('warn', message);
  };
  /** One pull looks once, however many ranges it asks for. */
  let kept: FoundCredential | null = null;
  const find = async (isFresh: boolean, signal: AbortSignal): Promise<FoundCredential> => {
    if (kept !== null && !isFresh) return kept;
    const found = await options.findCredential({ isFresh, signal });
    kept = found;
    for (const problem of found.problems) warn(problem);
    const { host } = new URL(options.endpoint.origin);
    if (found.credential !== null && isNamedHost(host, options.plainHttp)) {
      warn(`credentials go to ${host} by plain HTTP, for everybody on the way to read`);
    }
    return found;
  };
  const show = async (demand: Demand, asked: Asked, { isRefused, signal }: Showing): Promise<Shown> => {
    const found = await find(isRefused, signal);
    try {
      return await answer(demand, found, { asked, options, signal });
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'AUTH_FAILED' || isRefused) throw problemsOf(error, found);
      // What a helper program said a while ago may no longer hold.
      const again = await find(true, signal);
      if (identityOf(again.credential) === identityOf(found.credential)) throw error;
      return await answer(demand, again, { asked, options, signal });
    }
  };
  return {
    show,
    recall: async (demand, asked, signal) => {
      const isUseless = demand.kind === 'basic' && (await find(false, signal)).credential?.kind !== 'password';
      return isUseless ? null : show(demand, asked, { isRefused: false, signal });
    },
  };
}

function problemsOf(error: unknown, found: FoundCredential): unknown {
  if (!(error instanceof SluiceError) || error.code !== 'AUTH_REQUIRED' || found.problems.length === 0) return error;
  return new SluiceError(error.code, { ...error.detail, message: withProblems(error.detail.message, found) });
}

interface Answering {
  readonly asked: Asked;
  readonly options: AuthOptions;
  readonly signal: AbortSignal;
}

async function answer(demand: Demand, found: FoundCredential, { asked, options, signal }: Answering): Promise<Shown> {
  const { credential } = found;
  if (demand.kind === 'basic') {
    return { authorization: basicAnswer(credential, asked), found, isKept: false, drop: () => undefined };
  }
  if (credential?.kind === 'registry-token') {
    return { authorization: `Bearer ${credential.token}`, found, isKept: false, drop: () => undefined };
  }
  const key = { ...demand, identity: identityOf(credential) };
  let isKept = true;
  const ask = (flight: AbortSignal): ReturnType<typeof requestToken> => {
    isKept = false;
    return renewToken(demand, credential, options, flight);
  };
  const token = await options.tokens.find(key, ask, signal);
  return { authorization: `Bearer ${token}`, found, isKept, drop: () => options.tokens.drop(key, token) };
}

/** @throws SluiceError AUTH_REQUIRED, AUTH_UNSUPPORTED */
function basicAnswer(credential: FoundCredential['credential'], asked: Asked): string {
  if (credential?.kind === 'password') return basicOf(credential);
  const detail = { ...asked, rule: 'registry R19', status: 401 };
  if (credential === null) {
    const message = `${doingOf(asked)}: a user name and a password are needed`;
    throw new SluiceError('AUTH_REQUIRED', { ...detail, message });
  }
  const message = `${doingOf(asked)}: it takes user names and passwords alone, and a token is what there is`;
  throw new SluiceError('AUTH_UNSUPPORTED', { ...detail, message, hint: 'Log in with a password: sluice login HOST.' });
}

/** A token server may replace the identity token with each reply; the newest is used, and the first again when it fails. */
async function renewToken(
  demand: Extract<Demand, { kind: 'bearer' }>,
  user: TokenUser,
  options: AuthOptions,
  signal: AbortSignal,
): ReturnType<typeof requestToken> {
  if (user?.kind !== 'identity-token') return requestToken(demand, user, options, signal);
  const { renewed } = options;
  const key = `${identityOf(user)} ${demand.realm.origin}`;
  const newest = renewed.get(key);
  const ask = async (token: string): ReturnType<typeof requestToken> => {
    const reply = await requestToken(demand, { ...user, token }, options, signal);
    if (reply.refreshToken !== null) renewed.set(key, reply.refreshToken);
    return reply;
  };
  try {
    return await ask(newest ?? user.token);
  } catch (error) {
    if (newest === undefined || !(error instanceof SluiceError) || error.code !== 'AUTH_FAILED') throw error;
    renewed.delete(key);
    return ask(user.token);
  }
}
